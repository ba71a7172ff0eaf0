"""The logs that tests are told by are valid ones, and a story that cannot be is refused."""

import pytest

from keelstep.domain import execution
from keelstep.events import envelope, types
from keelstep.testing import builders


def refund() -> builders.LogBuilder:
    """An order is read, a refund approved and issued, the run ends."""
    run = builders.log().started().attempt().model().plan("orders.get", "refund.issue")
    run.result(0, output={"order": 7}).gate(1).decided("approved", 1).attempt()
    return run.claim(1).taken_over(1).result(1).model().finished()


def test_a_story_folds_to_the_same_state_from_its_messages() -> None:
    """What the builder holds is what anyone would fold from what it stored: every message valid and signed."""
    run = refund()
    state, outcomes = execution.fold(execution.begin(run.xid, run.tenant), run.messages, run.vouch)
    assert state == run.state
    assert all(isinstance(outcome, envelope.Event) for outcome in outcomes)
    assert state.finished is not None
    assert state.voids == 0
    assert (state.attempt, state.tool_calls, state.reserved_micro_usd) == (2, 2, 0)


def test_a_step_that_the_rules_refuse_fails_at_once() -> None:
    """A tier-3 call cannot be claimed without an approval, in a test's story either."""
    run = builders.log().started().attempt().model().plan("refund.issue")
    with pytest.raises(AssertionError, match=r"tool\.called is not valid here"):
        run.claim()


def test_what_is_not_honest_is_told_with_its_reason() -> None:
    """Forged, unsigned or no event at all: stored, void, and the story goes on."""
    run = builders.log().started()
    killed = types.Interruption(by="mallory", reason="x")
    reasons = [
        run.forge("exec.killed", killed, writer="op", signature="op-test:AAAA"),
        run.forge("exec.killed", killed, writer="op", seq=9),
        run.forge("exec.killed", killed, writer="gw"),
        run.garbage(b"{"),
    ]
    assert [getattr(reason, "reason", None) for reason in reasons] == [
        "Unsigned",
        "OutOfSequence",
        "WrongWriter",
        "NotAnEvent",
    ]
    assert run.attempt().state.attempt == 1
    assert run.state.voids == 4


def test_positions_may_leave_gaps_and_time_may_pass() -> None:
    """Other executions write to the same stream; the broker's clock goes on."""
    run = builders.log().started().skip(10).later(30).attempt()
    first, second = run.messages
    assert second.position == first.position + 11
    assert second.stored_at == first.stored_at + 31 * 10**9
