"""How does an event become bytes, and bytes an event again?

The bytes that are stored are the event: they are hashed and signed as they are and never written again from their
meaning. Reading tells four things apart: an event, one of a newer version or unknown type (undecidable), and bytes
that are no event of ours (malformed). Nothing here judges whether an event is allowed.
"""

import hashlib
from typing import ClassVar, Union

import msgspec

from keelstep.events import registry, types
from keelstep.events.value import Count

VERSION = 1
"""The version we write, and the newest we read."""
GENESIS = "0" * 64
"""`prev` of an execution's first event."""
MAX_BYTES = 60 * 1024
"""An event larger than this does not fit the stream (64 KiB with headers)."""


class Cost(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What an event settled."""

    tokens_in: Count = 0
    tokens_out: Count = 0
    micro_usd: Count = 0


FREE = Cost()


class Envelope(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What every event says, whatever its type."""

    v: Count
    id: str
    type: str
    tenant: str
    execution: str
    """The xid."""
    root: str
    """The xid of the run that began it all."""
    parent: str | None
    """The xid of the run that began this one."""
    trace_id: str
    seq: Count
    """From 1, without a gap among valid events."""
    step: Count
    """Model turns and tool calls begun so far."""
    attempt: Count
    actor: str
    """The program's instance, or the person it writes for."""
    ts: str
    """The writer's clock: information, nothing decides by it."""
    prev: str
    """SHA-256 of the previous valid event's bytes."""
    cost: Cost
    data: msgspec.Raw
    subject: str | None = None
    """The person this is about, for erasure."""


class Event(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """An event, decoded: what its envelope says, and its data.

    Each type of event has a class of its own below this one, so that one pass over the bytes reads both.
    """

    type: ClassVar[str] = ""
    v: Count
    id: str
    tenant: str
    execution: str
    root: str
    parent: str | None
    trace_id: str
    seq: Count
    step: Count
    attempt: Count
    actor: str
    ts: str
    prev: str
    cost: Cost
    data: types.Data
    subject: str | None = None

    @property
    def envelope(self) -> "Event":
        """What every event says, whatever its type: its own fields, named as those of `Envelope`."""
        return self


class Undecidable(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """An event whose type or version this program does not know: nothing may be decided past it."""

    envelope: Envelope


class Malformed(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Bytes that are no event."""

    why: str


def _class(name: str, data: type[types.Data]) -> type[Event]:
    """The events of one type."""
    namespace = {"type": name, "__doc__": f"`{name}`.", "__module__": __name__}
    made = msgspec.defstruct(
        f"Event[{name}]", [("data", data)], bases=(Event,), namespace=namespace, tag_field="type", tag=name,
        frozen=True, kw_only=True, gc=False,
    )  # fmt: skip
    assert issubclass(made, Event)
    return made


_CLASSES = {name: _class(name, kind.data) for name, kind in registry.KINDS.items()}
_ENCODER = msgspec.json.Encoder()
_EVENTS = msgspec.json.Decoder(Union[tuple(_CLASSES.values())])  # noqa: UP007 made of as many as there are
_ENVELOPES = msgspec.json.Decoder(Envelope)
_DATA = {name: msgspec.json.Decoder(kind.data) for name, kind in registry.KINDS.items()}


def encode(envelope: Envelope | Event) -> bytes:
    """The bytes to store."""
    return _ENCODER.encode(envelope)


def raw(data: types.Data) -> msgspec.Raw:
    """An event's data, ready for its envelope."""
    return msgspec.Raw(_ENCODER.encode(data))


def decode(payload: bytes) -> Event | Undecidable | Malformed:
    """What stored bytes say. Never raises."""
    try:
        if not payload.isascii():
            payload.decode()  # the decoder does not look into fields that it ignores
        event: Event = _EVENTS.decode(payload)
        if event.v == VERSION:
            return event
    except (ValueError, RecursionError):
        pass  # why is found out below: the envelope alone may say more than the two together
    return _apart(payload)


def _apart(payload: bytes) -> Event | Undecidable | Malformed:
    """The same, envelope first and then its data: an event of the future has an envelope that we can read."""
    try:
        payload.decode()
        envelope = _ENVELOPES.decode(payload)
    except (ValueError, RecursionError) as error:
        return Malformed(why=f"not an event: {error}")
    decoder = _DATA.get(envelope.type)
    if decoder is None or envelope.v != VERSION:
        if envelope.v < 1:
            return Malformed(why=f"version {envelope.v}")
        return Undecidable(envelope=envelope)
    try:
        data = decoder.decode(envelope.data)
    except (ValueError, RecursionError) as error:
        return Malformed(why=f"data of {envelope.type}: {error}")
    fields = {name: getattr(envelope, name) for name in Event.__struct_fields__}
    return _CLASSES[envelope.type](**{**fields, "data": data})


def digest(payload: bytes) -> str:
    """SHA-256 of stored bytes, hex: the next event's `prev`."""
    return hashlib.sha256(payload).hexdigest()


def identifier(xid: str, type_name: str, *parts: object) -> str:
    """An event's id, the same wherever the same fact is proposed: 32 hex digits."""
    text = "\x1f".join((xid, type_name, *map(str, parts)))
    return hashlib.sha256(text.encode()).hexdigest()[:32]
