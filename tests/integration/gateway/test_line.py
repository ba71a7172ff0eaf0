"""Is nobody forgotten in a line, at whatever moment they come?"""

import asyncio

from keelstep.domain.limits import Terms, Usage
from keelstep.events import clock
from keelstep.kinds.limits import Rate
from keelstep.log import jetstream, subjects
from keelstep.log.identities import Role
from keelstep.log.limits import Board
from keelstep.testing import eventually
from keelstep_gateway.limits.line import Line, Ticket
from tests.integration.gateway.driver import Stage

TERMS = Terms(Rate(calls=100_000, burst=10_000), 1_000)
"""So much that nobody waits for long."""


async def test_who_comes_just_as_the_line_has_emptied_is_served(stage: Stage, tenant: str) -> None:
    """Whoever served the one before has finished, and that has not been noticed yet."""
    board = Board(await stage.broker.connect(Role.GATEWAY), "me")
    following = asyncio.create_task(board.run())
    try:
        await eventually.true(lambda: board.is_known, "the records are known")
        line = Line(board, f"limits.calls.{tenant}.thing.make")
        for _ in range(30):
            ticket = line.enter(tenant, TERMS)
            await ticket.granted
            line.leave(ticket)
            next_one = await comes_as_it_ends(line, tenant)
            async with asyncio.timeout(60):
                await next_one.granted
            line.leave(next_one)
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)


async def test_a_limit_that_the_stream_forgot_lets_calls_begin_again(own_stage: Stage, tenant: str) -> None:
    """Nobody called for a week: the record is gone, and a gateway that has run on still knows it."""
    nc = await own_stage.broker.connect(Role.GATEWAY)
    board, subject = Board(nc, "me"), f"limits.calls.{tenant}.thing.make"
    following = asyncio.create_task(board.run())
    try:
        await eventually.true(lambda: board.is_known, "the records are known")
        line = Line(board, subject)
        await served(line, tenant)
        assert board.known(subject, Usage).position > 0
        await own_stage.broker.change_stream(subjects.LIMITS_STREAM, max_age=clock.SECOND)

        async def is_forgotten() -> bool:
            return await jetstream.last(nc, subjects.LIMITS_STREAM, subject) is None

        await eventually.awaited(is_forgotten, "the stream has forgotten it")
        await served(line, tenant)
        changed = await board.change(subject, Usage, lambda found, _: found)
        assert changed is not None
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)


async def served(line: Line, tenant: str) -> None:
    """One call has its turn."""
    ticket = line.enter(tenant, TERMS)
    async with asyncio.timeout(30):
        await ticket.granted
    line.leave(ticket)


async def comes_as_it_ends(line: Line, tenant: str) -> Ticket:
    """A call that comes in the very turn of the event loop in which the line is done with the one before."""
    loop = asyncio.get_running_loop()
    pump, found = line._pump, loop.create_future()
    assert pump is not None

    def look() -> None:
        if pump.done():
            found.set_result(line.enter(tenant, TERMS))
        else:
            loop.call_soon(look)

    look()
    ticket: Ticket = await found
    return ticket
