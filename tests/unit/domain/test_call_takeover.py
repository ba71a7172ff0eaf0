"""May a claimed call be sent, and what becomes of one whose owner is silent?"""

from collections.abc import Callable

import pytest

from keelstep.domain import call, takeover
from keelstep.events import clock
from keelstep.testing import builders
from keelstep.testing.builders import LogBuilder
from tests.unit.domain import pinned
from tests.unit.domain.calls import (
    KILLED,
    NOBODY_KNOWS,
    TOOL_KILLED,
    Standing,
    approved,
    planned,
)


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


def judged(
    log: LogBuilder, *, stop: Standing = None, later_seconds: int = 0
) -> takeover.Retry | takeover.Settle | takeover.Wait:
    """What to do about the open claim, its owner being silent."""
    claim = next(iter(log.state.claims.values()))
    now = log.now + later_seconds * clock.SECOND
    return takeover.decide(log.state, claim, pinned.CONTRACTS[claim.tool], stop, now)


LATE = 120
"""Seconds after which every claim's deadline and grace are over."""


def test_an_idempotent_call_is_taken_over_at_once() -> None:
    """The tool recognises the key."""
    assert isinstance(judged(claimed()), takeover.Retry)


WAITED: dict[str, Callable[[int], takeover.Retry | takeover.Settle | takeover.Wait]] = {
    "a call that is not idempotent": lambda late: judged(
        planned("letter.send").gate().decided().attempt().claim(), later_seconds=late
    ),
    "a call of a killed run": lambda late: judged(claimed().killed(), later_seconds=late),
    "a call of a cancelled run": lambda late: judged(claimed().cancelled(), later_seconds=late),
    "a call of a suspended run": lambda late: judged(claimed().suspended(), later_seconds=late),
    "a call of a killed tool": lambda late: judged(claimed(), stop=TOOL_KILLED, later_seconds=late),
    "a call that lost too many owners": lambda late: judged(_lost_often(), later_seconds=late),
}


def _lost_often() -> LogBuilder:
    log = claimed()
    for number in range(takeover.MOST_PERFORMANCES - 1):
        log.taken_over(owner=f"gw-{number + 2}")
    return log


@pytest.mark.parametrize("decide", WAITED.values(), ids=WAITED.keys())
def test_is_never_performed_again_and_ends_unknown(
    decide: Callable[[int], takeover.Retry | takeover.Settle | takeover.Wait],
) -> None:
    """Its owner may still report until the deadline and a little more; then nobody knows."""
    assert isinstance(decide(0), takeover.Wait)
    assert isinstance(decide(LATE), takeover.Settle)


def test_not_knowing_what_is_stopped_gives_no_repeatable_call_up() -> None:
    """It waits for the answer instead, however late."""
    assert isinstance(judged(claimed(), stop=NOBODY_KNOWS, later_seconds=LATE), takeover.Wait)
