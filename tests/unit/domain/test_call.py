"""May this call be made now? Every verdict of a gateway, each with the run that leads to it."""

from collections.abc import Callable
from typing import Any

import pytest

from keelstep.domain import call, revision
from keelstep.domain.state import Place, State
from keelstep.events import clock
from keelstep.testing import builders
from keelstep.testing.builders import LogBuilder
from tests.unit.domain import pinned

Standing = call.Standing
KILLED = {scope: call.Stop(scope=scope, reason="fraud") for scope in ("tenant", "strategy", "execution")}
TOOL_KILLED = call.Stop(scope="tool", reason="fraud")
NOBODY_KNOWS = call.Unknowable(reason="ControlUnavailable", message="not connected")
ARGS = {"n": 1}


def run(**started: Any) -> LogBuilder:
    """A run of the small agent, its first attempt begun."""
    return builders.log().started(contracts=pinned.pins(), **started).attempt()


def planned(*tools: str, args: object = None, **started: Any) -> LogBuilder:
    """The model wants these calls."""
    return run(**started).model().plan(*tools, args=ARGS if args is None else args)


def verdict(
    log: LogBuilder,
    *,
    index: int = 0,
    attempt: int | None = None,
    place: Place | None = None,
    args: dict[str, Any] | None = None,
    problem: str = "",
    stop: Standing = None,
    now: int | None = None,
    pins: revision.Pinned | None = None,
) -> call.Verdict:
    """What the gateway says to a wish for a call of the latest plan."""
    plan_seq = log.state.plan.seq if log.state.plan is not None else 0
    return call.decide_tool(
        call.Question(
            state=log.state,
            pinned=pins or pinned.pinned(),
            attempt=log.state.attempt if attempt is None else attempt,
            place=place or (plan_seq, index),
            args=ARGS if args is None else args,
            args_problem=problem,
            stop=stop,
            now=log.now if now is None else now,
        )
    )


def approved(**decision: Any) -> LogBuilder:
    """An irreversible call with a person's answer."""
    return planned("refund.issue").gate().decided(**decision)


REFUSED: dict[str, tuple[Callable[[], call.Verdict], str, bool]] = {
    "a run that never started": (
        lambda: verdict(builders.log(), attempt=1, place=(3, 0)),
        "Superseded",
        False,
    ),
    "an attempt that was replaced": (
        lambda: verdict(planned("orders.get").attempt(), attempt=1),
        "Superseded",
        False,
    ),
    "an attempt that has not begun": (lambda: verdict(planned("orders.get"), attempt=2), "Superseded", False),
    "a plan that is not the latest": (
        lambda: verdict(planned("orders.get").result().model().plan("orders.get"), place=(5, 0)),
        "Superseded",
        False,
    ),
    "a call that the plan does not hold": (
        lambda: verdict(planned("orders.get"), index=1),
        "Superseded",
        False,
    ),
    "a run that was killed": (lambda: verdict(planned("orders.get").killed()), "RunEnded", False),
    "a run that was given up": (lambda: verdict(planned("orders.get").given_up()), "RunEnded", False),
    "a run that is suspended": (lambda: verdict(planned("orders.get").suspended()), "Suspended", False),
    "a run that is cancelled": (lambda: verdict(planned("orders.get").cancelled()), "Cancelled", False),
    "a run that waits for a person": (
        lambda: verdict(planned("orders.get", "refund.issue").gate(1)),
        "GatePending",
        False,
    ),
    "a call before an earlier one is done": (
        lambda: verdict(planned("orders.get", "orders.get"), index=1),
        "OutOfOrder",
        True,
    ),
    "what nobody knows to be free": (
        lambda: verdict(planned("orders.get"), stop=NOBODY_KNOWS),
        "ControlUnavailable",
        True,
    ),
    "a tenant that is killed": (
        lambda: verdict(planned("orders.get"), stop=KILLED["tenant"]),
        "Killed",
        False,
    ),
    "a strategy that is killed": (
        lambda: verdict(planned("orders.get"), stop=KILLED["strategy"]),
        "Killed",
        False,
    ),
    "an execution that is killed": (
        lambda: verdict(planned("orders.get"), stop=KILLED["execution"]),
        "Killed",
        False,
    ),
}


@pytest.mark.parametrize("case", REFUSED.values(), ids=REFUSED.keys())
def test_is_refused_without_a_record(case: tuple[Callable[[], call.Verdict], str, bool]) -> None:
    """Not now, or not for you: nothing is recorded, and only what passes by itself is worth asking again."""
    decide, reason, is_transient = case
    found = decide()
    assert isinstance(found, call.Refuse)
    assert (found.reason, found.is_transient) == (reason, is_transient)
    assert found.message


DENIED: dict[str, tuple[Callable[[], call.Verdict], str]] = {
    "a tool that the strategy does not list": (
        lambda: verdict(planned("disk.format")),
        "ToolNotAllowed",
    ),
    "a tool that is killed": (lambda: verdict(planned("credit.grant"), stop=TOOL_KILLED), "ToolKilled"),
    "a call beyond the limit of all calls": (
        lambda: verdict(
            planned("orders.get").result().model().plan("orders.get", args=ARGS),
            pins=pinned.pinned(limits={"toolCalls": 1}),
        ),
        "ToolCallsExceeded",
    ),
    "a call beyond the limit of its tool": (
        lambda: verdict(
            planned("orders.get").result().model().plan("orders.get", args=ARGS),
            pins=pinned.pinned(tools=[{"contract": "orders.get", "maxCalls": 1}]),
        ),
        "ToolCallsExceeded",
    ),
    "a call beyond the limit of steps": (
        lambda: verdict(planned("orders.get"), pins=pinned.pinned(limits={"steps": 1})),
        "StepsExceeded",
    ),
    "arguments that cannot be read": (
        lambda: verdict(planned("orders.get"), args={}, problem="they are not JSON"),
        "ArgumentsUnreadable",
    ),
    "arguments that do not match the schema": (
        lambda: verdict(planned("orders.get"), args={"n": "one"}),
        "ArgumentsInvalid",
    ),
    "an argument that nobody declared": (
        lambda: verdict(planned("orders.get"), args={"n": 1, "x": 1}),
        "ArgumentsInvalid",
    ),
    "a tool whose earlier outcome is unknown": (
        lambda: verdict(
            planned("credit.grant")
            .claim()
            .result(status="unknown")
            .model()
            .plan("credit.grant", args={"n": 2}),
            args={"n": 2},
        ),
        "OutcomeUnknown",
    ),
    "a call after the deadline": (
        lambda: verdict(planned("orders.get"), now=builders.BEGIN + 3601 * clock.SECOND),
        "DeadlineExceeded",
    ),
    "a call that the run's own budget does not cover": (
        lambda: verdict(planned("credit.grant", budget_micro_usd=1_049)),
        "BudgetExceeded",
    ),
    "a call that the strategy's limit does not cover": (
        lambda: verdict(planned("credit.grant"), pins=pinned.pinned(limits={"costUSD": "0.001"})),
        "BudgetExceeded",
    ),
    "a call that a person rejected": (lambda: verdict(approved(verdict="rejected")), "GateRejected"),
    "a call about which nobody answered": (lambda: verdict(approved(verdict="expired")), "GateExpired"),
    "a call whose gate was withdrawn": (lambda: verdict(approved(verdict="withdrawn")), "GateWithdrawn"),
    "a call approved with other arguments": (
        lambda: verdict(approved(args_digest="0" * 64)),
        "ApprovalMismatch",
    ),
    "a call approved under another contract": (
        lambda: verdict(approved(contract_digest="0" * 64)),
        "ApprovalMismatch",
    ),
    "a call whose approval has lapsed": (
        lambda: verdict(approved(valid_until=clock.text(builders.BEGIN))),
        "ApprovalLapsed",
    ),
}


@pytest.mark.parametrize("case", DENIED.values(), ids=DENIED.keys())
def test_is_denied_for_good(case: tuple[Callable[[], call.Verdict], str]) -> None:
    """No, and that is recorded as the call's result, so that nobody asks for ever."""
    decide, reason = case
    found = decide()
    assert isinstance(found, call.Deny)
    assert found.reason == reason
    assert found.message


def test_a_recorded_result_answers_whatever_became_of_the_run() -> None:
    """It happened: it is told to an attempt that follows, and after the end."""
    assert isinstance(verdict(planned("orders.get").result().killed()), call.Answered)


def test_a_recorded_result_answers_though_nobody_knows_what_is_stopped() -> None:
    """Telling what is recorded begins nothing."""
    assert isinstance(verdict(planned("orders.get").result(), stop=NOBODY_KNOWS), call.Answered)


def test_an_open_claim_is_joined() -> None:
    """Whoever owns it reports it, or loses it to a take-over."""
    found = verdict(planned("credit.grant").claim(), stop=TOOL_KILLED)
    assert isinstance(found, call.Join)
    assert found.claim.owner == "gw-1"


def test_a_free_read_is_performed_without_a_claim() -> None:
    """Tier 0 at no cost."""
    found = verdict(planned("orders.get"))
    assert isinstance(found, call.Perform)
    assert (found.needs_claim, found.tier, found.estimate_micro_usd) == (False, 0, 0)


def test_a_write_within_the_strategys_autonomy_is_performed_under_a_claim() -> None:
    """Its estimate is reserved, and no gate is asked."""
    found = verdict(planned("credit.grant"))
    assert isinstance(found, call.Perform)
    assert (found.needs_claim, found.tier, found.estimate_micro_usd) == (True, 1, 1_000)
    assert found.gate is None


def test_the_last_micro_dollar_may_be_spent() -> None:
    """Spent + reserved + estimate may equal the cap."""
    assert isinstance(verdict(planned("credit.grant", budget_micro_usd=1_050)), call.Perform)


@pytest.mark.parametrize(("tool", "tier"), [("ticket.reply", 2), ("refund.issue", 3)])
def test_a_call_above_the_strategys_autonomy_asks_a_person(tool: str, tier: int) -> None:
    """Required above allowed, or tier 3: a gate."""
    found = verdict(planned(tool))
    assert isinstance(found, call.AskGate)
    assert found.tier == tier


def test_tier_three_asks_however_much_the_strategy_may_do_alone() -> None:
    """No autonomy reaches tier 3."""
    found = verdict(planned("refund.issue"), pins=pinned.pinned(autonomy={"maxTier": 3}))
    assert isinstance(found, call.AskGate)


def test_an_approved_call_is_performed_under_its_approval() -> None:
    """For exactly these arguments and this contract, in time."""
    found = verdict(approved())
    assert isinstance(found, call.Perform)
    assert found.gate is not None
    assert found.needs_claim


def test_an_equal_call_is_answered_by_the_earlier_result() -> None:
    """The contract's key arguments decide, so another note is the same call."""
    first = planned("credit.grant", args=ARGS)
    key = _key(first)
    log = first.claim(key=key).result().model().plan("credit.grant", args={"n": 1, "note": "again"})
    found = verdict(log, args={"n": 1, "note": "again"})
    assert isinstance(found, call.Replay)
    assert found.key == key
    assert found.seq == next(iter(first.state.results.values())).seq


def test_an_equal_call_is_performed_again_where_the_first_one_failed() -> None:
    """`failed` says that nothing happened."""
    first = planned("credit.grant")
    log = first.claim(key=_key(first)).result(status="failed").model().plan("credit.grant", args=ARGS)
    assert isinstance(verdict(log), call.Perform)


def test_an_equal_call_of_a_per_call_contract_is_an_effect_of_its_own() -> None:
    """Each has its own key, and each needs its own approval."""
    log = approved().attempt().claim().result().model().plan("refund.issue", args=ARGS)
    assert isinstance(verdict(log), call.AskGate)


def _key(log: LogBuilder) -> str:
    found = verdict(log)
    assert isinstance(found, call.Perform)
    return found.key


def claimed(tool: str = "credit.grant") -> LogBuilder:
    """A call of this tool is claimed."""
    return planned(tool).claim()


def sent(log: LogBuilder, *, owner: str = "gw-1", stop: Standing = None, seq: int | None = None) -> str:
    """Why its owner may not send it."""
    place, claim = next(iter(log.state.claims.items()))
    return call.may_send(log.state, claim.seq if seq is None else seq, place, owner, stop)


def closed() -> str:
    """Somebody else closed the claim meanwhile."""
    log = claimed()
    place, claim = next(iter(log.state.claims.items()))
    return call.may_send(log.result().state, claim.seq, place, "gw-1", None)


UNSENT: dict[str, tuple[Callable[[], str], str]] = {
    "a claim that is closed": (closed, "ClaimClosed"),
    "a claim of another event": (lambda: sent(claimed(), seq=1), "ClaimClosed"),
    "a claim that was taken over": (lambda: sent(claimed().taken_over()), "ClaimTakenOver"),
    "a call of a killed run": (lambda: sent(claimed().killed()), "RunEnded"),
    "a call of a cancelled run": (lambda: sent(claimed().cancelled()), "RunEnded"),
    "a call of a killed tool": (lambda: sent(claimed(), stop=TOOL_KILLED), "ToolKilled"),
    "a call of a killed strategy": (lambda: sent(claimed(), stop=KILLED["strategy"]), "Killed"),
    "a call while nobody knows what is stopped": (
        lambda: sent(claimed(), stop=NOBODY_KNOWS),
        "ControlUnavailable",
    ),
    "a claim stored after its approval lapsed": (
        lambda: sent(approved().attempt().claim(valid_until=clock.text(builders.BEGIN))),
        "ApprovalLapsed",
    ),
}


@pytest.mark.parametrize("case", UNSENT.values(), ids=UNSENT.keys())
def test_is_not_sent_though_it_was_claimed(case: tuple[Callable[[], str], str]) -> None:
    """A stored claim permits performing only if it is open, mine, in time, and nothing was stopped."""
    decide, reason = case
    assert decide() == reason


def test_an_open_claim_of_mine_is_sent() -> None:
    """Nothing speaks against it."""
    assert sent(claimed()) == ""


def takeover(
    log: LogBuilder, *, stop: Standing = None, later_seconds: int = 0
) -> call.Retry | call.Settle | call.Wait:
    """What to do about the open claim, its owner being silent."""
    claim = next(iter(log.state.claims.values()))
    now = log.now + later_seconds * clock.SECOND
    return call.decide_takeover(log.state, claim, pinned.CONTRACTS[claim.tool], stop, now)


LATE = 120
"""Seconds after which every claim's deadline and grace are over."""


def test_an_idempotent_call_is_taken_over_at_once() -> None:
    """The tool recognises the key."""
    assert isinstance(takeover(claimed()), call.Retry)


WAITED: dict[str, Callable[[int], call.Retry | call.Settle | call.Wait]] = {
    "a call that is not idempotent": lambda late: takeover(
        planned("letter.send").gate().decided().attempt().claim(), later_seconds=late
    ),
    "a call of a killed run": lambda late: takeover(claimed().killed(), later_seconds=late),
    "a call of a cancelled run": lambda late: takeover(claimed().cancelled(), later_seconds=late),
    "a call of a suspended run": lambda late: takeover(claimed().suspended(), later_seconds=late),
    "a call of a killed tool": lambda late: takeover(claimed(), stop=TOOL_KILLED, later_seconds=late),
    "a call that lost too many owners": lambda late: takeover(_lost_often(), later_seconds=late),
}


def _lost_often() -> LogBuilder:
    log = claimed()
    for number in range(call.MOST_PERFORMANCES - 1):
        log.taken_over(owner=f"gw-{number + 2}")
    return log


@pytest.mark.parametrize("decide", WAITED.values(), ids=WAITED.keys())
def test_is_never_performed_again_and_ends_unknown(
    decide: Callable[[int], call.Retry | call.Settle | call.Wait],
) -> None:
    """Its owner may still report until the deadline and a little more; then nobody knows."""
    assert isinstance(decide(0), call.Wait)
    assert isinstance(decide(LATE), call.Settle)


def test_not_knowing_what_is_stopped_gives_no_repeatable_call_up() -> None:
    """It waits for the answer instead, however late."""
    assert isinstance(takeover(claimed(), stop=NOBODY_KNOWS, later_seconds=LATE), call.Wait)


def model(
    log: LogBuilder,
    *,
    ordinal: int = 1,
    attempt: int = 1,
    estimate: int | None = 100,
    stop: Standing = None,
    **strategy: Any,
) -> call.Refuse | call.Answered | call.CallModel:
    """What the gateway says to a wish for a model call."""
    state: State = log.state
    return call.decide_model(state, pinned.pinned(**strategy), attempt, ordinal, estimate, stop)


MODEL_REFUSED: dict[str, tuple[Callable[[], object], str]] = {
    "another attempt": (lambda: model(run(), attempt=2), "Superseded"),
    "a killed run": (lambda: model(run().killed()), "RunEnded"),
    "a suspended run": (lambda: model(run().suspended()), "Suspended"),
    "a cancelled run": (lambda: model(run().cancelled()), "Cancelled"),
    "a run that waits for a person": (
        lambda: model(planned("refund.issue").gate(), ordinal=2),
        "GatePending",
    ),
    "a call that is open": (lambda: model(run().model_called()), "ModelCallOpen"),
    "an ordinal that is not next": (lambda: model(run(), ordinal=2), "Superseded"),
    "a plan that is not done": (lambda: model(planned("orders.get"), ordinal=2), "Superseded"),
    "a killed strategy": (lambda: model(run(), stop=KILLED["strategy"]), "Killed"),
    "what nobody knows to be free": (lambda: model(run(), stop=NOBODY_KNOWS), "ControlUnavailable"),
    "more calls than allowed": (
        lambda: model(run().model(), ordinal=2, limits={"modelCalls": 1}),
        "ModelCallsExceeded",
    ),
    "more steps than allowed": (
        lambda: model(run().model(), ordinal=2, limits={"steps": 1}),
        "StepsExceeded",
    ),
    "more tokens than allowed": (
        lambda: model(run().model(), ordinal=2, limits={"tokens": 15}),
        "TokensExceeded",
    ),
    "a model without a price": (lambda: model(run(), estimate=None), "PriceUnknown"),
    "a call that the budget does not cover": (
        lambda: model(run(budget_micro_usd=99)),
        "BudgetExceeded",
    ),
}


@pytest.mark.parametrize("case", MODEL_REFUSED.values(), ids=MODEL_REFUSED.keys())
def test_a_model_call_is_refused_for(case: tuple[Callable[[], object], str]) -> None:
    """Nothing is reserved and nothing recorded."""
    decide, reason = case
    found = decide()
    assert isinstance(found, call.Refuse)
    assert found.reason == reason


def test_a_models_kill_of_one_tool_does_not_stop_the_model() -> None:
    """A tool's kill ends nothing."""
    assert isinstance(model(run(), stop=TOOL_KILLED), call.CallModel)


def test_a_recorded_reply_answers_whatever_became_of_the_run() -> None:
    """It was bought once."""
    assert isinstance(model(run().model().killed()), call.Answered)
