"""Which fields of a kind's spec have a section of their own on its page, and what may be said there? Examples by field.

They stand in `<kind>.yaml` beside this file; each is one more way to write `base`. Only reads; whether a cluster takes them
is asked by tests.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from keelstep.kinds import resource

_KINDS = ("toolcontract",)


def of(kind: type[resource.Resource]) -> Mapping[str, list[str]]:
    """Examples as YAML by field, in the order of the page; none where the kind has no sections."""
    if kind.crd.singular not in _KINDS:
        return {}
    found: Mapping[str, list[str]] = _read(kind)["sections"]
    return found


def specs(kind: type[resource.Resource]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every example as a whole spec, with its name: `transport 2`."""
    base = _read(kind)["base"]
    for field, examples in of(kind).items():
        for number, example in enumerate(examples, start=1):
            yield f"{field} {number}", {**base, **yaml.safe_load(example)}


def _read(kind: type[resource.Resource]) -> dict[str, Any]:
    path = Path(__file__).with_name(f"{kind.crd.singular}.yaml")
    found: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return found
