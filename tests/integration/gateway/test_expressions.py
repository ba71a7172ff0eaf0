"""Can a contract's expression, or what somebody answers it with, keep a gateway from its work? It is ended instead."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from keelstep.domain import cel, functions, money
from keelstep.log import ask
from keelstep.testing import eventually
from keelstep_gateway import evaluator as evaluators
from keelstep_gateway.evaluator import Evaluator, NotEvaluatedError, is_quick
from tests.integration.gateway import answering
from tests.integration.gateway.conftest import Begin
from tests.integration.gateway.driver import Run, Spec, Stage
from tests.integration.gateway.programs import Program

ROWS = [{"id": number} for number in range(20_000)]
"""To filter them takes the square of it, minutes."""
SLOW = "body.rows.filter(r, r.id > 0).filter(r, r.id > 1).size()"


@pytest.fixture
def evaluator() -> Iterator[Evaluator]:
    """With workers of its own."""
    found = Evaluator()
    yield found
    found.close()


def ask_for(evaluator: Evaluator, source: str, values: dict[str, Any], functions: cel.Functions) -> Any:
    """What it yields."""
    return evaluator.evaluate(cel.compile_expression(source, tuple(values)), values, functions)


COSTLY: dict[str, tuple[str, dict[str, Any]]] = {
    "a list that is filtered": (SLOW, {"body": {"rows": ROWS}}),
    "macros inside each other": ("l.all(a, l.all(b, a + b >= 0))", {"l": list(range(20_000))}),
    "a text that is doubled": (
        "l" + ".map(x, x + x + x + x + x + x + x + x)" * cel.MOST_MACROS,
        {"l": ["x" * 1000]},
    ),
    "a list that is repeated": ("[" + "body," * 400 + "body]", {"body": "x" * 900_000}),
    "more than anybody is asked about": ("size(body)", {"body": "x" * 5_000_000}),
}


@pytest.mark.parametrize("case", COSTLY)
def test_an_expression_is_ended_that_makes(case: str, evaluator: Evaluator) -> None:
    """Time or memory of one: and the next is evaluated by another process."""
    source, values = COSTLY[case]
    with pytest.raises(cel.CostError):
        ask_for(evaluator, source, values, {})
    assert ask_for(evaluator, "l.map(x, x + 1)", {"l": [1, 2]}, {}) == [2, 3]


@pytest.mark.parametrize(
    ("source", "values"),
    [
        ("body.l.map(x, {'n': x})", {"body": {"l": [1, 2.5, "ü", None, True, {"a": []}]}}),
        ("body.l.exists(x, x == 2)", {"body": {"l": [1, 2]}}),
        ("body.l.filter(x, x > 1).size()", {"body": {"l": [1, 2, 2**62, 1.5]}}),
        ("money(body.a) < 7 && body.l.all(x, x > 0)", {"body": {"a": "0.000006", "l": [1]}}),
        ("body.map(k, k).size()", {"body": {"a": 1, "b": 2}}),
        ("'map' + body.s", {"body": {"s": "x" * 100_000}}),
        ("body.huge", {"body": {"huge": 10**30, "s": "x" * 100_000}}),
    ],
)
def test_it_yields_what_it_would_here(source: str, values: dict[str, Any], evaluator: Evaluator) -> None:
    """Another process is no other language."""
    expression = cel.compile_expression(source, tuple(values))
    expected = cel.here(expression, values, functions.CALLABLE)
    assert evaluator.evaluate(expression, values, functions.CALLABLE) == expected


@pytest.mark.parametrize(
    "source", ["body.l.map(x, x.missing)", "body.l.all(x, x)", "body.l.map(x, nothing(x))"]
)
def test_it_fails_as_it_would_here(source: str, evaluator: Evaluator) -> None:
    """With a reason, and the process goes on."""
    values = {"body": {"l": [1, 2]}}
    expression = cel.compile_expression(source, tuple(values))
    with pytest.raises(cel.EvaluationError) as here:
        cel.holds(expression, values, cel.here)
    with pytest.raises(cel.EvaluationError) as apart:
        cel.holds(expression, values, evaluator.evaluate)
    assert str(apart.value) == str(here.value)


def test_a_function_that_is_not_given_cannot_be_called(evaluator: Evaluator) -> None:
    """Only rules may speak of money."""
    assert money.micro_usd("1") == ask_for(
        evaluator, "[a].map(x, money(x))[0]", {"a": "1"}, functions.CALLABLE
    )
    with pytest.raises(cel.EvaluationError):
        ask_for(evaluator, "[a].map(x, money(x))[0]", {"a": "1"}, {})


def test_what_nobody_may_wait_for_is_known_or_it_is_said(evaluator: Evaluator) -> None:
    """In the middle of an append: only of these very values, and a failure is known as well."""
    condition = cel.compile_expression("l.all(x, x > 0)", ("l",))
    with pytest.raises(NotEvaluatedError):
        evaluator.known(condition, {"l": [1, 2]}, {})
    assert evaluator.evaluate(condition, {"l": [1, 2]}, {}) is True
    assert evaluator.known(condition, {"l": [1, 2]}, {}) is True
    with pytest.raises(NotEvaluatedError):
        evaluator.known(condition, {"l": [1, 3]}, {})
    with pytest.raises(cel.EvaluationError):
        evaluator.evaluate(condition, {"l": ["a"]}, {})
    with pytest.raises(cel.EvaluationError):
        evaluator.known(condition, {"l": ["a"]}, {})
    number = cel.compile_expression("l.map(x, x)[0]", ("l",))
    for evaluate in (evaluator.evaluate, evaluator.known):
        with pytest.raises(cel.EvaluationError, match="not a boolean"):
            cel.holds(number, {"l": [1]}, evaluate)
    plain = cel.compile_expression("l[0] == 1", ("l",))
    assert evaluator.known(plain, {"l": [1]}, {}) is True


def test_a_process_that_was_ended_while_nobody_asked_is_replaced(evaluator: Evaluator) -> None:
    """The machine may have had no memory left: no expression is to blame."""
    condition = cel.compile_expression("l.all(x, x > 0)", ("l",))
    for number in range(1, 6):
        assert evaluator.evaluate(condition, {"l": [number]}, {}) is True
        for worker in evaluator._running:
            worker.process.kill()
            worker.process.wait()


def test_a_process_that_says_nothing_is_ended(evaluator: Evaluator, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever keeps it, nobody waits without end, and another takes its place."""
    monkeypatch.setattr(evaluators, "ANSWER_SECONDS", 3.0)
    condition = cel.compile_expression("l.all(x, x > 0)", ("l",))
    assert evaluator.evaluate(condition, {"l": [1]}, {}) is True
    (worker,) = evaluator._running
    worker.process.send_signal(signal.SIGSTOP)
    with pytest.raises(cel.CostError):
        evaluator.evaluate(condition, {"l": [2]}, {})
    assert worker.process.returncode == -signal.SIGKILL
    assert evaluator.evaluate(condition, {"l": [3]}, {}) is True


def test_a_process_that_does_not_start_is_no_verdict(
    evaluator: Evaluator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No expression is to blame: nothing is remembered, and whoever asks again finds another."""
    condition = cel.compile_expression("l.all(x, x > 0)", ("l",))
    with monkeypatch.context() as machine:
        machine.setattr(sys, "executable", "/bin/false")
        with pytest.raises(cel.EvaluationError, match="no process can be started"):
            evaluator.evaluate(condition, {"l": [1]}, {})
    with pytest.raises(NotEvaluatedError):
        evaluator.known(condition, {"l": [1]}, {})
    assert evaluator.evaluate(condition, {"l": [1]}, {}) is True


GATEWAY = """
import time
from keelstep.domain import cel
from keelstep_gateway.evaluator import Evaluator
evaluator = Evaluator()
evaluator.evaluate(cel.compile_expression("l.all(x, x > 0)", ("l",)), {"l": [1]}, {})
print(evaluator._running[0].process.pid, flush=True)
time.sleep(600)
"""


async def test_no_process_outlives_a_gateway_that_was_killed() -> None:
    """It finds its socket closed."""
    pid = _left_behind()
    await eventually.true(lambda: not _runs(pid), "the process has ended")


def _left_behind() -> int:
    """The process of a gateway that is no more."""
    with subprocess.Popen([sys.executable, "-c", GATEWAY], stdout=subprocess.PIPE) as gateway:
        assert gateway.stdout is not None
        pid = int(gateway.stdout.readline())
        assert _runs(pid)
        gateway.kill()
    return pid


def _runs(pid: int) -> bool:
    """False once a process has ended, whether or not somebody has asked how."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_after_its_end_nothing_is_evaluated_apart() -> None:
    """No process is left behind, and none is started."""
    evaluator = Evaluator()
    condition = cel.compile_expression("l.all(x, x > 0)", ("l",))
    assert evaluator.evaluate(condition, {"l": [1]}, {}) is True
    (worker,) = evaluator._running
    evaluator.close()
    assert worker.process.wait() != 0
    with pytest.raises(cel.EvaluationError):
        evaluator.evaluate(condition, {"l": [2]}, {})


def test_what_is_surely_quick_needs_no_other_process() -> None:
    """Nobody waits, and none is started."""
    assert is_quick(1_000, ["body.a", None])
    assert not is_quick(1_000, ["body.a", "body.l.map(x, x)"])
    assert not is_quick(100_000, ["body.a"])
    assert is_quick(100_000, [None])


async def test_the_answer_that_a_mapping_takes_too_long_over_is_none(
    gateway: Program, stage: Stage, tenant: str, strategy: Spec, begin: Begin
) -> None:
    """Nobody knows what the tool did, and every other run is served meanwhile."""
    async with answering.running() as tool:
        tool.answers("/rows", answering.Answer(body={"id": "1", "rows": ROWS}))
        spec = answering.contract(f"{tool.url}/rows")
        spec["transport"]["http"]["response"] = f'{{"id": string({SLOW})}}'
        run = await Run.start(stage, tenant, {**strategy, "tools": [{"contract": "rows"}]}, {"rows": spec})
        result = await run.result(await run.plan(("rows", {})))
    assert result.error is not None
    assert (result.status, result.error.reason) == ("unknown", "OutputInvalid")
    assert "takes too long" in result.error.message
    assert gateway.logged("expression_stopped")
    other = await begin()
    assert (await other.ask("log", ask.AskLog(after=0))).messages


async def test_arguments_that_a_rule_takes_too_long_over_are_denied(
    gateway: Program, begin: Begin, contracts: dict[str, Spec]
) -> None:
    """A rule that cannot be evaluated denies; one with a macro that can be is followed."""
    contracts["orders.get"]["schema"]["input"] = {"type": "object"}
    rule = {"name": "some", "when": "args.ids.filter(a, a > 0).size() > 1", "effect": "Allow"}
    contracts["orders.get"]["policy"] = [rule]
    run = await begin()
    calls = [("orders.get", {"order_id": "1042", "ids": ids}) for ids in ([1, 2], [], list(range(30_000)))]
    plan = await run.plan(*calls)
    assert (await run.result(plan, 0)).status == "ok"
    reasons = []
    for index in (1, 2):
        error = (await run.result(plan, index)).error
        assert error is not None
        reasons.append(error.reason)
    assert reasons == ["PolicyUnmatched", "PolicyFailed"]
    assert (await run.state()).voids == 0
