"""What becomes of the runs that were open in a backup? Each is held, by an event of its own, until a person takes it over.

Appended as the operator, before any program works. Done again it changes nothing: who is held is not held twice.
"""

import asyncio
from dataclasses import dataclass

from nats.aio.client import Client

from keelstep import errors
from keelstep.domain import restored
from keelstep.domain.state import State
from keelstep.events import envelope, signing, types
from keelstep.events.signing import Keyring
from keelstep.log import jetstream, reader, subjects
from keelstep.log.spine import Author, Log, Proposal

_PAUSES_SECONDS = (0.1, 0.2, 0.5, 1.0, 2.0, 4.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """How many runs there are."""

    held: int
    ended: int


async def hold_open(nc: Client, shard: int, signer: signing.Signer, keyring: Keyring) -> Held:
    """Hold every run of a shard that has begun and is not over. `nc` is a connection as `Role.OPERATOR`.

    Raises:
        errors.UndecidableError: a log holds what this program does not know: use the version that wrote it.
        errors.BrokerError: the broker did not answer; do it again.
    """
    found = await jetstream.subjects(nc, subjects.stream(shard), subjects.whole(shard))
    parts = (subject.split(".") for subject in found)
    runs = sorted({(part[2], part[3]) for part in parts if len(part) == 5})
    held = ended = 0
    for tenant, xid in runs:
        log = Log(
            nc=nc,
            reader=reader.StreamReader(nc, shard),
            author=Author(types.Writer.OPERATOR.value, shard, signer),
            keyring=keyring,
            tenant=tenant,
            xid=xid,
        )
        state = await _read(log)
        if state.undecidable:
            raise errors.UndecidableError(xid, state.undecidable)
        if state.started is None or state.is_over:
            ended += state.is_over
            continue
        while await log.append(_held) is not None:
            pass
        held += not log.state.is_over
    return Held(held=held, ended=ended)


async def _read(log: Log) -> State:
    """The run as it was backed up. A stream that was only just restored may be there before it can be read."""
    for pause in _PAUSES_SECONDS:
        try:
            return await log.refresh()
        except errors.BrokerUnavailableError:
            await asyncio.sleep(pause)
    return await log.refresh()


def _held(state: State) -> Proposal | None:
    """The next event on the way to being held for this; None where it is, or is over."""
    if restored.is_held(state) or state.is_over:
        return None
    # held by somebody else: let go, so that it is held for this
    name = "exec.suspended" if state.suspended is None else "exec.resumed"
    return Proposal(
        type=name,
        data=types.Interruption(by=restored.BY, reason=restored.REASON),
        id=envelope.identifier(state.xid, name, restored.BY, state.seq),
        actor=restored.BY,
        attempt=state.attempt,
        step=state.step,
    )
