"""What does a runner decide about its builtins? What a gateway decides about every other tool, by the same question."""

from typing import Any

import pytest

from hack.generate import builtins as page
from keelstep.domain import call, contract, revision, turn
from keelstep.domain.builtins import registry
from keelstep.events import types
from keelstep.kinds.contract import ToolContractSpec
from keelstep.kinds.transport import BuiltinFunction
from keelstep.testing import builders
from keelstep.testing.builders import LogBuilder
from tests.unit.domain import pinned, turns

ADD = BuiltinFunction.DECIMAL_ADD
SPEC = ToolContractSpec.model_validate(page.contract(registry.FUNCTIONS[ADD])["spec"])
ARGS = {"a": "1.10", "b": "2.20"}
PINS = {**pinned.pins(), ADD.value: types.Pin(digest="b" * 64, tier=0, builtin=True)}


def agent(**fields: Any) -> revision.Pinned:
    """The small agent, which may also add."""
    tools = [{"contract": name} for name in PINS]
    return revision.Pinned(
        strategy_name="support",
        strategy_digest="d" * 64,
        strategy=pinned.strategy(**{"tools": tools, **fields}),
        contracts={**pinned.CONTRACTS, ADD.value: SPEC},
    )


def planned(*tools: str) -> LogBuilder:
    """The model wants these calls."""
    return builders.log().started(contracts=PINS).attempt().model().plan(*tools, args=ARGS)


def verdict(
    log: LogBuilder, *, index: int = 0, asks_runner: bool = True, args: Any = None, **fields: Any
) -> call.Verdict:
    """What is said to the wish for a call of the latest plan."""
    assert log.state.plan is not None
    return call.decide_tool(
        call.Question(
            state=log.state,
            pinned=agent(**fields),
            attempt=log.state.attempt,
            place=(log.state.plan.seq, index),
            args=ARGS if args is None else args,
            stop=None,
            now=log.now,
            asks_runner=asks_runner,
        )
    )


def denied(found: call.Verdict) -> str:
    """Why a call is denied for good."""
    assert isinstance(found, call.Deny), found
    return found.reason


def refused(found: call.Verdict) -> str:
    """Why a call is not made now, or not here."""
    assert isinstance(found, call.Refuse), found
    return found.reason


def test_a_builtin_is_evaluated_without_a_gateway() -> None:
    """In its turn, between calls that are a gateway's."""
    log = planned(ADD, "orders.get", ADD)
    assert turn.decide(log.state, agent(), turns.payloads(log), 1) == turn.Evaluate(plan_seq=5, index=0)
    log.builtin(0)
    assert turn.decide(log.state, agent(), turns.payloads(log), 1) == turn.AskTool(plan_seq=5, index=1)
    log.result(1)
    assert turn.decide(log.state, agent(), turns.payloads(log), 1) == turn.Evaluate(plan_seq=5, index=2)


def test_it_is_made_freely_and_costs_nothing() -> None:
    """No claim, no gate, no money."""
    found = verdict(planned(ADD))
    assert isinstance(found, call.Perform)
    assert (found.needs_claim, found.gate, found.estimate_micro_usd, found.tier) == (False, None, 0, 0)


def test_each_hand_makes_its_own_calls() -> None:
    """A gateway refuses a builtin, a runner everything else; neither is recorded."""
    log = planned(ADD, "orders.get")
    assert refused(verdict(log, asks_runner=False)) == "RequestInvalid"
    log.builtin(0)
    assert refused(verdict(log, index=1)) == "RequestInvalid"
    assert isinstance(verdict(log, index=1, args={"n": 1}, asks_runner=False), call.Perform)


def test_what_denies_other_calls_denies_builtins() -> None:
    """Limits of the run and of the tool, the allow-list, schema and deadline."""
    log = planned(ADD, ADD).builtin(0)
    assert denied(verdict(log, index=1, limits={"toolCalls": 1})) == "ToolCallsExceeded"
    assert denied(verdict(log, index=1, limits={"steps": 2})) == "StepsExceeded"
    once = [{"contract": ADD.value, "maxCalls": 1}]
    assert denied(verdict(log, index=1, tools=once)) == "ToolCallsExceeded"
    assert denied(verdict(log, index=1, tools=[])) == "ToolCallsExceeded"
    assert denied(verdict(log, index=1, args={"a": 1})) == "ArgumentsInvalid"
    assert denied(verdict(log.later(4000), index=1)) == "DeadlineExceeded"


@pytest.mark.parametrize(
    ("stop", "reason"), [("suspended", "Suspended"), ("cancelled", "Cancelled"), ("killed", "RunEnded")]
)
def test_what_stops_a_run_stops_its_builtins(stop: str, reason: str) -> None:
    """By the log alone: a runner sees nothing else."""
    log = planned(ADD)
    getattr(log, stop)()
    assert refused(verdict(log)) == reason


def test_order_and_doneness_hold() -> None:
    """Not before its turn, and not twice."""
    log = planned("orders.get", ADD)
    assert refused(verdict(log, index=1)) == "OutOfOrder"
    log.result(0).builtin(1)
    assert isinstance(verdict(log, index=1), call.Answered)


def test_an_equal_call_is_simply_made_again() -> None:
    """There is nothing to do twice; so what a gateway says about keys never answers a builtin."""
    log = planned(ADD, "credit.grant", ADD).builtin(0)
    key = contract.idempotency_key(log.xid, ADD.value, SPEC, ARGS, (5, 2))
    log.claim(1, key=key).result(1)
    assert log.state.keys[key].status == "ok"
    assert isinstance(verdict(log, index=2), call.Perform)
