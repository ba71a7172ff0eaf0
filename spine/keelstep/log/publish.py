"""What became of one publish? A position, a refusal that names the last sequence, or nobody knows.

Told by the broker's acknowledgement alone. What a writer does then is `spine`'s.
"""

import contextlib

import msgspec
import nats.errors
from nats.aio.client import Client

from keelstep import errors
from keelstep.events import envelope

TIMEOUT_SECONDS = 2.0
_WRONG_SEQUENCE = frozenset({10071, 10164})
"""A fence refused; 10164 is a replicated stream's word for a race it has not yet settled."""
_FULL = frozenset({10002, 10023, 10028, 10047, 10077, 10109})
"""No room in account, server or memory; no storage; the stream is full, or cannot be written; it is sealed."""
_TOO_LARGE = 10054


class Ack(msgspec.Struct, frozen=True):
    """What became of a publish; a position of 0 is none."""

    position: int = 0
    last: int = 0
    """The sequence that a refusal names; 0 where it names none."""
    why: str = ""
    is_full: bool = False
    """True where the broker stores nothing more, whatever it is."""


class _AckError(msgspec.Struct, frozen=True):
    code: int = 0
    err_code: int = 0
    description: str = ""


class _PubAck(msgspec.Struct, frozen=True):
    seq: int = 0
    error: _AckError | None = None


_ACKS = msgspec.json.Decoder(_PubAck)


async def send(nc: Client, subject: str, payload: bytes, headers: dict[str, str]) -> Ack:
    """Publish once.

    Raises:
        errors.EventTooLargeError: the broker takes nothing of that size.
        errors.BrokerClosedError: the connection is closed for good.
    """
    if nc.is_closed:
        raise errors.BrokerClosedError
    try:
        reply = await nc.request(subject, payload, timeout=TIMEOUT_SECONDS, headers=headers)
    except (nats.errors.TimeoutError, nats.errors.NoRespondersError) as error:
        return Ack(why=type(error).__name__)
    except (nats.errors.ConnectionClosedError, nats.errors.ConnectionDrainingError) as error:
        raise errors.BrokerClosedError from error
    except nats.errors.Error as error:
        return Ack(why=str(error))
    try:
        ack = _ACKS.decode(reply.data)
    except msgspec.DecodeError:
        return Ack(why="unreadable acknowledgement")
    if ack.error is None:
        return Ack(position=ack.seq)
    if ack.error.err_code in _WRONG_SEQUENCE:
        return Ack(last=_named_sequence(ack.error.description), why=ack.error.description)
    if ack.error.err_code == _TOO_LARGE:
        raise errors.EventTooLargeError("event", len(payload), envelope.MAX_BYTES)
    return Ack(why=ack.error.description, is_full=ack.error.err_code in _FULL)


def _named_sequence(description: str) -> int:
    """The last sequence a refusal names: `wrong last sequence: 17`; 0 where it names none."""
    with contextlib.suppress(ValueError):
        return int(description.rpartition(":")[2])
    return 0
