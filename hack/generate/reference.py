"""What does a kind's page in `docs/` say? An example, and its model's docstrings field by field, so that all agree.

Pure: the same models give the same text.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from hack.generate import example, sections, structural
from keelstep import kinds
from keelstep.kinds import resource

_NOTE = "<!-- Written by `python -m hack.generate` from spine/keelstep/kinds; edit the docstrings there. -->"

_REASONS = (
    "What stands in REASON and in the conditions is explained in [reasons.md](reasons.md):"
    " what it means, who acts, the fix."
)


def render_all() -> dict[str, str]:
    """Each kind's page: its path in the repository → its text."""
    return {f"docs/{kind.crd.singular}.md": render(kind) for kind in kinds.KINDS}


def render(kind: type[resource.Resource]) -> str:
    """One kind's page."""
    notes = kind.crd
    names = ", ".join(f"`{name}`" for name in (*notes.short_names, notes.plural))
    parts = [f"# {notes.kind}", _NOTE, _plain(kind.__doc__), f"`kubectl get` knows it as {names}."]
    parts += ["## Example", _about_example(kind), f"```yaml\n{example.of(kind)}```"]
    for section in ("spec", "status"):
        model = kind.model_fields[section].annotation
        assert model is not None
        schema = structural.convert(model.model_json_schema(by_alias=True), path=section)
        parts += [f"## {section}", _plain(model.__doc__)]
        examples = sections.of(kind) if section == "spec" else {}
        parts += _sections(schema, examples) if examples else ["\n".join(_table(schema))]
        parts += _rules(schema)
    columns = ", ".join(column.name.upper() for column in notes.columns if column.priority == 0)
    parts += ["## Columns", f"NAME, {columns}", _REASONS]
    return "\n\n".join(parts) + "\n"


def _about_example(kind: type[resource.Resource]) -> str:
    source = example.source(kind)
    if source:
        return f"From [examples/refund]({source}), which `make demo` applies."
    return "As the operator writes it for the demo's refund, once grace has decided; digests are shortened."


def _sections(schema: dict[str, Any], examples: Mapping[str, list[str]]) -> Iterator[str]:
    """A section for each field: what it is, how it may be said, and the fields below it.

    Raises:
        SchemaError: a field has no example, or an example has no field.
    """
    fields = schema["properties"]
    if fields.keys() != examples.keys():
        raise structural.SchemaError(
            "sections", f"{sorted(fields.keys() ^ examples.keys())} on one side only"
        )
    for name, field in fields.items():
        required = ", required" if name in schema.get("required", ()) else ""
        yield f"### {name}"
        yield f"{_type(field)}{required}. {_plain(field.get('description'))}".replace("\\|", "|")
        yield from (f"```yaml\n{example}```" for example in examples[name])
        inner = field.get("items", field)
        if "properties" in inner:
            mark = "[]" if field.get("type") == "array" else ""
            yield "\n".join(_table(inner, f"{name}{mark}."))


def _table(schema: dict[str, Any], prefix: str = "") -> Iterator[str]:
    yield "| field | type | meaning |"
    yield "|---|---|---|"
    for path, field, is_required in _fields(schema, prefix):
        required = ", required" if is_required else ""
        yield f"| `{path}` | {_type(field)}{required} | {_cell(field.get('description', ''))} |"


def _fields(schema: dict[str, Any], prefix: str) -> Iterator[tuple[str, dict[str, Any], bool]]:
    for name, field in schema.get("properties", {}).items():
        path = f"{prefix}{name}"
        inner = field.get("items", field)
        mark = "[]" if field.get("type") == "array" else ""
        yield f"{path}{mark}", field, name in schema.get("required", ())
        yield from _fields(inner, f"{path}{mark}.")


def _type(field: dict[str, Any]) -> str:
    if "enum" in field:
        return " \\| ".join(f"`{value}`" for value in field["enum"])
    if field.get("type") == "array":
        return f"list of {_type(field['items'])}"
    return str(field.get("type", "any"))


def _rules(schema: dict[str, Any]) -> list[str]:
    found = [f"- {rule['message']}" for rule in schema.get("x-kubernetes-validations", ())]
    return ["The API server refuses what breaks these:", "\n".join(found)] if found else []


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _plain(text: str | None) -> str:
    return " ".join((text or "").split())
