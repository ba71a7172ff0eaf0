"""A broker that takes nothing more is told apart from one that is away: nothing counts as stored that is not (DESIGN §4)."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from keelstep import errors
from keelstep.domain.state import State
from keelstep.events import types
from keelstep.events import value as values
from keelstep.log import jetstream, streams, subjects
from keelstep.log.identities import Role
from keelstep.log.objects import Objects
from keelstep.log.spine import Log, Proposal
from keelstep.testing import eventually
from keelstep.testing.broker import RunningBroker
from tests.integration.spine import stage as stages
from tests.integration.spine.stage import Stage

ROOM_BYTES = 60_000


@pytest_asyncio.fixture(loop_scope="session")
async def small_broker(tmp_path: Path) -> AsyncIterator[RunningBroker]:
    """A broker whose streams have little room, as whoever runs it may choose."""
    broker = RunningBroker(tmp_path)
    await broker.start()
    admin = await broker.connect(Role.OPERATOR)
    for settings in (streams.spine(0, 1), streams.objects(1)):
        await _create(broker, {**settings, "max_bytes": ROOM_BYTES})
    await streams.ensure(admin)
    yield broker
    await broker.close()
    await broker.stop()


async def _create(broker: RunningBroker, settings: Mapping[str, Any]) -> None:
    nc = await broker.connect(Role.OPERATOR)
    await jetstream.call(nc, f"STREAM.CREATE.{settings['name']}", settings, type=dict)
    await nc.close()


async def _give_room(broker: RunningBroker) -> None:
    """What a person does about a full stream."""
    await broker.change_stream(subjects.stream(0), max_bytes=100 * ROOM_BYTES)


async def test_a_full_log_refuses_what_has_not_happened_yet(
    small_broker: RunningBroker, tenant: str, xid: str
) -> None:
    """The writer is told why, and that a person must act, instead of trying for ever; nothing was stored."""
    log = await Stage(small_broker, tenant, xid).begun()
    with pytest.raises(errors.LogFullError, match="maximum bytes exceeded") as told:
        await _fill(log)
    assert told.value.reason == "LogFull"
    seq = log.state.seq
    assert (await log.refresh()).seq == seq


async def test_what_has_happened_is_held_on_to_until_the_log_has_room_again(
    small_broker: RunningBroker, tenant: str, xid: str
) -> None:
    """A result is not forgotten because the log was full when it came."""
    log = await Stage(small_broker, tenant, xid).begun()
    with pytest.raises(errors.LogFullError):
        await _fill(log)
    seq = log.state.seq
    asked: list[State] = []
    appending = asyncio.create_task(log.append(stages.counting(_large, asked), has_happened=True))
    await eventually.true(lambda: asked, "it was proposed")
    done, _ = await asyncio.wait({appending}, timeout=2)
    assert not done
    await _give_room(small_broker)
    event = await appending
    assert event is not None
    assert (event.seq, len(asked)) == (seq + 1, 1)


async def test_a_full_object_store_does_not_count_as_holding_the_object(
    small_broker: RunningBroker, tenant: str, xid: str
) -> None:
    """The broker's refusal has the same code as for an object that is there: its words tell them apart."""
    store = Objects(await small_broker.connect(Role.GATEWAY), deadline_seconds=0.5)
    fits, does_not = (_sealed(secrets.token_bytes(size)) for size in (ROOM_BYTES // 2, ROOM_BYTES))
    await store.put(tenant, xid, *fits)
    await store.put(tenant, xid, *fits)
    with pytest.raises(errors.BrokerUnavailableError, match="maximum bytes exceeded"):
        await store.put(tenant, xid, *does_not)
    assert await store.get(tenant, xid, does_not[0].digest) is None


def _sealed(payload: bytes) -> tuple[values.Value, bytes]:
    salt = secrets.token_hex(8)
    return values.seal(payload, media_type=values.TEXT, salt=salt, inline_limit_bytes=0), payload


def _large(state: State) -> Proposal:
    """An event of a size that counts."""
    name = "exec.suspended" if state.suspended is None else "exec.resumed"
    return stages.proposal(name, types.Interruption(by="ann", reason="x" * (ROOM_BYTES // 10)))


async def _fill(log: Log) -> None:
    for _ in range(20):
        await log.append(_large)
