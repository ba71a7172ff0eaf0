"""What does a program know of its own appends that hears of them on the stream? All that a reader would, without reading."""

from collections.abc import Sequence
from dataclasses import dataclass

import pytest
from nats.aio.client import Client

from keelstep.domain.state import State
from keelstep.events.frame import Stored
from keelstep.log import publish
from keelstep.log.identities import Role
from keelstep.log.reader import StreamReader
from keelstep.log.spine import Log
from tests.integration.spine.stage import Stage, attempted, started, toggled


class Unread:
    """A reader that nobody may need."""

    async def batch(self, tenant: str, xid: str, after: int) -> tuple[Sequence[Stored], bool]:
        """Not here."""
        raise AssertionError("the log was read")


@dataclass(slots=True)
class Loud:
    """A reader that gives one message at a time; behind each, the log hears of everything that is stored."""

    stage: Stage
    reader: StreamReader
    log: Log | None = None

    async def batch(self, tenant: str, xid: str, after: int) -> tuple[Sequence[Stored], bool]:
        """The next message."""
        for stored in await self.stage.stored():
            if self.log is not None and stored.position <= after:
                self.log.hear(stored.position, stored.stored_at)
        found = await self.reader.chunk(tenant, xid, after, 1)
        return found, not found


async def hearing(stage: Stage) -> Log:
    """The operator's log, which hears what is stored and must not read."""
    log = await stage.log(reader=Unread())
    log.does_hear = True
    return log


async def read(stage: Stage) -> State:
    """The fold of what is stored."""
    return await (await stage.log()).refresh()


async def test_an_own_append_that_was_heard_of_need_not_be_read_back(stage: Stage) -> None:
    """With the broker's own time the fold is, to the last field, the one that a reader gets."""
    log = await hearing(stage)
    for propose in (started, attempted, toggled, toggled):
        await log.append(propose)
        assert log.read_position < log.state.position
        last = (await stage.stored())[-1]
        log.hear(last.position, last.stored_at)
        assert log.read_position == log.state.position == last.position
    assert log.state == await read(stage)


async def test_appends_are_heard_of_in_their_order_however_late(stage: Stage) -> None:
    """Several may be on their way; until the last of them is heard the fold keeps what it knows."""
    log = await hearing(stage)
    for propose in (started, attempted, toggled):
        await log.append(propose)
    first, *others = await stage.stored()
    log.hear(first.position, first.stored_at)
    assert (log.read_position, log.state.position) == (first.position, others[-1].position)
    for stored in others:
        log.hear(stored.position, stored.stored_at)
    assert log.state == await read(stage)


async def test_an_append_may_be_heard_of_before_it_is_acknowledged(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The delivery may overtake the acknowledgement."""
    log = await hearing(stage)
    send = publish.send

    async def overtaken(nc: Client, subject: str, payload: bytes, headers: dict[str, str]) -> publish.Ack:
        ack = await send(nc, subject, payload, headers)
        last = (await stage.stored())[-1]
        log.hear(last.position, last.stored_at)
        return ack

    monkeypatch.setattr(publish, "send", overtaken)
    await log.append(started)
    assert log.read_position == log.state.position
    assert log.state == await read(stage)


async def test_an_append_may_be_heard_of_while_the_log_is_read(stage: Stage) -> None:
    """What was read back in one batch and is heard of before the next is folded once."""
    reader = Loud(stage, StreamReader(await stage.broker.connect(Role.GATEWAY), 0))
    log = await stage.log(reader=reader)
    log.does_hear = True
    for propose in (started, attempted, toggled):
        await log.append(propose)
    reader.log = log
    await log.refresh()
    assert log.read_position == log.state.position
    assert log.state == await read(stage)


async def test_what_others_append_is_not_taken_for_ones_own(stage: Stage) -> None:
    """Heard of, it changes nothing: it must be read. Heard of again, it is not folded twice."""
    log = await stage.log()
    log.does_hear = True
    await log.append(started)
    await (await stage.log()).refresh()
    other = await stage.log()
    await other.refresh()
    await other.append(attempted)
    before = log.state
    for stored in await stage.stored():
        log.hear(stored.position, stored.stored_at)
    assert log.state.position == before.position
    await log.append(toggled)  # refused by the fence, read, decided again
    for stored in await stage.stored():
        log.hear(stored.position, stored.stored_at)
    assert log.read_position == log.state.position
    assert log.state == await read(stage)
