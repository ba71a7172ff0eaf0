"""A claim whose owner is silent passes on after the checks of a claim, or ends as unknown (DESIGN §5, take-over)."""

from collections.abc import Callable

import pytest

from keelstep.domain import call, modelcall, takeover
from keelstep.events import clock, types
from keelstep.testing import builders
from keelstep.testing.builders import LogBuilder
from tests.unit.domain import pinned, stories

NOW = builders.BEGIN + 30 * clock.SECOND
DEADLINE = builders.BEGIN + 60 * clock.SECOND
AFTER_ALL = DEADLINE + (takeover.GRACE_SECONDS + 1) * clock.SECOND
STOP = call.Stop(scope="tool", reason="x")
UNKNOWABLE = call.Unknowable(reason="ControlUnavailable", message="x")


def claimed(valid_until: str = "") -> LogBuilder:
    """A call is claimed until `DEADLINE`."""
    return stories.planned("credit.grant").claim(deadline=clock.text(DEADLINE), valid_until=valid_until)


def judged(
    run: LogBuilder, *, now: int = NOW, mode: str = "Keyed", stop: call.Standing = None, performances: int = 1
) -> takeover.Retry | takeover.Settle | takeover.Wait:
    """What becomes of its claim."""
    (claim,) = run.state.claims.values()
    for _ in range(performances - claim.performances):
        run.taken_over()
    (claim,) = run.state.claims.values()
    spec = pinned.contract("Reversible", 1, idempotency={"mode": mode})
    return takeover.decide(run.state, claim, spec, stop, now)


@pytest.mark.parametrize("mode", ["Keyed", "PerCall"])
def test_a_call_that_honours_keys_is_performed_again(mode: str) -> None:
    """With the same key: the tool recognises it."""
    assert judged(claimed(), mode=mode) == takeover.Retry()


REFUSED: dict[str, Callable[[], takeover.Retry | takeover.Settle | takeover.Wait]] = {
    "the contract promises nothing": lambda: judged(claimed(), mode="None"),
    "the run is over": lambda: judged(claimed().killed()),
    "the run is held": lambda: judged(claimed().suspended()),
    "the run is cancelled": lambda: judged(claimed().cancelled()),
    "something is stopped": lambda: judged(claimed(), stop=STOP),
    "the approval has lapsed": lambda: judged(claimed(valid_until=clock.text(NOW - clock.SECOND))),
    "the run's own deadline has passed": lambda: judged(late()),
}  # fmt: skip


def late() -> LogBuilder:
    """A run whose deadline passed while the call was in flight."""
    run = (
        builders.log().started(deadline=clock.text(NOW - clock.SECOND)).attempt().model().plan("credit.grant")
    )
    return run.claim(deadline=clock.text(DEADLINE))


@pytest.mark.parametrize("case", REFUSED)
def test_it_is_never_performed_again_if(case: str) -> None:
    """The result may still come until the claim's deadline and some grace; the gateway waits for it."""
    assert REFUSED[case]() == takeover.Wait(until=DEADLINE + takeover.GRACE_SECONDS * clock.SECOND)


def test_a_claim_that_lost_too_many_owners_is_given_up() -> None:
    """Something about this call kills gateways."""
    assert judged(claimed(), performances=takeover.MOST_PERFORMANCES - 1) == takeover.Retry()
    assert isinstance(judged(claimed(), performances=takeover.MOST_PERFORMANCES), takeover.Wait)


def test_after_its_deadline_and_grace_nobody_can_know_any_more() -> None:
    """A claim always ends in a result."""
    assert isinstance(judged(claimed(), mode="None", now=AFTER_ALL), takeover.Settle)
    assert isinstance(judged(claimed().killed(), now=AFTER_ALL), takeover.Settle)


def test_not_knowing_what_is_stopped_is_no_reason_to_give_up() -> None:
    """CONTROL comes back; a call that may be repeated waits for it however late it is."""
    assert judged(claimed(), stop=UNKNOWABLE, now=AFTER_ALL) == takeover.Wait(until=AFTER_ALL + clock.SECOND)
    assert isinstance(judged(claimed(), mode="None", stop=UNKNOWABLE, now=AFTER_ALL), takeover.Settle)


@pytest.mark.parametrize(
    ("story", "stop", "reason"),
    [
        (claimed, None, ""),
        (lambda: claimed().suspended(), None, ""),
        (lambda: claimed().killed(), None, "RunEnded"),
        (lambda: claimed().cancelled(), None, "RunEnded"),
        (lambda: claimed(valid_until=clock.text(builders.BEGIN)), None, "ApprovalLapsed"),
        (claimed, STOP, "ToolKilled"),
        (claimed, call.Stop(scope="strategy", reason="x"), "Killed"),
        (claimed, UNKNOWABLE, "ControlUnavailable"),
    ],
)
def test_a_stored_claim_permits_performing_unless(
    story: Callable[[], LogBuilder], stop: call.Standing, reason: str
) -> None:
    """Stored, open, mine, in time by its stored time, the run neither over nor cancelled, and nothing stopped (§5.6)."""
    run = story()
    (claim,) = run.state.claims.values()
    assert call.may_send(run.state, claim.seq, claim.place, claim.owner, stop) == reason


def test_nothing_is_sent_past_an_event_nobody_here_knows() -> None:
    """And nothing new is allowed either: the log cannot be decided (§4, Undecidable)."""
    run = claimed()
    (claim,) = run.state.claims.values()
    run.garbage(run.event_bytes("exec.dreamt", types.Interruption(by="x", reason="y")), writer="op")
    assert run.state.undecidable
    assert call.may_send(run.state, claim.seq, claim.place, claim.owner, None) == "Undecidable"
    verdict = modelcall.decide(run.state, pinned.pinned(), 1, 2, 1, None)
    assert isinstance(verdict, call.Refuse)
    assert verdict.reason == "Undecidable"
