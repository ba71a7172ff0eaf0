"""What if a document has something else in a place than belongs there? Then there is nothing in that place."""

from collections.abc import Mapping
from typing import Any


def mapping(node: Any) -> Mapping[str, Any]:
    """The object; an empty one where it is none."""
    return node if isinstance(node, Mapping) else {}


def listed(node: Any) -> list[Any]:
    """The list; an empty one where it is none."""
    return node if isinstance(node, list) else []


def text(node: Any) -> str:
    """The text; an empty one where it is none."""
    return node if isinstance(node, str) else ""
