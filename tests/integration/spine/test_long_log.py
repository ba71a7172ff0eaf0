"""A long log is read and folded beside everything else that a program does."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from keelstep.events.frame import Stored
from keelstep.log.identities import Role
from keelstep.log.reader import StreamReader
from tests.integration.spine.stage import Stage, toggled

EVENTS = 450
"""More than are folded in one go."""


@dataclass(slots=True)
class Halved:
    """A reader that gives a log in two batches, and notes how much was folded when each was asked for."""

    stage: Stage
    reader: StreamReader
    folded: list[int] = field(default_factory=list)

    async def batch(self, tenant: str, xid: str, after: int) -> tuple[Sequence[Stored], bool]:
        """The first messages, then the others."""
        self.folded.append(len(self.stage.reports))
        found, _ = await self.reader.batch(tenant, xid, after)
        return (found, True) if after else (found[: EVENTS // 2], False)


async def long(stage: Stage) -> Halved:
    """A log of so many events, and a reader of it."""
    log = await stage.begun()
    while log.state.seq < EVENTS:
        await log.append(toggled)
    return Halved(stage, StreamReader(await stage.broker.connect(Role.GATEWAY), 0))


async def test_others_have_their_turn_while_a_long_log_is_folded(stage: Stage) -> None:
    """A gateway that meets a long log goes on to say to all its askers that it is alive."""
    log = await stage.log(reader=await long(stage))
    reading = asyncio.create_task(log.refresh())
    turns: list[int] = []
    while not reading.done():
        turns.append(len(stage.reports))
        await asyncio.sleep(0)
    assert (reading.result().seq, len(stage.reports)) == (EVENTS, EVENTS)
    assert any(0 < folded < EVENTS // 2 for folded in turns)


async def test_the_next_part_of_a_log_is_asked_for_before_the_last_one_is_folded(stage: Stage) -> None:
    """The broker reads while we fold; nothing is folded twice or left out."""
    reader = await long(stage)
    state = await (await stage.log(reader=reader)).refresh()
    assert (state.seq, state.voids, len(stage.reports)) == (EVENTS, 0, EVENTS)
    first, second = reader.folded
    assert first == 0
    assert second < EVENTS // 2
