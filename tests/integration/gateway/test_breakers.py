"""Is a tool that keeps failing left alone by all gateways, and called again once it works?"""

import contextlib
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest_asyncio

from keelstep.domain.circuit import CLOSED, Circuit
from keelstep.log import jetstream, subjects
from keelstep.testing import eventually
from tests.integration.gateway import answering
from tests.integration.gateway.answering import Answer, Tool
from tests.integration.gateway.conftest import Begin
from tests.integration.gateway.driver import Run, Spec, Stage
from tests.integration.gateway.programs import Fleet, Program

DOWN = Answer(status=503)
ONCE = {"maxAttempts": 1, "notPerformed": [503]}


@pytest_asyncio.fixture(loop_scope="session")
async def tool() -> AsyncIterator[Tool]:
    """A tool of this test's own."""
    async with answering.running() as running:
        yield running


def thing(tool: Tool, contracts: dict[str, Spec], strategy: Spec, **fields: Any) -> None:
    """The strategy may call `thing.make`."""
    contracts["thing.make"] = answering.contract(f"{tool.url}/things", failurePolicy=ONCE, **fields)
    strategy["tools"].append({"contract": "thing.make"})


async def made(begin: Begin) -> tuple[str, str]:
    """A run's call: its status, and the reason of its error."""
    run = await begin()
    result = await run.result(await run.plan(("thing.make", {})))
    return result.status, result.error.reason if result.error is not None else ""


async def circuit(stage: Stage, tenant: str) -> Circuit:
    """Where the breaker stands."""
    subject = subjects.breaker(tenant, "thing.make")
    found = await jetstream.last(stage.operator, subjects.LIMITS_STREAM, subject)
    return msgspec.json.decode(found.payload, type=Circuit) if found is not None else CLOSED


async def test_a_tool_that_keeps_failing_is_not_called_by_any_gateway(
    own_fleet: Fleet,
    own_stage: Stage,
    own_begin: Begin,
    tool: Tool,
    contracts: dict[str, Spec],
    strategy: Spec,
    tenant: str,
) -> None:
    """The model is told at once, and it is recorded: it can do without, and no step is waited for."""
    thing(tool, contracts, strategy, breaker={"failures": 3, "openSeconds": 3600})
    tool.answers("/things", DOWN)
    async with contextlib.AsyncExitStack() as stack:
        for _ in range(2):
            await stack.enter_async_context(own_fleet.gateway())
        assert [await made(own_begin) for _ in range(3)] == [("failed", "Unavailable")] * 3
        assert (await circuit(own_stage, tenant)).state == "open"
        assert [await made(own_begin) for _ in range(6)] == [("denied", "BreakerOpen")] * 6
    assert len(tool.of("/things")) == 3


async def test_failures_far_apart_do_not_open_it(
    gateway: Program,
    stage: Stage,
    begin: Begin,
    tool: Tool,
    contracts: dict[str, Spec],
    strategy: Spec,
    tenant: str,
) -> None:
    """A window of a second, and a failure after it: the count begins anew."""
    thing(tool, contracts, strategy, breaker={"failures": 2, "windowSeconds": 1, "openSeconds": 3600})
    tool.answers("/things", DOWN)
    assert await made(begin) == ("failed", "Unavailable")
    first = await circuit(stage, tenant)

    async def is_later() -> bool:
        run = await begin()
        return (await run.state()).stored_at > first.since + 1_500_000_000

    await eventually.awaited(is_later, "more than a second has passed")
    assert await made(begin) == ("failed", "Unavailable")
    assert (await circuit(stage, tenant)).state == "closed"


async def test_a_tool_that_works_again_is_called_again(
    gateway: Program,
    stage: Stage,
    begin: Begin,
    tool: Tool,
    contracts: dict[str, Spec],
    strategy: Spec,
    tenant: str,
) -> None:
    """After its time a few calls try it; once they all succeed, everything is as before."""
    thing(tool, contracts, strategy, breaker={"failures": 1, "openSeconds": 1, "halfOpenCalls": 2})
    tool.answers("/things", DOWN, Answer())
    assert await made(begin) == ("failed", "Unavailable")
    assert (await circuit(stage, tenant)).state == "open"

    async def is_tried() -> bool:
        return await made(begin) == ("ok", "")

    await eventually.awaited(is_tried, "the tool is tried")
    assert (await circuit(stage, tenant)).state == "half-open"
    assert await made(begin) == ("ok", "")
    assert await circuit(stage, tenant) == msgspec.structs.replace(
        CLOSED, by=(await circuit(stage, tenant)).by
    )


async def test_what_a_person_has_approved_waits_for_the_tool(
    gateway: Program, stage: Stage, begin: Begin, tool: Tool, contracts: dict[str, Spec], strategy: Spec
) -> None:
    """Nobody is asked twice because a tool stood still for a moment."""
    fields = {"breaker": {"failures": 1, "openSeconds": 2}, "side_effect": "Irreversible", "tier": 3}
    thing(tool, contracts, strategy, **fields, timeoutSeconds=60)
    tool.answers("/things", DOWN, Answer())
    assert await approved(await begin()) == "failed"
    assert await approved(await begin()) == "ok"


async def approved(run: Run) -> str:
    """What became of a call that a person allowed."""
    plan = await run.plan(("thing.make", {}))
    await run.gate(plan)
    await run.decided(plan)
    return (await run.result(plan)).status
