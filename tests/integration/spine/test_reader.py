"""A log is read whole and in order, however long it is and however large its events are."""

import asyncio
from collections.abc import Sequence

import pytest

from keelstep import errors
from keelstep.events import types
from keelstep.events.frame import Stored
from keelstep.log import reader, subjects
from keelstep.log.identities import Role
from keelstep.log.reader import StreamReader
from keelstep.testing import eventually
from keelstep.testing.broker import RunningBroker
from tests.integration.spine.stage import Stage


async def store(stage: Stage, payloads: Sequence[bytes]) -> None:
    """Store these bytes, as fast as the broker takes them, with another execution's messages between."""
    nc = await stage.broker.connect(Role.OPERATOR)
    other = subjects.spine(0, stage.tenant, "other", "op")
    for start in range(0, len(payloads), 250):
        batch = payloads[start : start + 250]
        await asyncio.gather(*(nc.request(stage.subject("op"), payload, timeout=20) for payload in batch))
        await nc.request(other, b"other", timeout=20)


async def read(stage: Stage, after: int = 0) -> Sequence[Stored]:
    """What is there after a position."""
    return await StreamReader(await stage.broker.connect(Role.GATEWAY), 0).read(
        stage.tenant, stage.xid, after
    )


async def test_a_log_of_5_000_events_is_read_in_batches(stage: Stage) -> None:
    """Every message once, in order, none of anybody else's; and from any place on."""
    wanted = [b"%05d" % number for number in range(5_000)]
    await store(stage, wanted)
    found = await read(stage)
    assert sorted(each.payload for each in found) == wanted
    positions = [each.position for each in found]
    assert positions == sorted(set(positions))
    assert positions[-1] - positions[0] > len(wanted)
    for place in (0, reader.BATCH - 1, reader.BATCH, 4_998, 4_999):
        assert await read(stage, positions[place]) == found[place + 1 :]


async def test_large_events_are_read_to_the_end_too(stage: Stage) -> None:
    """A batch ends early where it grows too large; the rest is asked for."""
    wanted = [b"%03d" % number + b"x" * 60_000 for number in range(300)]
    assert sum(map(len, wanted)) > 2 * reader.BATCH_BYTES
    await store(stage, wanted)
    assert sorted(each.payload for each in await read(stage)) == wanted


async def test_a_chunk_holds_what_is_enough_and_not_much_more(stage: Stage) -> None:
    """What a gateway sends a runner at once is bounded; nothing is left out between two chunks, and nothing read twice."""
    await store(stage, [b"x" * 1_000] * 50)
    whole = await read(stage)
    source = StreamReader(await stage.broker.connect(Role.GATEWAY), 0)
    found: list[Stored] = []
    sizes = []
    while chunk := await source.chunk(stage.tenant, stage.xid, found[-1].position if found else 0, 10_000):
        found += chunk
        sizes.append(len(chunk))
    assert all(10 <= size <= 12 for size in sizes[:-1])
    assert found == list(whole)


async def test_what_is_left_of_a_log_is_counted_and_not_read(stage: Stage) -> None:
    """From any place on, of this execution alone."""
    await store(stage, [b"%04d" % number for number in range(1_200)])
    found = await read(stage)
    source = StreamReader(await stage.broker.connect(Role.GATEWAY), 0)
    for place in (0, 5, 1_198, 1_199):
        left = await source.left(stage.tenant, stage.xid, found[place].position)
        assert left == 1_199 - place
    assert await source.left(stage.tenant, stage.xid, 0) == 1_200
    assert await source.left(stage.tenant, "nobody", 0) == 0


async def test_a_log_that_is_not_there_is_empty(stage: Stage) -> None:
    """And so is what comes after its end."""
    assert await read(stage) == []
    await store(stage, [b"x"])
    assert len(await read(stage)) == 1
    assert await read(stage, 10**9) == []


async def test_a_message_is_read_with_its_writer_time_and_signature(stage: Stage) -> None:
    """Everything that validity and time are judged by."""
    log = await stage.begun()
    first, second = await read(stage)
    assert {first.writer, second.writer} == {"op"}
    assert log.state.head
    for each in (first, second):
        assert log.keyring.vouches(each.signature, types.Writer.OPERATOR, stage.subject("op"), each.payload)
    assert 0 < first.stored_at <= second.stored_at


async def test_that_nobody_reads_for_a_stream_is_told_at_once_and_is_no_message(stage: Stage) -> None:
    """A stream that is only just restored is there before anybody reads for it; the broker says so with its subject."""
    source = StreamReader(await stage.broker.connect(Role.OPERATOR), 9)
    with pytest.raises(errors.BrokerUnavailableError, match="answered 503"):
        await source.read(stage.tenant, stage.xid, 0)


async def test_a_broker_that_does_not_answer_is_told_as_such(
    own_stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Asking again may help; nothing is taken for the end of the log."""
    broker = own_stage.broker
    assert isinstance(broker, RunningBroker)
    await own_stage.begun()
    source = StreamReader(await broker.connect(Role.GATEWAY), 0)
    monkeypatch.setattr(reader, "TIMEOUT_SECONDS", 0.3)
    broker.freeze()
    with pytest.raises(errors.BrokerUnavailableError):
        await source.read(own_stage.tenant, own_stage.xid, 0)
    broker.thaw()

    async def all_of_it() -> bool:
        try:
            return len(await source.read(own_stage.tenant, own_stage.xid, 0)) == 2
        except errors.BrokerUnavailableError:
            return False

    await eventually.awaited(all_of_it, "the log is read")


async def test_a_closed_connection_reads_nothing_more(stage: Stage) -> None:
    """It is closed for good, which is not the same as silence."""
    nc = await stage.broker.connect(Role.GATEWAY)
    source = StreamReader(nc, 0)
    await nc.close()
    with pytest.raises(errors.BrokerClosedError):
        await source.read(stage.tenant, stage.xid, 0)
