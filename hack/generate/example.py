"""With which manifest does a kind's page begin? One that the demo applies, with a placeholder for its shop's address.

Only reads the example's files; one that its own kind would refuse is an error.
"""

from pathlib import Path

import pydantic
import yaml

from examples.refund import render
from hack.generate.structural import SchemaError
from keelstep.kinds import resource

SHOP = "https://shop.example"
_CHOSEN = {
    "AgentStrategy": ("strategies.yaml", "support-agent"),
    "ToolContract": ("contracts.yaml", "refund.issue"),
    "Execution": ("executions.yaml", "refund-approved"),
}
_GATE = Path(__file__).with_name("approvalgate.yaml")
"""Nobody applies a gate: the operator writes it."""


def of(kind: type[resource.Resource]) -> str:
    """The kind's example as YAML.

    Raises:
        SchemaError: there is none, or it is not of this kind.
    """
    name = kind.crd.kind
    text = _chosen(*_CHOSEN[name]) if name in _CHOSEN else _GATE.read_text(encoding="utf-8")
    try:
        kind.model_validate(yaml.safe_load(text))
    except pydantic.ValidationError as error:
        raise SchemaError(f"the example of {name}", str(error)) from error
    return text


def source(kind: type[resource.Resource]) -> str:
    """Where the example stands in the repository, seen from `docs/`; empty where nobody applies it."""
    found = _CHOSEN.get(kind.crd.kind)
    return f"../examples/refund/manifests/{found[0]}" if found else ""


def _chosen(file: str, name: str) -> str:
    documents = render.render(SHOP, "")[file].split("\n---\n")
    for document in documents:
        if yaml.safe_load(document)["metadata"]["name"] == name:
            return document.strip("\n") + "\n"
    raise SchemaError(file, f"there is no {name}")
