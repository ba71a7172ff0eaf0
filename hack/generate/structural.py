"""How does a pydantic JSON schema become a structural schema that a Kubernetes API server accepts?

`$ref` is inlined, "or null" becomes "may be absent", noise is dropped, and whatever is not understood is refused with
its path. So is every value without an upper bound: one unbounded list makes the CEL rules around it too dear for the
API server. It must not know any particular kind, and it must never guess.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

Schema = dict[str, Any]

INT32_MAX = 2**31 - 1

_NOISE = frozenset({"title", "examples", "$defs"})
_KEPT = (
    "type",
    "format",
    "enum",
    "pattern",
    "minLength",
    "maxLength",
    "minItems",
    "maxItems",
    "minProperties",
    "maxProperties",
    "minimum",
    "exclusiveMinimum",
    "maximum",
    "exclusiveMaximum",
    "multipleOf",
)
"""Keywords that mean the same on both sides, in the order in which they are written."""
_EXTENSIONS = (
    "x-kubernetes-list-type",
    "x-kubernetes-list-map-keys",
    "x-kubernetes-map-type",
    "x-kubernetes-preserve-unknown-fields",
    "x-kubernetes-validations",
)
_HANDLED = frozenset({"description", "default", "required", "properties", "items", "additionalProperties"})


class SchemaError(ValueError):
    """A model says something that a CustomResourceDefinition cannot; the author of the model must change it."""

    def __init__(self, path: str, problem: str) -> None:
        super().__init__(f"{path}: {problem}")


def convert(schema: Mapping[str, Any], *, path: str, keep_defaults: bool = True) -> Schema:
    """The structural schema of what `model_json_schema(mode="validation", by_alias=True)` returned.

    `path` names the schema in errors. Without `keep_defaults` the API server fills in nothing: a status says only what
    its writer wrote.

    Raises:
        SchemaError: on a keyword without a counterpart, a float, recursion, or a value without an upper bound.
    """
    definitions: Mapping[str, Any] = schema.get("$defs", {})
    return _convert(schema, _Place(path=path, definitions=definitions, keep_defaults=keep_defaults))


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """Where in the schema we are, and which references led here."""

    path: str
    definitions: Mapping[str, Any]
    keep_defaults: bool
    followed: tuple[str, ...] = ()

    def child(self, name: str) -> "_Place":
        return dataclasses.replace(self, path=f"{self.path}{name}")

    def following(self, reference: str) -> "_Place":
        if reference in self.followed:
            raise SchemaError(self.path, f"{reference} contains itself; a structural schema cannot recurse")
        return dataclasses.replace(self, followed=(*self.followed, reference))


def _convert(raw: Mapping[str, Any], place: _Place) -> Schema:
    flat, place = _flatten(raw, place)
    _refuse_unknown(flat, place)
    result: Schema = {}
    if "description" in flat:
        result["description"] = " ".join(flat["description"].split())
    for keyword in _KEPT:
        if keyword in flat:
            result[keyword] = flat[keyword]
    kind = flat.get("type")
    if kind == "integer" and "format" not in flat:
        result["format"] = _integer_format(flat)
    if kind == "object":
        result.update(_object(flat, place))
    if kind == "array":
        result["items"] = _convert(flat["items"], place.child("[]"))
    for keyword in _EXTENSIONS:
        if keyword in flat:
            result[keyword] = flat[keyword]
    if place.keep_defaults and flat.get("default") is not None:
        result["default"] = _default(flat["default"], result)
    _refuse_unbounded(result, place)
    return result


def _flatten(raw: Mapping[str, Any], place: _Place) -> tuple[Schema, _Place]:
    """Follow references and unions with null until one plain schema is left; what stands outside wins."""
    flat = dict(raw)
    while True:
        if "$ref" in flat:
            reference = flat.pop("$ref").removeprefix("#/$defs/")
            place = place.following(reference)
            flat = {**place.definitions[reference], **flat}
        elif "anyOf" in flat:
            branches = [branch for branch in flat.pop("anyOf") if branch != {"type": "null"}]
            if len(branches) != 1:
                raise SchemaError(place.path, "a union of several types; name one field per variant instead")
            flat = {**branches[0], **flat}
        elif "const" in flat:
            flat["enum"] = [flat.pop("const")]
        elif flat.pop("uniqueItems", False):
            flat["x-kubernetes-list-type"] = "set"
        else:
            return _with_boolean_limits(flat), place


def _with_boolean_limits(flat: Schema) -> Schema:
    """JSON Schema's exclusive limits are numbers, a CustomResourceDefinition's are flags."""
    for exclusive, limit in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
        if exclusive in flat and not isinstance(flat[exclusive], bool):
            flat[limit] = flat[exclusive]
            flat[exclusive] = True
    return flat


def _refuse_unknown(flat: Schema, place: _Place) -> None:
    for keyword in flat:
        if keyword not in _NOISE | _HANDLED and keyword not in (*_KEPT, *_EXTENSIONS):
            raise SchemaError(place.path, f"no counterpart for the keyword {keyword!r}")
    if "type" not in flat:
        raise SchemaError(place.path, "no type; a value of any shape is `resource.JsonObject`")
    if flat["type"] == "number":
        raise SchemaError(place.path, "a float; use an integer or a decimal string")
    if flat["type"] == "null":
        raise SchemaError(place.path, "only null is allowed; leave the field out")


def _object(flat: Schema, place: _Place) -> Schema:
    result: Schema = {}
    additional = flat.get("additionalProperties", False)
    if isinstance(additional, dict):
        result["additionalProperties"] = _convert(additional, place.child("{}"))
    elif additional and not flat.get("x-kubernetes-preserve-unknown-fields"):
        raise SchemaError(place.path, "any property is allowed; use `resource.JsonObject` if that is meant")
    if flat.get("required"):
        result["required"] = flat["required"]
    if "properties" in flat:
        result["properties"] = {
            name: _convert(child, place.child(f".{name}")) for name, child in flat["properties"].items()
        }
    return result


def _integer_format(flat: Schema) -> str:
    fits = flat.get("minimum", -(2**63)) >= -INT32_MAX and flat.get("maximum", 2**63) <= INT32_MAX
    return "int32" if fits else "int64"


def _default(value: Any, schema: Schema) -> Any:
    """A model's default without what is null and without what the fields' own defaults say already."""
    if not isinstance(value, dict):
        return value
    properties = schema.get("properties", {})
    return {
        name: inner
        for name, inner in value.items()
        if inner is not None and inner != _expanded_default(properties.get(name, {}))
    }


def _expanded_default(schema: Schema) -> Any:
    """What the API server makes of a field that is absent."""
    default = schema.get("default")
    if not isinstance(default, dict):
        return default
    inner = {name: _expanded_default(child) for name, child in schema.get("properties", {}).items()}
    return {**inner, **default}


def _refuse_unbounded(result: Schema, place: _Place) -> None:
    match result["type"]:
        case "string":
            bounded = "maxLength" in result or "enum" in result
        case "array":
            bounded = "maxItems" in result
        case "object":
            bounded = "properties" in result or "maxProperties" in result
        case _:
            bounded = True
    if not bounded:
        raise SchemaError(place.path, f"this {result['type']} has no upper bound; give it a maximum length")
