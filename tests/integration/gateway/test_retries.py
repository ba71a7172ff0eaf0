"""What is in the log when a call is tried again? Each further attempt, and what came of the one before it."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest_asyncio

from keelstep.domain import retry
from keelstep.events import clock, types
from keelstep.testing import eventually
from tests.integration.gateway import answering
from tests.integration.gateway.answering import Answer, Tool
from tests.integration.gateway.conftest import Begin
from tests.integration.gateway.driver import Run, Spec
from tests.integration.gateway.programs import Fleet, Program

BUSY = Answer(status=429, body={"error": "busy"})
DOWN = Answer(status=503, body={"error": "down"})
HASTY = {"retryable": ["RateLimited", "Unavailable"], "notPerformed": [429], "backoffSeconds": 0}


@pytest_asyncio.fixture(loop_scope="session")
async def tool() -> AsyncIterator[Tool]:
    """A tool of this test's own."""
    async with answering.running() as running:
        yield running


def thing(tool: Tool, contracts: dict[str, Spec], strategy: Spec, **fields: Any) -> None:
    """The strategy may call `thing.make`."""
    contracts["thing.make"] = answering.contract(f"{tool.url}/things", **fields)
    strategy["tools"].append({"contract": "thing.make"})


def retried(events: list[Any]) -> list[types.ToolRetried]:
    """The attempts beyond the first."""
    return [event.data for event in events if isinstance(event.data, types.ToolRetried)]


async def test_each_further_attempt_is_in_the_log_before_it_is_sent(
    gateway: Program, begin: Begin, tool: Tool, contracts: dict[str, Spec], strategy: Spec
) -> None:
    """Same owner, next number, same key and deadline, and what the attempt before came to."""
    thing(tool, contracts, strategy, failurePolicy=HASTY)
    tool.answers("/things", BUSY, DOWN, Answer())
    run = await begin()
    result = await run.result(await run.plan(("thing.make", {})))
    assert (result.status, result.attempts) == ("ok", 3)
    events = await run.events()
    (claim,) = [event.data for event in events if isinstance(event.data, types.ToolCalled)]
    first, second = retried(events)
    assert [each.attempt_number for each in (first, second)] == [2, 3]
    assert {each.owner for each in (first, second)} == {claim.owner}
    assert {each.deadline for each in (first, second)} == {claim.deadline}
    assert first.error is not None
    assert second.error is not None
    assert (first.reason, first.error.status, first.is_certain) == ("RateLimited", 429, True)
    assert (second.reason, second.error.status, second.is_certain) == ("Unavailable", 503, False)
    assert {each.key for each in tool.asked} == {claim.idempotency_key}


async def test_attempts_that_all_did_nothing_end_in_a_failure(
    gateway: Program, begin: Begin, tool: Tool, contracts: dict[str, Spec], strategy: Spec
) -> None:
    """A tool that refused every time did nothing: the call has failed, and may be made again."""
    thing(tool, contracts, strategy, failurePolicy=HASTY)
    tool.answers("/things", BUSY)
    run = await begin()
    result = await run.result(await run.plan(("thing.make", {})))
    assert (result.status, result.attempts) == ("failed", 3)
    tool.answers("/things", Answer())
    assert (await run.result(await run.plan(("thing.make", {}), ordinal=2))).status == "ok"


async def test_a_failure_proves_nothing_about_an_attempt_before_it(
    gateway: Program, begin: Begin, tool: Tool, contracts: dict[str, Spec], strategy: Spec
) -> None:
    """The first may have done it, however surely the last did not."""
    thing(tool, contracts, strategy, failurePolicy=HASTY)
    tool.answers("/things", DOWN, BUSY)
    run = await begin()
    result = await run.result(await run.plan(("thing.make", {})))
    assert (result.status, result.attempts) == ("unknown", 3)


async def test_a_tool_that_says_when_to_come_back_is_waited_for(
    gateway: Program, begin: Begin, tool: Tool, contracts: dict[str, Spec], strategy: Spec
) -> None:
    """As many seconds as it says, and the log says so before they pass."""
    thing(tool, contracts, strategy, failurePolicy=HASTY)
    tool.answers("/things", Answer(status=429, headers={"Retry-After": "2"}), Answer())
    run = await begin()
    result = await run.result(await run.plan(("thing.make", {})))
    assert (result.status, result.attempts) == ("ok", 2)
    assert result.latency_ms >= 2_000
    (again,) = retried(await run.events())
    assert again.wait_ms == 2_000


async def test_a_tool_that_says_to_come_back_too_late_is_not_called_again(
    gateway: Program, begin: Begin, tool: Tool, contracts: dict[str, Spec], strategy: Spec
) -> None:
    """Beyond `totalSeconds` there is no other attempt, and nobody waits until then."""
    thing(tool, contracts, strategy, failurePolicy={**HASTY, "totalSeconds": 10})
    tool.answers("/things", Answer(status=429, headers={"Retry-After": "3600"}))
    run = await begin()
    result = await run.result(await run.plan(("thing.make", {})))
    assert (result.status, result.attempts) == ("failed", 1)
    claim = next(event.data for event in await run.events() if isinstance(event.data, types.ToolCalled))
    assert retried(await run.events()) == []
    assert len(tool.asked) == 1
    left = (clock.parse(claim.deadline) - clock.now()) / clock.SECOND
    assert left <= 10


async def test_the_wait_in_the_log_is_the_one_that_anybody_computes(
    gateway: Program, begin: Begin, tool: Tool, contracts: dict[str, Spec], strategy: Spec
) -> None:
    """From the contract, the id of the claim's event and the count: replay is exact."""
    thing(tool, contracts, strategy, failurePolicy={**HASTY, "backoffSeconds": 1, "backoffFactor": 1})
    tool.answers("/things", BUSY, BUSY, Answer())
    run = await begin()
    await run.result(await run.plan(("thing.make", {})))
    events = await run.events()
    (claim,) = [event for event in events if isinstance(event.data, types.ToolCalled)]
    spec = run.contracts["thing.make"]
    waits = [retry.backoff_ms(spec, claim.id, number) for number in (1, 2)]
    assert [each.wait_ms for each in retried(events)] == waits


async def test_a_success_that_asks_to_come_back_is_called_again(
    gateway: Program, begin: Begin, tool: Tool, contracts: dict[str, Spec], strategy: Spec
) -> None:
    """The contract's own condition over status and body decides what is worth another attempt."""
    policy = {"retryable": [], "retryWhen": 'status == 202 || body.state == "busy"', "backoffSeconds": 0}
    thing(tool, contracts, strategy, failurePolicy=policy)
    tool.answers("/things", Answer(status=202), Answer(body={"id": "1", "state": "busy"}), Answer())
    run = await begin()
    result = await run.result(await run.plan(("thing.make", {})))
    assert (result.status, result.attempts) == ("ok", 3)


async def test_a_free_read_that_is_tried_again_needs_no_word_in_the_log(
    gateway: Program, begin: Begin, tool: Tool, contracts: dict[str, Spec], strategy: Spec
) -> None:
    """It has no claim, and whoever asks again after a crash does no harm; its result counts the attempts."""
    read = {"method": "GET", "side_effect": "ReadOnly", "tier": 0, "idempotency": {"mode": "None"}}
    thing(tool, contracts, strategy, **read, failurePolicy={"backoffSeconds": 0})
    tool.answers("/things", DOWN, DOWN, Answer())
    run = await begin()
    result = await run.result(await run.plan(("thing.make", {})))
    assert (result.status, result.attempts) == ("ok", 3)
    assert retried(await run.events()) == []


async def test_a_run_that_is_cancelled_while_a_call_waits_sends_nothing_more(
    gateway: Program, begin: Begin, tool: Tool, contracts: dict[str, Spec], strategy: Spec
) -> None:
    """The wait is over, and so is the run: the attempt that was counted is not made."""
    thing(tool, contracts, strategy, failurePolicy={**HASTY, "backoffSeconds": 2})
    tool.answers("/things", BUSY)
    run = await begin()
    plan = await run.plan(("thing.make", {}))
    asked = asyncio.create_task(run.tool(plan))
    await eventually.awaited(lambda: _is_tried_again(run), "another attempt is in the log")
    await run.append(run.op, types.Interruption(by="ann", reason="x"), type_name="exec.cancelled")
    await asked
    result = (await run.state()).results[(plan, 0)].data
    assert (result.status, len(tool.asked)) == ("failed", 1)


async def test_the_count_survives_the_death_of_the_gateway(
    own_fleet: Fleet, own_begin: Begin, tool: Tool, contracts: dict[str, Spec], strategy: Spec
) -> None:
    """Killed after the second attempt: the next gateway makes the third, which is the last one."""
    thing(tool, contracts, strategy, failurePolicy=HASTY)
    tool.answers("/things", BUSY, DOWN)
    run = await own_begin()
    plan = await run.plan(("thing.make", {}))
    async with own_fleet.gateway(crash_at="gateway.before.tool.result") as doomed:
        asked = asyncio.create_task(run.result(plan))
        await doomed.ended()
        assert len(tool.asked) == 3
        async with own_fleet.gateway():
            result = await asked
    # the claim passed on once more, since its owner died; that one attempt, and none after it
    assert (result.status, result.attempts, len(tool.asked)) == ("unknown", 4, 4)


async def _is_tried_again(run: Run) -> bool:
    return "tool.retried" in await run.types()
