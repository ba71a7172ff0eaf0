"""Is what a run did undone after it ended badly? By the contract's own call, once, the last first, whoever dies."""

import asyncio
import signal
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from keelstep.domain import unwind
from keelstep.events import types
from keelstep.log import ask
from tests.integration.gateway import answering
from tests.integration.gateway.answering import Answer, Tool
from tests.integration.gateway.conftest import Begin
from tests.integration.gateway.driver import Run, Spec
from tests.integration.gateway.programs import CRASHES, Fleet, Program

MADE = ("thing.make", {"name": "a"})


@pytest_asyncio.fixture(loop_scope="session")
async def tool() -> AsyncIterator[Tool]:
    """A tool of this test's own."""
    async with answering.running() as running:
        yield running


@pytest.fixture(autouse=True)
def things(tool: Tool, contracts: dict[str, Spec], strategy: Spec) -> None:
    """`thing.make`, which `thing.drop` undoes."""
    contracts["thing.make"] = answering.contract(
        f"{tool.url}/things",
        compensation={"contract": "thing.drop", "arguments": "{id: output.id, name: args.name}"},
    )
    contracts["thing.drop"] = answering.contract(f"{tool.url}/drops")
    strategy["tools"] += [{"contract": "thing.make"}, {"contract": "thing.drop"}]


async def made(run: Run, *calls: tuple[str, dict[str, Any]]) -> list[int]:
    """The events that recorded what these calls came to."""
    plan = await run.plan(*(calls or (MADE,)))
    for index in range(len(calls or (MADE,))):
        assert (await run.result(plan, index)).status in ("ok", "unknown")
    state = await run.state()
    return [state.results[(plan, index)].seq for index in range(len(calls or (MADE,)))]


async def test_a_call_is_undone_with_what_follows_from_it_under_a_key_of_its_own(
    gateway: Program, begin: Begin, tool: Tool
) -> None:
    """Arguments of the call and of its output; claimed, recorded, and marked with what it undoes."""
    tool.answers("/things", Answer(body={"id": "t-7"}))
    run = await begin()
    (seq,) = await made(run)
    await run.cancelled()
    result = await run.undone(seq)
    assert (result.status, result.undoes, result.tool) == ("ok", seq, "thing.drop")
    (asked,) = tool.of("/drops")
    assert asked.body == {"id": "t-7", "name": "a"}
    key = (await run.state()).results[next(iter((await run.state()).results))].data.idempotency_key
    assert asked.key in (f"undo{key}", result.idempotency_key)
    assert asked.key == result.idempotency_key
    claim = [event.data for event in await run.events() if isinstance(event.data, types.ToolCalled)][-1]
    assert (claim.undoes, claim.plan_seq, claim.index) == (seq, seq, 0)
    assert unwind.next_target(await run.state()) is None


async def test_what_was_done_last_is_undone_first(gateway: Program, begin: Begin, tool: Tool) -> None:
    """The other way round is refused; what was undone is answered by the log."""
    run = await begin()
    first, second = await made(run, MADE, ("thing.make", {"name": "b"}))
    await run.cancelled()
    said = await run.undo(first)
    assert said.refusal.reason == "Superseded"
    assert tool.of("/drops") == []
    assert (await run.undone(second)).status == "ok"
    assert (await run.undone(second)).status == "ok"
    assert (await run.undone(first)).status == "ok"
    assert [each.body["name"] for each in tool.of("/drops")] == ["b", "a"]


async def test_nothing_is_undone_while_the_run_lasts(gateway: Program, begin: Begin, tool: Tool) -> None:
    """A runner that asks for it is refused."""
    run = await begin()
    (seq,) = await made(run)
    assert (await run.undo(seq)).refusal.reason == "RequestInvalid"
    assert tool.of("/drops") == []


async def test_nothing_is_undone_for_a_run_that_is_killed(gateway: Program, begin: Begin, tool: Tool) -> None:
    """A kill undoes nothing."""
    run = await begin()
    (seq,) = await made(run)
    await run.cancelled()
    await run.append(run.op, types.Interruption(by="ann", reason="danger"), type_name="exec.killed")
    assert (await run.undo(seq)).refusal.reason == "RunEnded"
    assert tool.of("/drops") == []
    assert unwind.standing(await run.state()) == ["thing.make"]


async def test_an_undo_that_fails_is_recorded_and_not_made_again(
    gateway: Program, begin: Begin, tool: Tool, contracts: dict[str, Spec]
) -> None:
    """Its contract's own failure policy holds; then it is a person's."""
    policy = {"retryable": ["RateLimited"], "notPerformed": [429], "maxAttempts": 2, "backoffSeconds": 0}
    contracts["thing.drop"]["failurePolicy"] = policy
    tool.answers("/drops", Answer(status=429))
    run = await begin()
    (seq,) = await made(run)
    await run.cancelled()
    result = await run.undone(seq)
    assert (result.status, result.attempts) == ("failed", 2)
    assert (await run.undone(seq)).status == "failed"
    assert len(tool.of("/drops")) == 2
    assert unwind.status(await run.state(), seq) == "asking"


async def test_what_cannot_be_computed_is_left_to_a_person(
    gateway: Program, begin: Begin, tool: Tool, contracts: dict[str, Spec]
) -> None:
    """Nothing is sent with arguments that are none."""
    contracts["thing.make"]["compensation"]["arguments"] = "output.id"
    run = await begin()
    (seq,) = await made(run)
    await run.cancelled()
    result = await run.undone(seq)
    assert result.error is not None
    assert (result.status, result.error.reason) == ("denied", "ArgumentsInvalid")
    assert tool.of("/drops") == []


async def test_what_asks_a_person_asks_before_it_is_undone(
    gateway: Program, begin: Begin, tool: Tool, contracts: dict[str, Spec]
) -> None:
    """The contract that undoes has its own tier."""
    contracts["thing.drop"] |= {"sideEffect": "Irreversible", "consequenceTier": 3}
    run = await begin()
    (seq,) = await made(run)
    await run.cancelled()
    said = await run.undo(seq)
    assert said.kind is ask.Reply.GATE
    assert tool.of("/drops") == []


async def test_a_call_whose_outcome_is_unknown_is_found_out_about_before_it_is_undone(
    gateway: Program, begin: Begin, tool: Tool, contracts: dict[str, Spec], strategy: Spec
) -> None:
    """It happened: `tool.reconciled` says so, and what it did is undone with what the read shows."""
    contracts["thing.make"] |= {
        "idempotency": {"mode": "None"},
        "failurePolicy": {
            "reconcile": {
                "contract": "thing.find",
                "arguments": "{name: args.name}",
                "performed": "output.things.size() > 0",
                "output": "output.things[0].{id: id}",
                "settleSeconds": 0,
            }
        },
    }
    read = answering.contract(f"{tool.url}/finds", method="GET", side_effect="ReadOnly", tier=0)
    read["schema"]["output"] = {"type": "object", "required": ["things"]}
    contracts["thing.find"] = {**read, "idempotency": {"mode": "None"}, "failurePolicy": {"retryable": []}}
    strategy["tools"].append({"contract": "thing.find"})
    tool.answers("/things", Answer(does_cut=True))
    tool.answers("/finds", Answer(status=500), Answer(body={"things": [{"id": "t-9"}]}))
    run = await begin()
    (seq,) = await made(run)
    await run.cancelled()
    result = await run.undone(seq)
    assert (result.status, "tool.reconciled" in await run.types()) == ("ok", True)
    (asked,) = tool.of("/drops")
    assert asked.body["id"] == "t-9"


@pytest.mark.parametrize("point", CRASHES.values(), ids=CRASHES.keys())
async def test_an_undo_survives_the_death_of_its_gateway(
    own_fleet: Fleet, own_begin: Begin, tool: Tool, point: str
) -> None:
    """kill -9 anywhere: the next gateway goes on with the same key, and it ends in one result."""
    run = await own_begin()
    async with own_fleet.gateway():
        (seq,) = await made(run)
    await run.cancelled()
    async with own_fleet.gateway(crash_at=point) as doomed:
        asked = asyncio.create_task(run.undone(seq))
        assert await doomed.ended() == -signal.SIGKILL
        async with own_fleet.gateway():
            result = await asked
    assert (result.status, result.undoes) == ("ok", seq)
    keys = {each.key for each in tool.of("/drops")}
    assert keys == {result.idempotency_key}
    undone = [event for event in await run.events() if getattr(event.data, "undoes", None) == seq]
    assert [event.type for event in undone].count("tool.result") == 1
