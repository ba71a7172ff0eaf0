"""What does one of the document's schemas say, whole in itself, in JSON Schema 2020-12?

References are replaced by what they lead to. Where that would never end, or make more than `MOST_BYTES`, what lies deeper
is cut: only its type is left. A cut schema allows more than the document does, never less; every cut is told.
"""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from keelstep.domain import canonical, schema
from keelstep.imports import nodes
from keelstep.imports.draft import UnusableError
from keelstep.imports.references import References

Direction = Literal["request", "response"]

MOST_BYTES = 32 * 1024
"""Of one schema: models read the arguments' with every turn, and people read both once."""
_LIMIT = f"{MOST_BYTES // 1024} KiB"
_TRIES = (
    *((64, 64), (64, 2), (64, 1), (64, 0), (12, 1), (8, 1), (6, 1), (5, 1)),
    *((4, 1), (3, 2), (3, 1), (2, 2), (2, 1), (1, 1), (1, 0)),
)
"""To which level a schema is kept whole, and to which its descriptions are: these go first."""
_MOST_NODES = 4_000
"""No schema of `MOST_BYTES` has more."""
_KEPT_WORDS = """
type const enum format description default deprecated multipleOf minimum maximum exclusiveMinimum
exclusiveMaximum minLength maxLength minItems maxItems uniqueItems minContains maxContains minProperties
maxProperties contentEncoding contentMediaType dependentRequired
"""
_KEPT = frozenset(_KEPT_WORDS.split())
_ONE = ("items", "contains", "propertyNames", "if", "then", "else", "contentSchema")
_CLOSING = ("additionalProperties", "unevaluatedProperties", "unevaluatedItems")
_MANY = ("allOf", "anyOf", "prefixItems")
_NAMED = ("properties", "patternProperties", "dependentSchemas")
_NESTING = frozenset((*_ONE, *_CLOSING, *_MANY, *_NAMED, "oneOf", "not"))
_NOTES = frozenset(("description", "default", "deprecated", "examples"))


class _TooManyError(Exception):
    """The schema grows beyond all bounds at this depth."""


@dataclass(slots=True)
class Whole:
    """A schema without references."""

    content: dict[str, Any]
    losses: list[str] = field(default_factory=list)
    """What it does not say any more, and why."""


def whole(references: References, node: Any, direction: Direction) -> Whole:
    """A schema of the document, whole in itself and no larger than `MOST_BYTES`; the caller's to change.

    Raises:
        UnusableError: it refers to another document or to nothing, or cannot be made small enough.
    """
    key = canonical.dumps([direction, node])
    made: Whole | None = references.wholes.get(key)
    if made is None:
        made = references.wholes[key] = _whole(references, node, direction)
    return copy.deepcopy(made)


def _whole(references: References, node: Any, direction: Direction) -> Whole:
    for depth, described in _TRIES:
        maker = _Maker(references, direction, depth, described)
        try:
            found = maker.made(node, 0, ())
        except _TooManyError:
            continue
        except RecursionError:
            raise UnusableError("a schema is nested too deeply") from None
        content = found if isinstance(found, dict) else {} if found else {"not": {}}
        if len(canonical.dumps(content)) <= MOST_BYTES:
            return Whole(content, list(maker.losses))
    raise UnusableError(f"a schema is larger than {_LIMIT} however much of it is cut")


class _Maker:
    """Makes one schema, cutting what lies deeper than `depth`."""

    def __init__(self, references: References, direction: Direction, depth: int, described: int) -> None:
        self._references = references
        self._hidden = "readOnly" if direction == "request" else "writeOnly"
        self._depth = depth
        self._described = described
        self._nodes = 0
        self._cuts = 0
        self.losses: dict[str, None] = {}

    def made(self, node: Any, level: int, trail: tuple[str, ...]) -> Any:
        """The schema; a boolean where it is one."""
        if isinstance(node, bool):
            return node
        if not isinstance(node, Mapping):
            raise UnusableError(f"a schema is {type(node).__name__}, not an object")
        self._nodes += 1
        if self._nodes > _MOST_NODES:
            raise _TooManyError
        if "$ref" in node:
            return self._referred(node, level, trail)
        if level > self._depth and not _NESTING.isdisjoint(node):
            self._cuts += 1
            self.losses[f"cut below {self._depth} levels, as it is larger than {_LIMIT}"] = None
            return self._shell(node)
        return self._translated(node, level, trail)

    def _referred(self, node: Mapping[str, Any], level: int, trail: tuple[str, ...]) -> Any:
        reference = node["$ref"]
        target = self._references.target(reference)
        if reference in trail or len(trail) > 64:
            self._cuts += 1
            name = str(reference).rpartition("/")[2]
            self.losses[f"{name} refers to itself and is cut there"] = None
            return self._shell(nodes.mapping(target))
        found = self.made(target, level, (*trail, reference))
        beside = (
            {} if self._references.is_3_0 else {key: value for key, value in node.items() if key != "$ref"}
        )
        if not beside:
            return found
        return self._joined([found], self._translated(beside, level, trail))

    def _translated(self, node: Mapping[str, Any], level: int, trail: tuple[str, ...]) -> dict[str, Any]:
        before = self._cuts
        found: dict[str, Any] = {key: value for key, value in node.items() if key in _KEPT}
        if level > self._described and found.pop("description", ""):
            self.losses[f"without descriptions below {self._described} levels, to fit into {_LIMIT}"] = None
        hidden = self._hidden_properties(node)
        for key in _NAMED:
            if isinstance(node.get(key), Mapping):
                found[key] = {
                    name: self.made(inner, level + 1, trail)
                    for name, inner in node[key].items()
                    if key != "properties" or name not in hidden
                }
        for key in (*_ONE, *_CLOSING):
            if isinstance(node.get(key), Mapping | bool):
                found[key] = self.made(node[key], level + 1, trail)
        for key in _MANY:
            if isinstance(node.get(key), list) and node[key]:
                found[key] = [self.made(inner, level, trail) for inner in node[key]]
        self._oneof(node, found, level, trail)
        if "not" in node:
            uncut = self._cuts
            inner = self.made(node["not"], level + 1, trail)
            if self._cuts == uncut:
                found["not"] = inner
        if self._cuts != before:
            self._loosen(found)
        required = node.get("required")
        if isinstance(required, list) and (
            names := [name for name in required if nodes.text(name) not in hidden]
        ):
            found["required"] = names
        self._patterns(node, found)
        self._examples(node, found, level)
        if self._references.is_3_0:
            found = _from_3_0(node, found)
        return self._joined(found.pop("allOf"), found) if len(found.get("allOf", ())) == 1 else found

    def _oneof(
        self, node: Mapping[str, Any], found: dict[str, Any], level: int, trail: tuple[str, ...]
    ) -> None:
        """Of branches that were cut more than one may match, so only one of several is asked for then."""
        if not isinstance(node.get("oneOf"), list) or not node["oneOf"]:
            return
        before = self._cuts
        branches = [self.made(inner, level, trail) for inner in node["oneOf"]]
        if self._cuts == before:
            found["oneOf"] = branches
        elif "anyOf" not in found:
            found["anyOf"] = branches
        else:
            found.setdefault("allOf", []).append({"anyOf": branches})

    def _loosen(self, found: dict[str, Any]) -> None:
        """Take away what may refuse more once something beneath was cut."""
        for key in ("if", "then", "else", "unevaluatedProperties", "unevaluatedItems", "maxContains"):
            found.pop(key, None)

    def _hidden_properties(self, node: Mapping[str, Any]) -> set[str]:
        """Properties that are never sent in this direction."""
        return {
            name
            for name, inner in nodes.mapping(node.get("properties")).items()
            if isinstance(inner, Mapping) and self._target(inner).get(self._hidden) is True
        }

    def _target(self, node: Mapping[str, Any]) -> Mapping[str, Any]:
        if "$ref" not in node:
            return node
        return nodes.mapping(self._references.target(node["$ref"]))

    def _patterns(self, node: Mapping[str, Any], found: dict[str, Any]) -> None:
        """Patterns that can be matched in linear time; others are left out."""
        pattern = node.get("pattern")
        if isinstance(pattern, str) and self._is_usable(pattern):
            found["pattern"] = pattern
        for each in list(found.get("patternProperties", ())):
            if not self._is_usable(each):
                del found["patternProperties"][each]
                found.pop("additionalProperties", None)

    def _is_usable(self, pattern: str) -> bool:
        try:
            schema.compile_schema({"pattern": pattern})
        except schema.SchemaError:
            self.losses[f"pattern {pattern!r} left out: it cannot be matched in linear time"] = None
            return False
        return True

    def _examples(self, node: Mapping[str, Any], found: dict[str, Any], level: int) -> None:
        examples = node.get("examples")
        if isinstance(examples, list) and examples:
            found["examples"] = examples
        elif "example" in node:
            found["examples"] = [node["example"]]
        if level > self._described:
            found.pop("examples", None)

    def _shell(self, node: Mapping[str, Any]) -> dict[str, Any]:
        """What is left of a schema that is cut: its type."""
        node = self._target(node)
        kind = node.get("type")
        if not isinstance(kind, str | list):
            return {}
        return _from_3_0(node, {"type": kind}) if self._references.is_3_0 else {"type": kind}

    def _joined(self, parts: Sequence[Any], rest: dict[str, Any]) -> dict[str, Any]:
        """One schema of a part and what stands beside it, flat where neither says a thing about the other."""
        (part,) = parts
        if not isinstance(part, dict):
            return rest if part is True else {**rest, "allOf": [part]}
        if rest.keys() <= _NOTES or (part.keys() <= _NOTES and not part.keys() & rest.keys()):
            return {**part, **rest}
        return {**rest, "allOf": [part]}


def _from_3_0(node: Mapping[str, Any], found: dict[str, Any]) -> dict[str, Any]:
    """What 3.0 says otherwise than JSON Schema: exclusive bounds, base64, null."""
    for bound, limit in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
        if isinstance(found.get(bound), bool) and found.pop(bound) and limit in found:
            found[bound] = found.pop(limit)
    if found.get("format") == "byte":
        del found["format"]
        found["contentEncoding"] = "base64"
    if node.get("nullable") is not True:
        return found
    if isinstance(found.get("enum"), list) and None not in found["enum"]:
        found["enum"] = [*found["enum"], None]
    if isinstance(found.get("type"), str):
        found["type"] = [found["type"], "null"]
        if not found.keys() & {"allOf", "anyOf", "oneOf", "not"}:
            return found
    notes = {key: found.pop(key) for key in list(found) if key in _NOTES}
    return {**notes, "anyOf": [found, {"type": "null"}]} if found else notes
