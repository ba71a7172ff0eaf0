"""Do all gateways measure a limit by the same time, whatever their own clocks say?"""

import asyncio

import pytest

from keelstep.domain.limits import Usage
from keelstep.events import clock
from keelstep.log import subjects
from keelstep.log.identities import Role
from keelstep.log.limits import Board
from keelstep.testing import eventually
from keelstep.testing.broker import RunningBroker

HOUR = 3_600 * clock.SECOND


@pytest.mark.parametrize("off", [HOUR, -HOUR], ids=["ahead", "behind"])
async def test_a_clock_that_is_set_moves_no_limit(
    broker: RunningBroker, tenant: str, monkeypatch: pytest.MonkeyPatch, off: int
) -> None:
    """What is to be over in an hour by one gateway's clock would hold up every gateway's calls for so long."""
    board = Board(await broker.connect(Role.GATEWAY), "me")
    following = asyncio.create_task(board.run())
    try:
        await eventually.true(lambda: board.is_known, "the records are known")
        honest = clock.now
        monkeypatch.setattr(clock, "now", lambda: honest() + off)

        def decide(usage: Usage, now: int) -> Usage:
            return Usage(paused_until=now)

        written = await board.change(subjects.paced(tenant, "look"), Usage, decide)
        assert written is not None
        assert abs(written.paused_until - honest()) < 60 * clock.SECOND
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
        await board.nc.close()
