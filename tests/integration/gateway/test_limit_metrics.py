"""What does a gateway tell Prometheus of limits, of tools that are left alone, and of results that are used again?"""

import asyncio
import functools
from collections.abc import AsyncIterator
from typing import Any

import pytest_asyncio

from keelstep.domain import contract
from keelstep.events import types
from keelstep.log import jetstream, streams, subjects
from keelstep.testing import eventually
from keelstep.testing.scraping import Scrape
from tests.integration.gateway import answering
from tests.integration.gateway.answering import Answer, Tool
from tests.integration.gateway.conftest import Begin
from tests.integration.gateway.driver import Spec, Stage
from tests.integration.gateway.programs import Fleet

NAME = "thing.make"


@pytest_asyncio.fixture(loop_scope="session")
async def tool() -> AsyncIterator[Tool]:
    """A tool of this test's own."""
    async with answering.running() as running:
        yield running


def thing(tool: Tool, contracts: dict[str, Spec], strategy: Spec, **fields: Any) -> None:
    """The strategy may call `thing.make`."""
    contracts[NAME] = answering.contract(f"{tool.url}/things", **fields)
    strategy["tools"].append({"contract": NAME})


async def made(begin: Begin) -> types.ToolResult:
    """A run's call."""
    run = await begin()
    return await run.result(await run.plan((NAME, {})))


async def test_who_waits_for_a_turn_is_seen_and_how_long_they_waited(
    own_fleet: Fleet, own_begin: Begin, tool: Tool, contracts: dict[str, Spec], strategy: Spec
) -> None:
    """While they wait, and by what for once they were served."""
    scrape = Scrape()
    thing(
        tool, contracts, strategy, budgets={"tenantRate": {"calls": 1, "perSeconds": 3}}, timeoutSeconds=120
    )
    async with own_fleet.gateway(metrics_port=str(scrape.port)):
        assert (await made(own_begin)).status == "ok"
        asked = asyncio.create_task(made(own_begin))
        await scrape.until("keelstep_calls_waiting", 1)
        assert (await asked).status == "ok"
        assert await scrape.of("keelstep_limit_wait_seconds_count", tool=NAME, limit="rate") == 1
        assert await scrape.of("keelstep_limit_wait_seconds_sum", tool=NAME, limit="rate") > 0
        assert await scrape.of("keelstep_calls_waiting") == 0


async def test_a_tool_that_wants_fewer_calls_is_counted(
    own_fleet: Fleet, own_begin: Begin, tool: Tool, contracts: dict[str, Spec], strategy: Spec
) -> None:
    """Once, by the gateway that was told."""
    scrape = Scrape()
    thing(tool, contracts, strategy, failurePolicy={"maxAttempts": 1, "notPerformed": [429]})
    tool.answers("/things", Answer(status=429, headers={"Retry-After": "600"}), Answer())
    async with own_fleet.gateway(metrics_port=str(scrape.port)):
        assert (await made(own_begin)).status == "failed"
        await scrape.until("keelstep_tool_pauses_total", 1, tool=NAME)


async def test_a_breaker_that_is_open_and_whom_it_refuses_are_seen(
    own_fleet: Fleet, own_begin: Begin, tool: Tool, contracts: dict[str, Spec], strategy: Spec
) -> None:
    """By every gateway, whichever met the failures."""
    told, other = Scrape(), Scrape()
    breaker = {"failures": 2, "openSeconds": 3600}
    thing(tool, contracts, strategy, failurePolicy={"maxAttempts": 1, "notPerformed": [503]}, breaker=breaker)
    tool.answers("/things", Answer(status=503))
    async with own_fleet.gateway(metrics_port=str(told.port)):
        assert await told.of("keelstep_breakers_open") == 0
        assert [(await made(own_begin)).status for _ in range(2)] == ["failed", "failed"]
        await told.until("keelstep_breakers_open", 1)
        assert (await made(own_begin)).status == "denied"
        assert await told.of("keelstep_breaker_refusals_total", tool=NAME) == 1
        async with own_fleet.gateway(metrics_port=str(other.port)):
            await other.until("keelstep_breakers_open", 1)


async def test_hits_and_misses_of_the_cache_are_counted(
    own_fleet: Fleet,
    own_stage: Stage,
    own_begin: Begin,
    tool: Tool,
    contracts: dict[str, Spec],
    strategy: Spec,
) -> None:
    """The rate of hits is the one divided by both."""
    await streams.ensure_cache(own_stage.operator)
    scrape = Scrape()
    thing(tool, contracts, strategy, sideEffect="ReadOnly", consequenceTier=0, cache={"ttlSeconds": 600})
    async with own_fleet.gateway(metrics_port=str(scrape.port)):
        first = await own_begin()
        assert (await first.result(await first.plan((NAME, {})))).cached is None
        key = contract.cache_key((await first.state()).pins[NAME].digest, {})
        entry = functools.partial(
            jetstream.last, own_stage.operator, subjects.CACHE_STREAM, subjects.cached(first.tenant, key)
        )
        await eventually.awaited(entry, "the result is cached")
        assert (await made(own_begin)).cached is not None
        assert (await made(own_begin)).cached is not None
        assert await scrape.of("keelstep_tool_cache_total", tool=NAME, outcome="miss") == 1
        assert await scrape.of("keelstep_tool_cache_total", tool=NAME, outcome="hit") == 2
    assert len(tool.of("/things")) == 1
