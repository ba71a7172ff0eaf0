"""What is a span? Something that took time and is over, as OTLP will say it, or that still goes on. Nothing here knows
what made it; whatever is said of one, what is kept is bounded and can be sent.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum

from keelstep.store import rows

Attribute = str | int | float | tuple[str, ...]
Attributes = Mapping[str, Attribute]

_LONGEST = 1_000
"""Characters of a name or an attribute."""
_MOST_TEXTS = 50
"""In one attribute: a runner may plan as many calls as fit into an event."""
_MOST_NOTES = 100
"""On one span: a run that plans without end has one attempt."""


class Kind(IntEnum):
    """What a span is to its parent; numbers as OTLP has them."""

    INTERNAL = 1
    CLIENT = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """Whose spans they are: what OTLP calls the resource."""

    tenant: str
    strategy: str
    version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """Something that happened within a span: what OTLP calls an event."""

    name: str
    at: int
    """Nanoseconds since 1970."""
    attributes: Attributes


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Something that took time, and is over."""

    owner: Owner
    trace_id: bytes
    span_id: bytes
    parent_id: bytes
    """Empty for the run itself."""
    name: str
    kind: Kind
    begun: int
    """Nanoseconds since 1970, by the broker's clock."""
    ended: int
    attributes: Attributes
    notes: tuple[Note, ...]
    error: str
    """Why it failed, in one word; empty where it did not."""


@dataclass(slots=True, kw_only=True)
class Open:
    """A span that is not over."""

    span_id: bytes
    parent_id: bytes
    name: str
    begun: int
    attributes: Attributes
    kind: Kind = Kind.INTERNAL
    notes: list[Note] = field(default_factory=list)
    active_at: int = 0
    """Of an attempt: when its runner, or a gateway for it, last wrote."""

    def note(self, name: str, at: int, attributes: Attributes) -> None:
        """Something happened within it; what comes after the first hundred is not told."""
        if len(self.notes) < _MOST_NOTES:
            self.notes.append(Note(name=name, at=at, attributes=told(attributes)))


def told(attributes: Attributes) -> Attributes:
    """What there is to say, as it can be sent."""
    return {name: _sent(value) for name, value in attributes.items() if value not in ("", ())}


def _sent(value: Attribute) -> Attribute:
    match value:
        case str():
            return text(value)
        case tuple():
            return tuple(text(each) for each in value[:_MOST_TEXTS])
        case _:
            return value


def text(value: str) -> str:
    """A text as it can be stored and sent, of bounded length."""
    return rows.text(value[:_LONGEST])
