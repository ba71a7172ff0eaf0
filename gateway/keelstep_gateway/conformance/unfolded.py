"""What does a schema say where it refers to itself? The same with each reference replaced, as far as arguments need it.

It is looser or stricter than the schema where that is simpler: whoever makes arguments of it asks the schema itself.
"""

from collections.abc import Mapping
from typing import Any

from keelstep.domain import schema

_MOST_FOLLOWED = 3
"""How often one reference is followed within itself: a list of three links is edge enough."""
_MOST_PARTS = 20_000
"""Parts of a schema that come of references altogether."""


def of(document: Mapping[str, Any]) -> Any:
    """A schema without references; a recursion ends after a few turns."""
    return _Unfolding(document).node(document)


def both(one: Any, other: Any) -> Any:
    """A schema that says what both say, as far as that is simple; what is not is found out by the check."""
    if one is False or other is False:
        return False
    if not isinstance(one, Mapping) or not isinstance(other, Mapping):
        return other if one is True or one == {} else one
    joined = {**one, **other}
    if isinstance(one.get("properties"), Mapping) and isinstance(other.get("properties"), Mapping):
        joined["properties"] = {**one["properties"], **other["properties"]}
    if isinstance(one.get("required"), list) and isinstance(other.get("required"), list):
        joined["required"] = [*one["required"], *other["required"]]
    for choice in ("allOf", "anyOf", "oneOf"):
        if choice in one and choice in other:
            joined["allOf"] = [{choice: one[choice]}, {choice: other[choice]}, *joined.pop("allOf", [])]
            joined.pop(choice, None)
    return joined


class _Unfolding:
    """A schema with what it refers to in the place of each reference; a recursion ends after a few turns."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._follow = schema.references(document)
        self._left = _MOST_PARTS

    def node(self, node: Any, within: tuple[str, ...] = ()) -> Any:
        """One part; `False`, which nothing matches, where it would go on for too long."""
        if isinstance(node, list):
            return [self.node(each, within) for each in node]
        if not isinstance(node, Mapping):
            return node
        self._left -= bool(within)
        if self._left < 0:
            return False
        rest = {
            key: value if key in schema.LITERAL else self.node(value, within)
            for key, value in node.items()
            if key != "$defs" and not (key == "$ref" and isinstance(value, str))
        }
        reference = node.get("$ref")
        if not isinstance(reference, str):
            return rest
        if within.count(reference) >= _MOST_FOLLOWED:
            return False
        return both(rest, self.node(self._follow(reference), (*within, reference)))
