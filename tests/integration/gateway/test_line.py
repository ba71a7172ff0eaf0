"""Is nobody forgotten in a line, at whatever moment they come?"""

import asyncio

from keelstep.domain.limits import Terms
from keelstep.kinds.limits import Rate
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
            async with asyncio.timeout(10):
                await next_one.granted
            line.leave(next_one)
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)


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
