"""Do gateways keep together to what a contract says of rate and concurrency, and leave a tool alone that asks for it?"""

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest_asyncio

from examples.refund.testing import Shop
from keelstep.domain import contract, limits
from keelstep.domain.limits import Usage
from keelstep.events import clock, envelope, types
from keelstep.log import ask, jetstream, subjects
from keelstep.log.reader import StreamReader
from keelstep.testing import eventually
from keelstep.testing.scraping import Scrape
from tests.integration.gateway import answering, crowd
from tests.integration.gateway.answering import Answer, Tool
from tests.integration.gateway.conftest import Begin
from tests.integration.gateway.crowd import Crowd
from tests.integration.gateway.driver import Run, Spec, Stage
from tests.integration.gateway.programs import Fleet, Program

HOUR = 3600
SLOW = {"calls": 1, "perSeconds": HOUR}
"""One call, and the next one in an hour."""


@pytest_asyncio.fixture(loop_scope="session")
async def tool() -> AsyncIterator[Tool]:
    """A tool of this test's own."""
    async with answering.running() as running:
        yield running


@pytest_asyncio.fixture(loop_scope="session")
async def full() -> AsyncIterator[Crowd]:
    """A tool that keeps everybody waiting."""
    async with crowd.running() as running:
        yield running


def thing(url: str, contracts: dict[str, Spec], strategy: Spec, **fields: Any) -> None:
    """The strategy may call `thing.make`."""
    contracts["thing.make"] = answering.contract(f"{url}/things", **fields)
    strategy["tools"].append({"contract": "thing.make"})


async def planned(begin: Begin, **args: Any) -> tuple[Run, int]:
    """A run that is about to make a thing."""
    run = await begin()
    return run, await run.plan(("thing.make", args))


async def waits_for(run: Run, plan: int) -> str:
    """Ask for a planned call; what the first heartbeat says that it waits for."""
    request = msgspec.json.encode(ask.AskTool(plan_seq=plan, index=0, after=0))
    inbox = run.runner_nc.new_inbox()
    subscription = await run.runner_nc.subscribe(inbox)
    try:
        subject = subjects.call(0, run.tenant, run.xid, run.attempt, "tool")
        await run.runner_nc.publish(subject, request, reply=inbox)
        while True:
            message = await subscription.next_msg(timeout=30)
            assert (message.headers or {})[ask.HEADER] == ask.Reply.HEARTBEAT, message.data
            if message.data:
                return msgspec.json.decode(message.data, type=ask.Beat).waiting
    finally:
        await subscription.unsubscribe()


async def usage(stage: Stage, subject: str) -> Usage:
    """What the gateways know together."""
    found = await jetstream.last(stage.operator, subjects.LIMITS_STREAM, subject)
    return msgspec.json.decode(found.payload, type=Usage) if found is not None else limits.NONE


@contextlib.asynccontextmanager
async def three(fleet: Fleet) -> AsyncIterator[list[Program]]:
    """Three gateways."""
    async with contextlib.AsyncExitStack() as stack:
        yield [await stack.enter_async_context(fleet.gateway()) for _ in range(3)]


async def test_three_gateways_together_begin_no_more_calls_than_the_rate(
    own_fleet: Fleet,
    own_stage: Stage,
    own_begin: Begin,
    tool: Tool,
    contracts: dict[str, Spec],
    strategy: Spec,
) -> None:
    """Every call takes a token, none begins before its token is there, and each is made in the end."""
    thing(tool.url, contracts, strategy, budgets={"tenantRate": {"calls": 8}})
    runs = [await planned(own_begin) for _ in range(16)]
    before = clock.now()
    async with three(own_fleet):
        results = await asyncio.gather(*(run.result(plan) for run, plan in runs))
    assert {each.status for each in results} == {"ok"}
    assert len(tool.of("/things")) == 16
    interval = clock.SECOND // 8
    used = await usage(own_stage, subjects.paced(runs[0][0].tenant, "thing.make"))
    assert used.full_at[str(interval)] >= before + 16 * interval
    claims = [claim for run, _ in runs for claim in await _claims(own_stage, run)]
    assert len(claims) == 16
    assert max(stored_at for stored_at, _ in claims) >= before + 15 * interval - clock.SECOND // 20
    assert max(claim.waited_ms for _, claim in claims) > 0


async def _claims(stage: Stage, run: Run) -> list[tuple[int, types.ToolCalled]]:
    """A run's claims, and when the broker stored them."""
    found = []
    for stored in await StreamReader(stage.operator, 0).read(run.tenant, run.xid, 0):
        event = envelope.decode(stored.payload)
        if isinstance(event, envelope.Event) and isinstance(event.data, types.ToolCalled):
            found.append((stored.stored_at, event.data))
    return found


async def test_who_waits_is_told_what_for_and_can_be_cancelled(
    gateway: Program, begin: Begin, tool: Tool, contracts: dict[str, Spec], strategy: Spec
) -> None:
    """Nothing is claimed meanwhile; once the run is cancelled nobody waits for its call any more."""
    thing(tool.url, contracts, strategy, budgets={"tenantRate": SLOW}, timeoutSeconds=600)
    first, plan = await planned(begin)
    assert (await first.result(plan)).status == "ok"
    run, plan = await planned(begin)
    assert await waits_for(run, plan) == "rate"
    assert "tool.called" not in await run.types()
    asked = asyncio.create_task(run.tool(plan, patience_seconds=30))
    await run.append(run.op, types.Interruption(by="ann", reason="Cancelled"), type_name="exec.cancelled")
    assert (await asked).refusal.reason == "Cancelled"
    assert len(tool.of("/things")) == 1


async def test_a_call_that_has_waited_as_long_as_it_may_is_refused_for_now(
    own_fleet: Fleet, own_begin: Begin, tool: Tool, contracts: dict[str, Spec], strategy: Spec
) -> None:
    """Its runner asks again: it is no result, and nothing was claimed. What it waited counts."""
    scrape = Scrape()
    thing(
        tool.url,
        contracts,
        strategy,
        budgets={"tenantRate": SLOW},
        timeoutSeconds=1,
        failurePolicy={"maxAttempts": 1},
    )
    async with own_fleet.gateway(metrics_port=str(scrape.port)):
        first, plan = await planned(own_begin)
        assert (await first.result(plan)).status == "ok"
        run, plan = await planned(own_begin)
        refusal = (await run.tool(plan, patience_seconds=30)).refusal
        assert (refusal.reason, refusal.is_transient) == ("LimitReached", True)
        assert "tool.called" not in await run.types()
        assert await scrape.of("keelstep_limit_wait_seconds_sum", tool="thing.make", limit="rate") >= 1


async def test_a_rate_outlives_the_gateway_that_used_it_up(
    own_fleet: Fleet, own_begin: Begin, tool: Tool, contracts: dict[str, Spec], strategy: Spec
) -> None:
    """Killed outright, and the next one still waits."""
    thing(tool.url, contracts, strategy, budgets={"tenantRate": SLOW}, timeoutSeconds=600)
    async with own_fleet.gateway() as first:
        run, plan = await planned(own_begin)
        assert (await run.result(plan)).status == "ok"
        first.signal(signal.SIGKILL)
        await first.ended()
    async with own_fleet.gateway():
        run, plan = await planned(own_begin)
        assert await waits_for(run, plan) == "rate"
    assert len(tool.of("/things")) == 1


async def test_no_more_calls_are_in_flight_than_the_concurrency_says(
    own_fleet: Fleet, own_begin: Begin, full: Crowd, contracts: dict[str, Spec], strategy: Spec
) -> None:
    """Of all gateways together; who waits goes on as soon as a call is over."""
    thing(full.url, contracts, strategy, budgets={"tenantConcurrency": 3}, timeoutSeconds=120)
    runs = [await planned(own_begin) for _ in range(12)]
    async with three(own_fleet):
        asked = [asyncio.create_task(run.result(plan)) for run, plan in runs]
        await eventually.true(lambda: full.here == 3, "three calls are in flight")
        states = [await each.state() for each, _ in runs]
        assert sum(bool(state.claims) for state in states) == 3
        full.open()
        results = await asyncio.gather(*asked)
    assert {each.status for each in results} == {"ok"}
    assert (full.most, full.answered) == (3, 12)


async def test_a_call_of_a_gateway_that_died_is_taken_over_within_the_place_it_has(
    own_fleet: Fleet, own_begin: Begin, shop: Shop, contracts: dict[str, Spec]
) -> None:
    """It is still one call: its heir does not wait until the dead one's places count no more."""
    contracts["credit.grant"] |= {"budgets": {"tenantConcurrency": 1}, "timeoutSeconds": 2}
    run = await own_begin()
    plan = await run.plan(("credit.grant", {"order_id": "1042", "amount": "6.00"}))
    async with own_fleet.gateway(crash_at="gateway.after.send") as doomed:
        asked = asyncio.create_task(run.result(plan))
        assert await doomed.ended() == -signal.SIGKILL
        async with own_fleet.gateway():
            result = await asked
    assert result.status == "ok"
    assert [each["key"] for each in await shop.ledger()].count(result.idempotency_key) == 1


async def test_a_tenant_that_floods_a_tool_does_not_hold_up_anothers_only_call(
    own_fleet: Fleet,
    own_stage: Stage,
    own_begin: Begin,
    tool: Tool,
    contracts: dict[str, Spec],
    strategy: Spec,
    tenant: str,
) -> None:
    """They take turns at the tool's rate, though the other one came first with everything it has."""
    thing(tool.url, contracts, strategy, budgets={"rate": {"calls": 2}}, timeoutSeconds=120)
    flood = [await planned(own_begin, who="many") for _ in range(10)]
    other = await Run.start(own_stage, f"{tenant}-b", strategy, contracts)
    plan = await other.plan(("thing.make", {"who": "one"}))
    async with own_fleet.gateway():
        asked = [asyncio.create_task(run.result(number)) for run, number in flood]
        await eventually.true(lambda: tool.of("/things"), "the flood has begun")
        assert (await other.result(plan)).status == "ok"
        await asyncio.gather(*asked)
    order = [each.body["who"] for each in tool.of("/things")]
    assert len(order) == 11
    assert order.index("one") < 8, order


async def test_a_tool_that_wants_fewer_calls_is_left_alone_by_every_gateway(
    own_fleet: Fleet, own_begin: Begin, tool: Tool, contracts: dict[str, Spec], strategy: Spec
) -> None:
    """One of them was told 429 and when to come back; from then on all wait, without any limit in the contract."""
    thing(tool.url, contracts, strategy, failurePolicy={"maxAttempts": 1}, timeoutSeconds=600)
    tool.answers("/things", Answer(status=429, headers={"Retry-After": "1800"}), Answer())
    async with three(own_fleet):
        run, plan = await planned(own_begin)
        result = await run.result(plan)
        assert result.error is not None
        assert result.error.reason == "RateLimited"
        runs = [await planned(own_begin) for _ in range(12)]
        waiting = await asyncio.gather(*(waits_for(each, number) for each, number in runs))
    assert set(waiting) == {"pause"}
    assert len(tool.of("/things")) == 1


async def test_a_tool_is_called_again_once_its_time_is_up(
    gateway: Program, begin: Begin, tool: Tool, contracts: dict[str, Spec], strategy: Spec
) -> None:
    """Who waited is served, in the same call."""
    thing(
        tool.url,
        contracts,
        strategy,
        failurePolicy={"retryable": ["RateLimited"], "notPerformed": [429], "backoffSeconds": 0},
        timeoutSeconds=30,
    )
    tool.answers("/things", Answer(status=429, headers={"Retry-After": "1"}), Answer())
    run, plan = await planned(begin)
    result = await run.result(plan)
    assert (result.status, result.attempts) == ("ok", 2)


async def test_another_tenant_is_not_slowed_by_what_one_was_told(
    gateway: Program,
    stage: Stage,
    begin: Begin,
    tool: Tool,
    contracts: dict[str, Spec],
    strategy: Spec,
    tenant: str,
) -> None:
    """Quotas mostly belong to whoever's key it is: nobody can make a tool stand still for everybody."""
    thing(tool.url, contracts, strategy, failurePolicy={"maxAttempts": 1})
    tool.answers("/things", Answer(status=429, headers={"Retry-After": "1800"}), Answer())
    run, plan = await planned(begin)
    assert (await run.result(plan)).status == "unknown"
    other = await Run.start(stage, f"{tenant}-b", strategy, contracts)
    assert (await other.result(await other.plan(("thing.make", {})))).status == "ok"


async def test_a_contract_without_limits_writes_nothing(
    gateway: Program, stage: Stage, begin: Begin, tool: Tool, contracts: dict[str, Spec], strategy: Spec
) -> None:
    """What is not limited costs nothing."""
    thing(tool.url, contracts, strategy)
    run, plan = await planned(begin)
    assert (await run.result(plan)).status == "ok"
    assert contract.estimate_micro_usd(run.contracts["thing.make"]) == 0
    assert await usage(stage, subjects.paced(run.tenant, "thing.make")) == limits.NONE
