"""Is an outcome that nobody knows found out? By the contract's own read, before it is recorded and after."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from keelstep.events import types
from keelstep.testing import eventually
from tests.integration.gateway import answering
from tests.integration.gateway.answering import Answer, Tool
from tests.integration.gateway.conftest import Begin
from tests.integration.gateway.driver import Run, Spec
from tests.integration.gateway.programs import Fleet, Program

MADE = ("thing.make", {"name": "a"})
RULE = {
    "contract": "thing.find",
    "arguments": "{name: args.name}",
    "performed": "output.things.size() > 0",
    "output": "output.things[0].{id: id}",
    "settleSeconds": 0,
}
THERE, GONE = Answer(body={"things": [{"id": "t-1"}]}), Answer(body={"things": []})
CUT = Answer(does_cut=True)


@pytest_asyncio.fixture(loop_scope="session")
async def tool() -> AsyncIterator[Tool]:
    """A tool of this test's own."""
    async with answering.running() as running:
        yield running


@pytest.fixture
def things(tool: Tool, contracts: dict[str, Spec], strategy: Spec) -> dict[str, Any]:
    """`thing.make` promises nothing, and `thing.find` reads; the rule, for a test to change before it begins."""
    rule = dict(RULE)
    contracts["thing.make"] = answering.contract(
        f"{tool.url}/things", idempotency={"mode": "None"}, failurePolicy={"reconcile": rule}
    )
    read = answering.contract(f"{tool.url}/things/{{name}}", method="GET", side_effect="ReadOnly", tier=0)
    schema = {
        "input": {"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}}},
        "output": {"type": "object", "required": ["things"]},
    }
    contracts["thing.find"] = {**read, "idempotency": {"mode": "None"}, "schema": schema}
    strategy["tools"] += [{"contract": "thing.make"}, {"contract": "thing.find"}]
    return rule


async def test_a_call_whose_answer_was_lost_is_looked_for_and_found(
    gateway: Program, begin: Begin, tool: Tool, things: dict[str, Any]
) -> None:
    """It happened: the result is ok with the output that the read shows, and says by whose word."""
    tool.answers("/things", CUT)
    tool.answers("/things/a", THERE)
    run = await begin()
    result = await run.result(await run.plan(MADE))
    assert (result.status, result.via) == ("ok", "thing.find")
    assert await run.output(result.output) == {"id": "t-1"}
    assert len(tool.of("/things")) == 1
    assert (await run.state()).unknown_key_of("thing.make") is None


async def test_a_call_that_is_not_found_once_it_must_be_there_did_not_happen(
    gateway: Program, begin: Begin, tool: Tool, things: dict[str, Any]
) -> None:
    """Not there at once, and not there after the time in which an effect may still appear: it has failed."""
    things["settleSeconds"] = 1
    tool.answers("/things", CUT)
    tool.answers("/things/a", GONE)
    run = await begin()
    result = await run.result(await run.plan(MADE))
    assert result.error is not None
    assert (result.status, result.error.reason, result.via) == ("failed", "NotHappened", "thing.find")
    assert len(tool.of("/things/a")) == 2


async def test_an_effect_that_appears_late_is_found(
    gateway: Program, begin: Begin, tool: Tool, things: dict[str, Any]
) -> None:
    """The first look proves nothing where it finds nothing."""
    things["settleSeconds"] = 1
    tool.answers("/things", CUT)
    tool.answers("/things/a", GONE, THERE)
    run = await begin()
    result = await run.result(await run.plan(MADE))
    assert (result.status, result.via) == ("ok", "thing.find")


@pytest.mark.parametrize(
    "answer",
    [Answer(status=503), Answer(body={"things": "none"}), Answer(body={"things": [{"name": "no id"}]})],
    ids=["a read that fails", "a read that answers something else", "a read that shows no output"],
)
async def test_what_no_read_can_tell_stays_unknown(
    gateway: Program,
    begin: Begin,
    tool: Tool,
    things: dict[str, Any],
    contracts: dict[str, Spec],
    answer: Answer,
) -> None:
    """Nobody guesses."""
    contracts["thing.find"]["failurePolicy"] = {"retryable": []}
    tool.answers("/things", CUT)
    tool.answers("/things/a", answer)
    run = await begin()
    result = await run.result(await run.plan(MADE))
    assert (result.status, result.via) == ("unknown", "")


async def test_an_unknown_outcome_is_found_out_before_the_next_call(
    gateway: Program, begin: Begin, tool: Tool, things: dict[str, Any]
) -> None:
    """The read was down at first; the next wish finds it up: `tool.reconciled`, and an equal call is answered by it."""
    tool.answers("/things", CUT)
    tool.answers("/things/a", Answer(status=500), THERE)
    run = await begin()
    assert (await run.result(await run.plan(MADE))).status == "unknown"
    again = await run.result(await run.plan(MADE, ordinal=2))
    events = await run.events()
    (found,) = [event for event in events if isinstance(event.data, types.ToolReconciled)]
    assert isinstance(found.data, types.ToolReconciled)
    assert (found.data.status, found.data.via) == ("ok", "thing.find")
    assert (again.status, again.replayed_seq) == ("ok", found.seq)
    assert await run.output(again.output) == {"id": "t-1"}
    assert len(tool.of("/things")) == 1


async def test_a_call_that_turns_out_not_to_have_happened_may_be_made(
    gateway: Program, begin: Begin, tool: Tool, things: dict[str, Any]
) -> None:
    """It is sent for the second time, and that is the first time that it happens."""
    tool.answers("/things", CUT, Answer(body={"id": "t-2"}))
    tool.answers("/things/a", Answer(status=500), GONE)
    run = await begin()
    assert (await run.result(await run.plan(MADE))).status == "unknown"
    again = await run.result(await run.plan(MADE, ordinal=2))
    assert (again.status, again.replayed_seq) == ("ok", None)
    assert len(tool.of("/things")) == 2


async def test_whoever_settles_a_lost_call_looks_for_it_first(
    own_fleet: Fleet, own_begin: Begin, tool: Tool, things: dict[str, Any], contracts: dict[str, Spec]
) -> None:
    """Its gateway died with the answer: nobody may send it again, and another one finds that it happened."""
    contracts["thing.make"]["timeoutSeconds"] = contracts["thing.find"]["timeoutSeconds"] = 1
    tool.answers("/things/a", THERE)
    run = await own_begin()
    plan = await run.plan(MADE)
    async with own_fleet.gateway(crash_at="gateway.before.tool.result") as doomed:
        asked = asyncio.create_task(run.result(plan))
        await doomed.ended()
        async with own_fleet.gateway():
            result = await asked
    assert (result.status, result.via) == ("ok", "thing.find")
    assert len(tool.of("/things")) == 1


async def test_nothing_is_read_for_a_run_that_is_killed(
    gateway: Program, begin: Begin, tool: Tool, things: dict[str, Any]
) -> None:
    """A kill stops reads, too: what is lost then stays unknown."""
    tool.answers("/things/a", THERE)
    run = await begin()
    plan = await run.plan(MADE)
    await run.claimed(plan, deadline_seconds=-10)
    await run.append(run.op, types.Interruption(by="ann", reason="danger"), type_name="exec.killed")
    await eventually.awaited(lambda: _is_closed(run), "the claim is closed")
    assert (await run.state()).results[(plan, 0)].data.status == "unknown"
    assert tool.of("/things/a") == []


async def _is_closed(run: Run) -> bool:
    return not (await run.state()).claims
