"""May this call be made now? Every verdict of a gateway, each with the run that leads to it."""

from collections.abc import Callable

import pytest

from keelstep.domain import call
from keelstep.events import clock
from keelstep.testing import builders
from keelstep.testing.builders import LogBuilder
from tests.unit.domain import pinned
from tests.unit.domain.calls import (
    ARGS,
    KILLED,
    NOBODY_KNOWS,
    TOOL_KILLED,
    approved,
    planned,
    verdict,
)

REFUSED: dict[str, tuple[Callable[[], call.Verdict], str, bool]] = {
    "a run that never started": (
        lambda: verdict(builders.log(), attempt=1, place=(3, 0)),
        "NotBegun",
        True,
    ),
    "an attempt that was replaced": (
        lambda: verdict(planned("orders.get").attempt(), attempt=1),
        "Superseded",
        False,
    ),
    "an attempt that has not begun": (lambda: verdict(planned("orders.get"), attempt=2), "NotBegun", True),
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
