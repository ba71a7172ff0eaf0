"""Does a run with builtins behave like any other? A real runner, a real gateway, and a model that wants sums."""

import signal
from pathlib import Path

import pytest

from hack.generate import builtins as page
from keelstep.domain.builtins import registry
from keelstep.domain.state import State
from keelstep.events import types, value
from keelstep.kinds.transport import BuiltinFunction
from tests.integration.gateway import runners
from tests.integration.gateway.driver import Run, Spec, Stage, seal

FUNCTIONS = (BuiltinFunction.DECIMAL_ADD, BuiltinFunction.DECIMAL_DIVIDE, BuiltinFunction.JSON_SELECT)


@pytest.fixture
def builtins(contracts: dict[str, Spec]) -> dict[str, Spec]:
    """Looking up an order, and three builtins, as their page shows them."""
    own = {name.value: page.contract(registry.FUNCTIONS[name])["spec"] for name in FUNCTIONS}
    return {"orders.get": contracts["orders.get"], **own}


async def begin(
    stage: Stage, tenant: str, strategy: Spec, contracts: dict[str, Spec], goal: str, **of_tools: int
) -> Run:
    """A run with these contracts; `of_tools` limits calls, by the model's name of a tool."""
    tools = [{"contract": name, "maxCalls": of_tools.get(name.replace(".", "_"), 9)} for name in contracts]
    spec = {**strategy, "prompt": {"template": "Add."}, "tools": tools, "successCriteria": []}
    return await Run.start(stage, tenant, spec, contracts, goal=seal(goal.encode(), value.TEXT))


def told(state: State) -> list[tuple[str, str, str]]:
    """Tool, status and reason of every result, in order."""
    found = sorted(state.results.values(), key=lambda each: each.seq)
    return [
        (each.data.tool, each.data.status, each.data.error.reason if each.data.error else "")
        for each in found
    ]


SUMMED_UP = [
    ("decimal.add", "ok", ""),
    ("orders.get", "ok", ""),
    ("decimal.divide", "failed", "DivisionByZero"),
    ("decimal.divide", "ok", ""),
    ("json.select", "ok", ""),
]


@pytest.mark.usefixtures("gateway")
async def test_builtins_and_other_tools_of_one_plan_are_called_in_order(
    stage: Stage, tenant: str, strategy: Spec, builtins: dict[str, Spec], tmp_path: Path
) -> None:
    """The runner records its own, the gateway its own; what has no answer is told to the model, which goes on."""
    run = await begin(stage, tenant, strategy, builtins, "Somebody sums up.")
    assert await runners.ended(run, tmp_path) == 0, (tmp_path / "runner-a1.log").read_text()
    state = await run.state()
    assert state.finished is not None, (tmp_path / "runner-a1.log").read_text()
    assert state.finished.outcome == "succeeded", state.finished
    assert told(state) == SUMMED_UP
    assert state.voids == 0
    assert (state.tool_calls, state.finished.steps_n) == (5, 8)
    writers = [
        (event.envelope.actor.partition("/")[0], event.envelope.step)
        for event in await run.events()
        if event.type == "tool.result"
    ]
    assert writers == [("runner", 2), ("gateway", 3), ("runner", 4), ("runner", 5), ("runner", 7)]


@pytest.mark.usefixtures("gateway")
@pytest.mark.parametrize("point", ["runner.before.tool.result:2", "runner.after.tool.result:2"])
async def test_a_runner_that_dies_between_two_calls_is_resumed_from_the_fold(
    point: str, stage: Stage, tenant: str, strategy: Spec, builtins: dict[str, Spec], tmp_path: Path
) -> None:
    """The next attempt makes the calls that have no result, and no other."""
    run = await begin(stage, tenant, strategy, builtins, "Somebody sums up.")
    assert await runners.ended(run, tmp_path, crash_at=point) < 0
    results = len((await run.state()).results)
    assert results == (2 if "before" in point else 3)
    await run.next_attempt()
    assert await runners.ended(run, tmp_path) == 0, (tmp_path / "runner-a2.log").read_text()
    state = await run.state()
    assert told(state) == SUMMED_UP
    assert state.voids == 0
    attempts = [event.envelope.attempt for event in await run.events() if event.type == "tool.result"]
    assert attempts == [1] * results + [2] * (5 - results)


@pytest.mark.usefixtures("gateway")
async def test_limits_on_calls_hold_for_builtins(
    stage: Stage, tenant: str, strategy: Spec, builtins: dict[str, Spec], tmp_path: Path
) -> None:
    """A call beyond them is denied, recorded, and told to the model."""
    run = await begin(stage, tenant, strategy, builtins, "Somebody adds often.", decimal_add=2)
    assert await runners.ended(run, tmp_path) == 0, (tmp_path / "runner-a1.log").read_text()
    state = await run.state()
    assert told(state) == [
        ("decimal.add", "ok", ""),
        ("decimal.add", "ok", ""),
        ("decimal.add", "denied", "ToolCallsExceeded"),
    ]
    assert state.voids == 0


@pytest.mark.usefixtures("gateway")
@pytest.mark.parametrize(
    ("name", "reason"),
    [("exec.suspended", "Suspended"), ("exec.cancelled", "Cancelled"), ("exec.killed", "RunEnded")],
)
async def test_whoever_stops_a_run_stops_its_builtins(
    name: str,
    reason: str,
    stage: Stage,
    tenant: str,
    strategy: Spec,
    builtins: dict[str, Spec],
    tmp_path: Path,
) -> None:
    """A runner that was frozen just before its append finds out by the fence, and leaves: exit 0, nothing written."""
    run = await begin(stage, tenant, strategy, builtins, "Somebody adds often.")
    async with runners.attempt(run, tmp_path, stop_at="runner.before.tool.result:2") as runner:
        await runner.frozen()
        await run.append(run.op, types.Interruption(by="ann", reason="danger"), type_name=name)
        runner.signal(signal.SIGCONT)
        assert await runner.ended() == 0
        assert [line["reason"] for line in runner.logged("ended")] == [reason]
    state = await run.state()
    assert told(state) == [("decimal.add", "ok", "")]
    assert state.voids == 0


@pytest.mark.usefixtures("gateway")
async def test_a_gateway_makes_no_call_of_a_builtin(
    stage: Stage, tenant: str, strategy: Spec, builtins: dict[str, Spec]
) -> None:
    """Whoever did it writes it: the runner is told to do it itself, and nothing is recorded."""
    run = await begin(stage, tenant, strategy, builtins, "Somebody adds often.")
    plan = await run.plan(("decimal.add", {"a": "1", "b": "1"}))
    said = await run.tool(plan)
    assert (said.refusal.reason, said.refusal.is_transient) == ("RequestInvalid", False)
    assert not (await run.state()).results
