"""How do stored messages travel from the gateway to a runner, byte for byte?

A chunk is a run of frames: one JSON line with the message's place, writer, stored time, signature and size, then its
bytes. The reader hashes and judges those bytes itself.
"""

from collections.abc import Iterable, Iterator

import msgspec

from keelstep.events.value import Count


class Stored(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One message as the stream holds it."""

    position: int
    """Its sequence in the stream."""
    writer: str
    """The last token of its subject: `op`, `gw` or `a<attempt>`."""
    stored_at: int
    """The broker's clock, nanoseconds since 1970."""
    signature: str = ""
    payload: bytes = b""


class _Head(msgspec.Struct, frozen=True, kw_only=True):
    position: int
    writer: str
    stored_at: int
    signature: str
    size: Count


_ENCODER = msgspec.json.Encoder()
_DECODER = msgspec.json.Decoder(_Head)


def pack(messages: Iterable[Stored]) -> bytes:
    """A chunk of these messages."""
    parts = bytearray()
    for message in messages:
        parts += _ENCODER.encode(
            _Head(
                position=message.position,
                writer=message.writer,
                stored_at=message.stored_at,
                signature=message.signature,
                size=len(message.payload),
            )
        )
        parts += b"\n"
        parts += message.payload
    return bytes(parts)


def unpack(chunk: bytes) -> Iterator[Stored]:
    """The messages of a chunk.

    Raises:
        ValueError: the chunk is cut short or was not made by `pack`.
    """
    at = 0
    while at < len(chunk):
        line = chunk.find(b"\n", at)
        if line < 0:
            raise ValueError("chunk is cut in a frame's head")
        head = _DECODER.decode(chunk[at:line])
        at = line + 1 + head.size
        if at > len(chunk):
            raise ValueError("chunk is cut in a frame's payload")
        yield Stored(
            position=head.position,
            writer=head.writer,
            stored_at=head.stored_at,
            signature=head.signature,
            payload=chunk[line + 1 : at],
        )
