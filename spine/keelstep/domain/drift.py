"""Is a server's tool still the one that was reviewed, and if not, what changed?

A contract pins what its MCP server said of the tool, as a digest of each part. `parts` is what a gateway asks before it
relies on a tool; `compare` shows a person the places. Pure: nobody is asked here.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from keelstep.domain import canonical
from keelstep.kinds.transport import Mcp, Pinned

HINTS = ("readOnlyHint", "destructiveHint", "idempotentHint", "openWorldHint")
"""The annotations that say what a call does; titles and icons are no terms."""
MOST_CHANGES = 200
"""More are not listed: a person reviews the tool anew then."""


class Part(StrEnum):
    """What a server says of a tool."""

    DESCRIPTION = "description"
    INPUT = "input"
    OUTPUT = "output"
    ANNOTATIONS = "annotations"


class How(StrEnum):
    """What became of a place."""

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """What a server says of one tool."""

    description: str = ""
    input: Mapping[str, Any] = field(default_factory=dict)
    output: Mapping[str, Any] | None = None
    """None where the server declares none."""
    annotations: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One place that differs."""

    part: Part
    place: str
    """Within the part, dotted; empty where the part as a whole is meant."""
    how: How
    before: Any = None
    after: Any = None


def key(mcp: Mcp) -> str:
    """What one reviewed tool of one server is found by, whichever contracts call it: SHA-256, hex."""
    server = mcp.http or mcp.stdio
    reviewed = mcp.pinned.wire() if mcp.pinned is not None else None
    parts = [server.wire() if server is not None else None, mcp.tool, reviewed]
    return canonical.digest(canonical.dumps(parts))


def read(described: Mapping[str, Any]) -> Tool:
    """A tool from its description as MCP writes it (`tools/list`)."""
    said, words = described.get("annotations"), described.get("description")
    given, output = described.get("inputSchema"), described.get("outputSchema")
    hints = said if isinstance(said, Mapping) else {}
    return Tool(
        description=words if isinstance(words, str) else "",
        input=given if isinstance(given, Mapping) else {},
        output=output if isinstance(output, Mapping) else None,
        annotations={hint: hints[hint] for hint in HINTS if hints.get(hint) is not None},
    )


def digest(tool: Tool) -> Pinned:
    """What a contract pins of a tool: SHA-256 of each part's canonical JSON."""
    return Pinned.model_validate(
        {part.value: canonical.digest(canonical.dumps(canonical.plain(getattr(tool, part)))) for part in Part}
    )


def parts(pinned: Pinned, live: Tool) -> tuple[Part, ...]:
    """The parts that are not what was pinned; empty where the tool is still the one reviewed."""
    now = digest(live)
    return tuple(part for part in Part if getattr(now, part) != getattr(pinned, part))


def compare(pinned: Tool, live: Tool) -> list[Change]:
    """Every place that differs, at most `MOST_CHANGES`."""
    found: list[Change] = []
    for part in Part:
        for change in _differences(part, "", getattr(pinned, part), getattr(live, part)):
            if len(found) == MOST_CHANGES:
                return found
            found.append(change)
    return found


def _differences(part: Part, place: str, before: Any, after: Any) -> Iterator[Change]:
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for key in [*before, *(key for key in after if key not in before)]:
            inner = f"{place}.{key}" if place else str(key)
            if key not in after:
                yield Change(part=part, place=inner, how=How.REMOVED, before=before[key])
            elif key not in before:
                yield Change(part=part, place=inner, how=How.ADDED, after=after[key])
            else:
                yield from _differences(part, inner, before[key], after[key])
    elif canonical.dumps(canonical.plain(before)) != canonical.dumps(canonical.plain(after)):
        yield Change(part=part, place=place, how=How.CHANGED, before=before, after=after)
