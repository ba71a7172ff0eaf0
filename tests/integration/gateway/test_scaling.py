"""Do gateways scale by starting more of them, and can one of them be taken away while calls are made?"""

import asyncio
import contextlib
import signal
from collections import Counter

from examples.refund.testing import Shop
from keelstep.events import types
from keelstep.testing import eventually
from tests.integration.gateway import service
from tests.integration.gateway.conftest import Begin
from tests.integration.gateway.driver import Run, Spec
from tests.integration.gateway.programs import Fleet, Program

CREDIT = ("credit.grant", {"order_id": "1042", "amount": "7.00"})
RUNS = 30
"""So many that none of three gateways goes without by chance."""


async def test_one_of_three_gateways_ends_its_call_while_the_others_take_the_rest(
    own_fleet: Fleet, own_begin: Begin, contracts: dict[str, Spec], shop: Shop
) -> None:
    """Stopped cleanly in mid-call: nothing new goes to it, nobody takes over what it has, every call is made once."""
    contracts["credit.grant"]["timeoutSeconds"] = (
        120  # two gateways start meanwhile, and sixty calls are made
    )
    async with contextlib.AsyncExitStack() as stack:
        first = await stack.enter_async_context(own_fleet.gateway())
        held, plan = await _planned(own_begin)
        await shop.fault("/credits", "hold")
        asked = asyncio.create_task(held.result(plan))
        await shop.wait_held()
        others = [await stack.enter_async_context(own_fleet.gateway()) for _ in range(2)]
        shared = await _made(own_begin)
        first.signal(signal.SIGTERM)
        await eventually.awaited(lambda: _is_draining(held, first), "the first gateway drains")
        rest = await _made(own_begin)
        assert first.is_running, "it waits for its call"
        await shop.release()
        assert (await asked).status == "ok"
        assert await first.ended() == 0
    assert set(shared) == {first.owner, *(each.owner for each in others)}
    assert set(rest) == {each.owner for each in others}
    assert await _owners(held) == [first.owner]
    assert (await held.types()).count("tool.retried") == 0


async def _is_draining(run: Run, gateway: Program) -> bool:
    found = await service.info(run.stage.operator, gateway.owner)
    return bool(found["metadata"]["state"] == "draining")


async def _planned(begin: Begin) -> tuple[Run, int]:
    run = await begin()
    return run, await run.plan(CREDIT)


async def _made(begin: Begin) -> Counter[str]:
    """Whose claims are in the logs of as many runs as it takes, each of which makes its call."""
    planned = [await _planned(begin) for _ in range(RUNS)]
    results = await asyncio.gather(*(run.result(plan) for run, plan in planned))
    assert {result.status for result in results} == {"ok"}
    claims = [owner for run, _ in planned for owner in await _owners(run)]
    assert len(claims) == RUNS
    return Counter(claims)


async def _owners(run: Run) -> list[str]:
    return [event.data.owner for event in await run.events() if isinstance(event.data, types.ToolCalled)]
