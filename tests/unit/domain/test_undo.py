"""May this be undone now, and by which call? What a gateway says to every wish, and what a runner wishes next."""

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest

from keelstep.domain import call, canonical, failure, related, revision, turn, undo, unwind
from keelstep.events import value
from keelstep.kinds.contract import ToolContractSpec
from keelstep.testing import builders
from keelstep.testing.builders import LogBuilder
from tests.unit.domain import pinned, stories
from tests.unit.domain.calls import NOBODY_KNOWS, TOOL_KILLED

OUTPUT = {"id": "c-1"}
ARGS = {"n": 7}
UNDO = {"contract": "credit.revoke", "arguments": "{n: args.n}"}


def granting(**compensation: str) -> ToolContractSpec:
    """A contract that another undoes."""
    return pinned.contract(
        "Reversible", 1, idempotency={"mode": "Keyed"}, compensation={**UNDO, **compensation}
    )


def agent(tier: int = 1, max_tier: int = 1, **undo_fields: Any) -> revision.Pinned:
    """The small agent with a call that can be undone; the contract that undoes it has this tier."""
    effect = {1: "Reversible", 2: "Visible", 3: "Irreversible"}[tier]
    contracts = {
        **pinned.CONTRACTS,
        "credit.grant": granting(),
        "credit.revoke": pinned.contract(effect, tier, **undo_fields),
    }
    found = pinned.pinned(autonomy={"maxTier": max_tier})
    return dataclasses.replace(found, contracts=contracts)


def made(arguments: str = UNDO["arguments"]) -> undo.Call:
    """The call that undoes the one that was made."""
    return undo.build(granting(arguments=arguments), builders.value(ARGS), ARGS, "k0", OUTPUT)


def decided(
    log: LogBuilder,
    *,
    seq: int | None = None,
    attempt: int | None = None,
    stop: call.Standing = None,
    problem: str = "",
    pins: revision.Pinned | None = None,
    arguments: str = UNDO["arguments"],
) -> undo.Verdict:
    """What the gateway says to the wish to undo something; the next by default."""
    target = unwind.next_target(log.state)
    return undo.decide(
        undo.Question(
            state=log.state,
            pinned=pins or agent(),
            attempt=log.state.attempt if attempt is None else attempt,
            seq=seq if seq is not None else target.seq if target is not None else 0,
            call=None if problem else made(arguments),
            problem=problem,
            stop=stop,
            platform=None,
            now=log.now,
        )
    )


def test_what_is_next_is_undone_with_a_key_of_its_own() -> None:
    """By the contract that the call's own names, under a claim, whatever is left of limits and budget."""
    log = stories.failing()
    verdict = decided(log)
    assert isinstance(verdict, call.Perform)
    assert (verdict.planned.tool, verdict.key, verdict.needs_claim) == ("credit.revoke", "undok0", True)
    assert canonical.loads(value.open_inline(verdict.planned.args) or b"") == ARGS


def test_whoever_computes_the_call_gets_the_same_bytes() -> None:
    """The gateway that makes it and the operator that asks about it agree, and nobody can guess its digest."""
    assert made().planned == made().planned
    other = undo.build(granting(), builders.value(ARGS, salt="other"), ARGS, "k0", OUTPUT)
    assert other.planned.args.digest != made().planned.args.digest
    assert other.payload == made().payload


def test_the_arguments_follow_from_the_call_and_its_output() -> None:
    """Arguments, key and output; anything but an object is none."""
    found = made("{n: args.n, id: output.id, key: key}")
    assert found.args == {"n": 7, "id": "c-1", "key": "k0"}
    with pytest.raises(related.RelatedError, match="no object"):
        made("output.id")


def gated() -> LogBuilder:
    """A person is asked whether it may be undone."""
    return stories.failing().undo_gate("approval")


REFUSED: dict[str, tuple[Callable[[], undo.Verdict], str]] = {
    "the run lasts": (lambda: decided(stories.performed(), seq=7), "RequestInvalid"),
    "the run is over": (lambda: decided(stories.killed(stories.failing)), "RunEnded"),
    "another attempt is the current one": (lambda: decided(stories.failing().attempt(), attempt=1), "Superseded"),
    "the attempt has not begun": (lambda: decided(stories.failing(), attempt=2), "NotBegun"),
    "something else is next": (lambda: decided(stories.failing("credit.grant", "credit.grant"), seq=7), "Superseded"),
    "a person is being asked": (lambda: decided(gated(), pins=agent(3)), "GatePending"),
    "nobody knows what is stopped": (lambda: decided(stories.failing(), stop=NOBODY_KNOWS), "ControlUnavailable"),
    "the strategy is killed": (
        lambda: decided(stories.failing(), stop=call.Stop(scope="strategy", reason="x")), "Killed",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED.values(), ids=REFUSED.keys())
def test_is_refused_because(case: tuple[Callable[[], undo.Verdict], str]) -> None:
    """Nothing is recorded; it may be asked again, or not."""
    decide, reason = case
    verdict = decide()
    assert isinstance(verdict, call.Refuse)
    assert verdict.reason == reason


def in_doubt() -> LogBuilder:
    """Whether the call happened is not known."""
    run = builders.log().started(contracts=builders.UNDOABLE).attempt().model().plan("credit.grant")
    return run.claim(key="k0").result(status="unknown").unwinding()


DENIED: dict[str, tuple[Callable[[], undo.Verdict], str]] = {
    "its tool is killed": (lambda: decided(stories.failing(), stop=TOOL_KILLED), "ToolKilled"),
    "nobody knows whether it happened": (lambda: decided(in_doubt()), "OutcomeUnknown"),
    "its arguments cannot be computed": (lambda: decided(stories.failing(), problem="x"), "ArgumentsInvalid"),
    "its arguments do not match the schema": (
        lambda: decided(stories.failing(), arguments="{n: 'seven'}"), "ArgumentsInvalid",
    ),
    "the strategy does not list what undoes it": (
        lambda: decided(stories.failing(), pins=pinned.pinned()), "ToolNotAllowed",
    ),
    "a person said no": (
        lambda: decided(gated().undo_decided("rejected", args_digest=made().planned.args.digest).attempt(), pins=agent(3)),
        "GateRejected",
    ),
    "a rule denies it": (
        lambda: decided(
            stories.failing(),
            pins=agent(policy=[{"name": "never", "when": "true", "effect": "Deny", "message": "not today"}]),
        ),
        "PolicyDenied",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", DENIED.values(), ids=DENIED.keys())
def test_cannot_be_undone_because(case: tuple[Callable[[], undo.Verdict], str]) -> None:
    """That is recorded, and a person is asked to do it by hand."""
    decide, reason = case
    verdict = decide()
    assert isinstance(verdict, call.Deny)
    assert verdict.reason == reason


def test_what_undoes_has_its_own_tier() -> None:
    """Above what the agent may do alone, a person is asked; approved for exactly these arguments, it is made."""
    asked = decided(stories.failing(), pins=agent(2))
    assert asked == call.AskGate(tier=2)
    log = gated().undo_decided(args_digest=made().planned.args.digest).attempt()
    verdict = decided(log, pins=agent(2))
    assert isinstance(verdict, call.Perform)
    assert verdict.gate is not None
    other = decided(gated().undo_decided(args_digest="e" * 64).attempt(), pins=agent(2))
    assert isinstance(other, call.Deny)
    assert other.reason == "ApprovalMismatch"


def test_what_is_in_flight_ends_first() -> None:
    """The run's own call, or the undo itself: whoever asks waits for it."""
    log = stories.performed().model().plan("ticket.reply").claim(key="t").cancelled()
    for run in (log, stories.failing().undo()):
        verdict = decided(run)
        assert isinstance(verdict, call.Join)
        assert verdict.claim in run.state.claims.values()


def test_what_was_tried_is_answered_by_the_log() -> None:
    """Never twice."""
    log = stories.failing()
    target = unwind.next_target(log.state)
    assert target is not None
    assert decided(log.undo().undone("failed"), seq=target.seq) == call.Answered()


# what the runner does


def next_action(log: LogBuilder) -> turn.Action:
    """The runner's next step."""
    return turn.decide(log.state, agent(), {}, log.state.attempt)


def test_a_run_that_fails_unwinds_before_it_ends() -> None:
    """With what it would have ended with; where nothing can be undone, it ends."""
    log = stories.performed().model()
    strategy = agent().strategy.model_copy(
        update={"limits": agent().strategy.limits.model_copy(update={"model_calls": 2})}
    )
    few = dataclasses.replace(agent(), strategy=strategy)
    log.plan("ticket.reply").result(status="denied")
    action = turn.decide(log.state, few, {}, 1)
    assert isinstance(action, turn.Unwind)
    assert action.unwinding.reason == "ModelCallsExceeded"
    free = builders.log().started().attempt().model().plan("orders.get").result().model()
    free.plan("orders.get").result()
    assert isinstance(turn.decide(free.state, few, {}, 1), turn.Finish)


def test_a_runner_undoes_one_after_the_other_and_leaves() -> None:
    """It asks the gateway; where that came to nothing, a person; then it parks, and the next attempt goes on."""
    log = stories.failing("credit.grant", "credit.grant")
    last = unwind.targets(log.state)[0].seq
    assert next_action(log) == turn.AskUndo(seq=last)
    assert next_action(log.undo()) == turn.AskUndo(seq=last)
    asked = next_action(log.undone("unknown"))
    question = turn.Question(plan_seq=last, index=0, tier=1, kind="undo", undoes=last)
    assert asked == turn.AskGates(questions=[question])
    assert turn.is_to_ask(log.state, question)
    assert next_action(log.undo_gate()) == turn.Stop(reason="Parked")
    assert not turn.is_to_ask(log.state, question)
    first = unwind.targets(log.state)[1].seq
    assert next_action(log.undo_decided().attempt()) == turn.AskUndo(seq=first)
    assert next_action(log.undo().undone()) == turn.Stop(reason="Cancelled")


def test_a_runner_whose_run_was_cancelled_undoes_too() -> None:
    """Where nothing is to be undone it leaves, as always."""
    assert isinstance(next_action(stories.performed().cancelled()), turn.AskUndo)
    assert next_action(builders.log().started().attempt().cancelled()) == turn.Stop(reason="Cancelled")
    assert isinstance(next_action(stories.performed().suspended().cancelled()), turn.AskUndo)


# what is accepted


def listed(**fields: Any) -> dict[str, ToolContractSpec]:
    """What a strategy lists."""
    return {"credit.grant": granting(**fields), "credit.revoke": pinned.contract("Reversible", 1)}


def test_what_undoes_is_one_of_the_strategys_own() -> None:
    """Listed, and able to change something."""
    contracts = listed()
    assert failure.unlisted(contracts["credit.grant"], contracts) == ""
    missing = failure.unlisted(granting(contract="credit.burn"), contracts)
    assert missing == "compensation.contract: the strategy does not list credit.burn"
    reads = {**contracts, "credit.revoke": pinned.contract("ReadOnly", 0)}
    assert "changes nothing" in failure.unlisted(contracts["credit.grant"], reads)


def test_arguments_that_are_no_expression_are_not_accepted() -> None:
    """By the name of the field."""
    assert failure.problem(granting(arguments="{n: ")).startswith("compensation.arguments: ")
    assert failure.problem(granting()) == ""
