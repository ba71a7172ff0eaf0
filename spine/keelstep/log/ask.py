"""What does a runner ask a gateway, and in what words is it answered?

One request on `call.….<verb>`, any number of heartbeats back, then one final reply. The gateway trusts the subject
(the broker enforces it) and no field of a request beyond what it asks about.

    verb     request                     final reply
    model    AskModel                    events | refused
    tool     AskTool                     events | refused | gate
    log      AskLog                      events (frames; empty where there is nothing new)
    object   AskObject                   object (the payload) | refused
"""

from enum import StrEnum

import msgspec

from keelstep.events.value import Value

HEADER = "Keelstep-Reply"
"""The reply's header that says which of `Reply` it is."""
HEARTBEAT_SECONDS = 2.0
"""A gateway that is still at it says so this often."""
PATIENCE_SECONDS = 2 * HEARTBEAT_SECONDS + 0.5
"""A runner that missed two heartbeats asks again: another gateway will answer."""
CHUNK_BYTES = 1024 * 1024
"""A reply's events end after this many bytes; the runner asks for the rest."""


class Reply(StrEnum):
    """Kinds of replies."""

    HEARTBEAT = "heartbeat"
    EVENTS = "events"
    """`events.frame` of everything stored after the asked position, the answer among it."""
    REFUSED = "refused"
    """A `Refusal`: no event was made of it."""
    GATE = "gate"
    """The call needs a gate first; a `NeedsGate`."""
    OBJECT = "object"


class Beat(msgspec.Struct, frozen=True, kw_only=True):
    """What a heartbeat may say besides."""

    waiting: str = ""
    """What keeps a call from being sent: rate, concurrency, pause or breaker; empty where nothing does."""


class AskModel(msgspec.Struct, frozen=True, kw_only=True):
    """The model call of this ordinal."""

    ordinal: int
    request: Value
    """The messages."""
    after: int
    """The last stream position the runner has read: the reply's events begin after it."""
    seen: int = 0
    """The newest position it knows of, its own appends included: nothing older is a base to decide on."""


class AskTool(msgspec.Struct, frozen=True, kw_only=True):
    """One planned call."""

    plan_seq: int
    index: int
    after: int
    seen: int = 0


class AskUndo(msgspec.Struct, frozen=True, kw_only=True):
    """The undoing of one call."""

    undo: int
    """The `tool.result` that ended it."""
    after: int
    seen: int = 0


class AskLog(msgspec.Struct, frozen=True, kw_only=True):
    """What is stored after a position."""

    after: int


class AskObject(msgspec.Struct, frozen=True, kw_only=True):
    """A payload of this execution, or a revision it pinned."""

    digest: str
    is_revision: bool = False


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """Not done, and nothing recorded."""

    reason: str
    """CamelCase."""
    message: str
    is_transient: bool = False
    """True: ask again a little later."""


class NeedsGate(msgspec.Struct, frozen=True, kw_only=True):
    """A person must be asked first."""

    tier: int
