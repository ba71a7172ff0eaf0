"""What happens when a gateway dies or freezes in mid-call? One effect, one result, whoever is left to report it."""

import asyncio
import signal

import pytest

from examples.refund.testing import Shop
from keelstep.events import types
from keelstep.testing import eventually
from tests.integration.gateway.conftest import Begin
from tests.integration.gateway.driver import NOBODY, Spec
from tests.integration.gateway.programs import CRASHES, Fleet, Program

CREDIT = ("credit.grant", {"order_id": "1042", "amount": "6.00"})
REPLY = ("ticket.reply", {"ticket_id": "T-1042", "message": "Dear Lena"})


async def bookings(shop: Shop, key: str) -> int:
    """How often a key is in the shop's own ledger."""
    return len([each for each in await shop.ledger() if each["key"] == key])


@pytest.mark.parametrize("point", CRASHES.values(), ids=CRASHES.keys())
async def test_a_call_survives_the_death_of_its_gateway(
    own_fleet: Fleet, own_begin: Begin, shop: Shop, point: str
) -> None:
    """kill -9 anywhere: the next gateway goes on with the same key, and the effect is there once."""
    run = await own_begin()
    plan = await run.plan(CREDIT)
    async with own_fleet.gateway(crash_at=point) as doomed:
        asked = asyncio.create_task(run.result(plan))
        assert await doomed.ended() == -signal.SIGKILL
        async with own_fleet.gateway():
            result = await asked
    assert result.status == "ok"
    assert await bookings(shop, result.idempotency_key) == 1
    seen = await run.types()
    assert seen.count("tool.result") == 1
    assert seen.count("tool.retried") == (
        0 if ("called" in point and "before" in point) or "reply" in point else 1
    )


async def test_a_call_that_is_not_idempotent_is_settled_as_unknown(
    own_fleet: Fleet, own_begin: Begin, shop: Shop, contracts: dict[str, Spec]
) -> None:
    """Its gateway died after the booking: nobody performs it again, and after its deadline nobody knows."""
    contracts["ticket.reply"] |= {"idempotency": {"mode": "None"}, "timeoutSeconds": 1, "failurePolicy": {}}
    run = await own_begin()
    plan = await run.plan(REPLY)
    path = "/tickets/T-1042/replies"
    before = (await shop.state())["calls"].get(path, 0)
    async with own_fleet.gateway(crash_at="gateway.before.tool.result") as doomed:
        asked = asyncio.create_task(run.result(plan))
        await doomed.ended()
        async with own_fleet.gateway():
            result = await asked
    assert result.error is not None
    assert (result.status, result.error.reason) == ("unknown", "OwnerLost")
    assert (await shop.state())["calls"][path] == before + 1
    assert "tool.retried" not in await run.types()


async def test_a_frozen_gateway_that_wakes_up_sends_nothing(
    own_fleet: Fleet, own_begin: Begin, shop: Shop
) -> None:
    """It claimed, froze, and lost the claim meanwhile: it stays silent."""
    run = await own_begin()
    plan = await run.plan(CREDIT)
    before = (await shop.state())["calls"].get("/credits", 0)
    async with own_fleet.gateway(stop_at="gateway.after.tool.called") as frozen:
        asked = asyncio.create_task(run.result(plan))
        await frozen.frozen()
        async with own_fleet.gateway() as second:
            result = await asked
            assert result.status == "ok"
            retried = [
                event.data for event in await run.events() if isinstance(event.data, types.ToolRetried)
            ]
            assert [each.owner for each in retried] == [second.owner]
            frozen.signal(signal.SIGCONT)
            await eventually.true(lambda: frozen.logged("call_left"), "the former owner left the call")
    assert (await shop.state())["calls"]["/credits"] == before + 1
    assert (await run.types()).count("tool.result") == 1


async def test_a_living_owner_is_waited_for(own_fleet: Fleet, own_begin: Begin, shop: Shop) -> None:
    """Others are asked while the call is in flight: they say that somebody is at it, and take nothing over."""
    run = await own_begin()
    plan = await run.plan(CREDIT)
    await shop.fault("/credits", "hold")
    async with own_fleet.gateway() as first:
        asked = asyncio.create_task(run.result(plan))
        await shop.wait_held()
        async with own_fleet.gateway():
            beats = await asyncio.gather(*(run.heartbeat_of_tool(plan) for _ in range(8)))
            assert all(beats)
            await shop.release()
            result = await asked
    assert result.status == "ok"
    claims = [event.data for event in await run.events() if isinstance(event.data, types.ToolCalled)]
    assert [claim.owner for claim in claims] == [first.owner]
    assert "tool.retried" not in await run.types()


async def test_a_claim_of_an_ended_run_still_ends(gateway: Program, begin: Begin) -> None:
    """Nobody asks any more, the run is killed: the sweep records that nobody knows."""
    run = await begin()
    plan = await run.plan(CREDIT)
    await run.claimed(plan, deadline_seconds=-10)
    killed = types.Interruption(by="ann", reason="danger")
    await run.append(run.op, killed, type_name="exec.killed")

    async def is_closed() -> bool:
        return not (await run.state()).claims

    await eventually.awaited(is_closed, "the claim is closed")
    state = await run.state()
    result = state.results[(plan, 0)].data
    assert result.error is not None
    assert (result.status, result.error.reason) == ("unknown", "OwnerLost")
    assert (state.spent_micro_usd, state.reserved_micro_usd) == (1_000, 0)


async def test_a_living_gateway_takes_over_what_another_left_in_mid_call(
    own_fleet: Fleet, own_begin: Begin, shop: Shop, contracts: dict[str, Spec]
) -> None:
    """kill -9 while the tool works: the other one sees it by itself, whether or not the runner asks again."""
    # else the first one tries again itself while the other one is slow to start
    contracts[CREDIT[0]]["timeoutSeconds"] = 120
    run = await own_begin()
    plan = await run.plan(CREDIT)
    await shop.fault("/credits", "hold")
    async with own_fleet.gateway() as doomed:
        # one that says that it is at it, and nobody asks again
        assert await run.heartbeat_of_tool(plan)
        await shop.wait_held()
        async with own_fleet.gateway() as heir:
            doomed.signal(signal.SIGKILL)
            await doomed.ended()
            await shop.clear_faults()

            async def retried() -> types.ToolRetried | None:
                found = [event.data for event in await run.events()]
                return next((data for data in found if isinstance(data, types.ToolRetried)), None)

            taken = await eventually.awaited(retried, "the claim is taken over")
            assert taken is not None
            assert taken.owner == heir.owner
            result = await run.result(plan)
    assert result.status == "ok"
    assert await bookings(shop, result.idempotency_key) == 1
    assert (await run.types()).count("tool.result") == 1


async def test_a_claim_of_a_lost_owner_is_performed_without_anybody_asking(
    gateway: Program, begin: Begin, shop: Shop
) -> None:
    """The sweep takes idempotent calls over while the run goes on."""
    run = await begin()
    plan = await run.plan(CREDIT)
    await run.claimed(plan)

    async def is_closed() -> bool:
        return not (await run.state()).claims

    await eventually.awaited(is_closed, "the claim is closed")
    result = (await run.state()).results[(plan, 0)].data
    assert result.status == "ok"
    assert await bookings(shop, result.idempotency_key) == 1


async def test_a_retried_claim_never_ends_failed(gateway: Program, begin: Begin, shop: Shop) -> None:
    """The tool says no to the second owner; whether the first one's call was booked is still not known."""
    run = await begin()
    plan = await run.plan(CREDIT)
    await shop.fault("/credits", "fail", status=422)
    await run.claimed(plan)
    result = await run.result(plan)
    assert result.status == "unknown"


async def test_a_model_call_of_a_lost_owner_is_settled_at_all_it_reserved(
    gateway: Program, begin: Begin
) -> None:
    """Lost, paid, and the next ordinal may be asked."""
    run = await begin()
    called = types.ModelCalled(
        ordinal=1,
        model="openai/shop-scripted-1",
        request=(await run.state()).started.goal,  # type: ignore[union-attr]
        reserved_micro_usd=7_777,
        owner=NOBODY,
        deadline="2026-01-01T00:00:00Z",
        price_table="test",
    )
    await run.append(run.gw, called)
    said = await run.model()
    assert said.messages
    state = await run.state()
    reply = state.models[1].reply
    assert reply is not None
    assert reply.status == "lost"
    assert (state.spent_micro_usd, state.reserved_micro_usd) == (7_777, 0)
    await run.model(ordinal=2)
    replied = (await run.state()).models[2].reply
    assert replied is not None
    assert replied.status == "ok"


async def test_a_model_call_whose_gateway_died_is_lost(own_fleet: Fleet, own_begin: Begin) -> None:
    """Nobody knows whether it was billed: it is paid in full, whoever notices."""
    run = await own_begin()
    async with own_fleet.gateway(crash_at="gateway.after.model") as doomed:
        asked = asyncio.create_task(run.model())
        await doomed.ended()
        reserved = (await run.state()).reserved_micro_usd
        async with own_fleet.gateway():
            await asked
    state = await run.state()
    reply = state.models[1].reply
    assert reply is not None
    assert reply.status == "lost"
    assert (state.spent_micro_usd, state.reserved_micro_usd) == (reserved, 0)
