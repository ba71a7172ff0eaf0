"""Is the stream still the one the tables were made of?

A stream that was created anew, set back, or holds another message at the position would silently be told as the old
one's continuation. Whoever runs the installation must find out what happened; nothing here repairs it.
"""

import base64

import msgspec
from nats.aio.client import Client

from keelstep import errors
from keelstep.events import envelope
from keelstep.log import jetstream, subjects, tail
from keelstep.store.ledger import Progress

REGRESSED = "StreamRegressed"


class _Raw(msgspec.Struct, frozen=True):
    data: str = ""


class _Got(msgspec.Struct, frozen=True):
    message: _Raw


class _State(msgspec.Struct, frozen=True):
    messages: int
    last_seq: int


class _Info(msgspec.Struct, frozen=True):
    state: _State


async def fresh(nc: Client, shard: int) -> Progress:
    """The position before the first message of the shard's stream as it is now.

    Raises:
        errors.BrokerError: it does not exist, or the broker did not answer.
    """
    stream = subjects.stream(shard)
    place = await tail.place(nc, stream)
    return Progress(shard=shard, stream=stream, incarnation=place.incarnation, position=0, digest="")


async def purged(nc: Client, shard: int) -> int:
    """How many of its messages have left a shard's stream, because their logs were archived.

    Raises:
        errors.BrokerError: the stream does not exist, or the broker did not answer.
    """
    state = (await jetstream.call(nc, f"STREAM.INFO.{subjects.stream(shard)}", type=_Info)).state
    return state.last_seq - state.messages


async def check(nc: Client, progress: Progress) -> None:
    """Make sure that the stream continues what the tables hold.

    Raises:
        errors.Stalled: it does not (`StreamRegressed`).
        errors.BrokerError: the stream does not exist, or the broker did not answer.
    """
    stream = progress.stream
    place = await tail.place(nc, stream)
    if place.incarnation != progress.incarnation:
        raise _regressed(
            stream, f"it was created at {place.incarnation}, the tables are of {progress.incarnation}"
        )
    if place.last < progress.position:
        raise _regressed(stream, f"it ends at {place.last}, the tables at {progress.position}")
    if progress.position == 0:
        return
    found = await _digest(nc, stream, progress.position)
    if found is not None and found != progress.digest:
        raise _regressed(stream, f"message {progress.position} is another one than in the tables")


def _regressed(stream: str, why: str) -> errors.Stalled:
    return errors.Stalled(
        REGRESSED,
        f"stream {stream} is not what the tables were made of: {why}. Restore the stream, or, if it was replaced "
        "on purpose, rebuild the views and accept the new stream",
    )


async def _digest(nc: Client, stream: str, position: int) -> str | None:
    """SHA-256 of a message; None where it was archived and purged."""
    try:
        got = await jetstream.call(nc, f"STREAM.MSG.GET.{stream}", {"seq": position}, type=_Got)
    except errors.BrokerError as error:
        if error.code == jetstream.MESSAGE_NOT_FOUND:
            return None
        raise
    return envelope.digest(base64.b64decode(got.message.data))
