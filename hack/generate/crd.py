"""What is the CustomResourceDefinition of a kind?

Built from the kind's model and its `crd` notes as plain data, then written as YAML. It must not know any particular
kind, and the same models must always give the same bytes.
"""

from typing import Any

import yaml

from hack.generate import structural
from keelstep import kinds
from keelstep.kinds import resource

CATEGORY = "keelstep"
"""`kubectl get keelstep` lists every kind of ours."""


def build_definition(kind: type[resource.Resource]) -> dict[str, Any]:
    """The CustomResourceDefinition of one kind as plain data.

    Raises:
        structural.SchemaError: when the model says something a CustomResourceDefinition cannot.
    """
    notes = kind.crd
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{notes.plural}.{resource.GROUP}"},
        "spec": {
            "group": resource.GROUP,
            "scope": "Namespaced",
            "names": {
                "kind": notes.kind,
                "listKind": f"{notes.kind}List",
                "plural": notes.plural,
                "singular": notes.singular,
                "shortNames": list(notes.short_names),
                "categories": [CATEGORY],
            },
            "versions": [_version(kind)],
        },
    }


def _version(kind: type[resource.Resource]) -> dict[str, Any]:
    notes = kind.crd
    version: dict[str, Any] = {
        "name": resource.VERSION,
        "served": True,
        "storage": True,
        "subresources": {"status": {}},
        "additionalPrinterColumns": [_column(column) for column in notes.columns],
    }
    if notes.selectable_fields:
        version["selectableFields"] = [{"jsonPath": path} for path in notes.selectable_fields]
    version["schema"] = {"openAPIV3Schema": build_schema(kind)}
    return version


def _column(column: resource.Column) -> dict[str, Any]:
    result: dict[str, Any] = {"name": column.name, "type": column.type, "jsonPath": column.path}
    if column.priority:
        result["priority"] = column.priority
    return result


def build_schema(kind: type[resource.Resource]) -> dict[str, Any]:
    """The structural schema of a whole object.

    The spec keeps its defaults, so the API server fills them in and everyone sees them. The status keeps none but a
    kind's first phase: what else the operator has not written is absent, not zero.
    """
    whole = kind.model_json_schema(mode="validation", by_alias=True)
    properties, definitions = whole["properties"], whole["$defs"]
    name = kind.crd.singular
    schema: dict[str, Any] = {
        "description": " ".join((kind.__doc__ or "").split()),
        "type": "object",
        "required": ["spec"],
        "properties": {
            "apiVersion": {
                "description": f"The version of this object's form: {resource.API_VERSION}.",
                "type": "string",
            },
            "kind": {"description": f"What this object is: {kind.crd.kind}.", "type": "string"},
            "metadata": {"type": "object"},
            "spec": structural.convert(
                {**_without_default(properties["spec"]), "$defs": definitions}, path=f"{name}.spec"
            ),
            "status": structural.convert(
                {**_without_default(properties["status"]), "$defs": definitions},
                path=f"{name}.status",
                keep_defaults=False,
            ),
        },
    }
    if kind.crd.first_phase:
        schema["properties"]["status"]["default"] = {"phase": kind.crd.first_phase}
    if kind.crd.root_rules:
        schema.update(resource.rules(*kind.crd.root_rules))
    return schema


def _without_default(schema: dict[str, Any]) -> dict[str, Any]:
    """A spec must be given and a status must be written; neither springs from a default."""
    return {keyword: value for keyword, value in schema.items() if keyword != "default"}


def render(kind: type[resource.Resource]) -> str:
    """The YAML file of one kind, with a first line that says where it comes from."""
    module = kind.__module__.replace(".", "/")
    header = f"# Generated from spine/{module}.py by `python -m hack.generate`. Do not edit.\n"
    body = yaml.dump(
        build_definition(kind),
        Dumper=_Dumper,
        sort_keys=False,
        allow_unicode=True,
        width=110,
        default_flow_style=False,
    )
    return header + body


def render_all() -> dict[str, str]:
    """Every CRD file: its path in the repository → its text."""
    return {f"crds/{kind.crd.singular}.yaml": render(kind) for kind in kinds.KINDS}


class _Dumper(yaml.SafeDumper):
    """Lists indented under their key, as people write YAML; no anchors, for other parsers' and readers' sake."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)

    def ignore_aliases(self, data: Any) -> bool:
        return True
