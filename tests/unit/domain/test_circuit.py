"""When does a circuit breaker open, and when does it let calls through again?"""

import pytest

from keelstep.domain import circuit
from keelstep.domain.circuit import CLOSED, Circuit
from keelstep.domain.outcome import Judged
from keelstep.domain.reasons import classes
from keelstep.events import clock, types
from keelstep.kinds.limits import Breaker

NOW = 1_800_000_000 * clock.SECOND
TERMS = Breaker(failures=3, window_seconds=10, open_seconds=30, half_open_calls=2)
OK = Judged(status="ok")


def failed(error_class: str, *, was_sent: bool = True) -> Judged:
    """A call that came to nothing."""
    error = types.Error(reason=error_class, error_class=error_class)
    return Judged(status="failed", error=error, was_sent=was_sent)


DOWN = failed(classes.UNAVAILABLE)


def after(*calls: Judged, found: Circuit = CLOSED, every: int = clock.SECOND) -> Circuit:
    """A breaker after these calls, one after the other."""
    for number, judged in enumerate(calls):
        found = circuit.ended(found, TERMS, judged, NOW + number * every, is_probe=False)
    return found


def test_so_many_failures_in_a_row_open_it() -> None:
    """Not one fewer; and it says when it may be tried, and why it opened."""
    assert circuit.is_shut(after(DOWN, DOWN))
    opened = after(DOWN, DOWN, failed(classes.TIMEOUT))
    assert (opened.state, opened.reason, opened.failures) == ("open", "Timeout", 3)
    assert opened.until == NOW + (2 + 30) * clock.SECOND


def test_a_success_in_between_begins_the_count_anew() -> None:
    """A tool that fails now and then works."""
    assert circuit.is_shut(after(DOWN, DOWN, OK, DOWN, DOWN))


def test_failures_that_are_far_apart_do_not_add_up() -> None:
    """Older ones than the window count no more."""
    assert circuit.is_shut(after(DOWN, DOWN, DOWN, every=11 * clock.SECOND))


@pytest.mark.parametrize("error_class", sorted(classes.NAMES))
def test_only_a_tool_that_does_not_work_counts_as_failing(error_class: str) -> None:
    """One that answers no, or wants fewer calls, works; what never left says nothing about it."""
    opened = after(*[failed(error_class, was_sent=error_class != classes.NOT_SENT)] * 3)
    assert (opened.state == "open") is (error_class in {"Timeout", "Unavailable", "ConnectionFailed"})


def test_a_tool_that_cannot_be_reached_counts_though_nothing_was_sent() -> None:
    """No connection is no answer."""
    assert after(*[failed(classes.CONNECTION, was_sent=False)] * 3).state == "open"


def opened() -> Circuit:
    """A breaker that has just opened."""
    return after(DOWN, DOWN, DOWN, every=0)


def test_an_open_breaker_lets_nothing_through_before_its_time() -> None:
    """Then a few calls try the tool, and all others wait for what they find."""
    found = opened()
    assert circuit.wait_ns(found, TERMS, NOW) == 30 * clock.SECOND
    now = NOW + 30 * clock.SECOND
    for _ in range(2):
        assert circuit.wait_ns(found, TERMS, now) == 0
        found = circuit.tried(found, now)
    assert found.state == "half-open"
    assert circuit.wait_ns(found, TERMS, now) > 0


def tried(times: int = 2) -> tuple[Circuit, int]:
    """A breaker that so many calls are trying."""
    found, now = opened(), NOW + 30 * clock.SECOND
    for _ in range(times):
        found = circuit.tried(found, now)
    return found, now


def test_it_shuts_once_every_call_that_tried_the_tool_has_succeeded() -> None:
    """Not after the first of them."""
    found, now = tried()
    found = circuit.ended(found, TERMS, OK, now, is_probe=True)
    assert found.state == "half-open"
    assert circuit.ended(found, TERMS, OK, now, is_probe=True) == CLOSED


def test_one_that_fails_opens_it_again() -> None:
    """For as long as the first time."""
    found, now = tried()
    again = circuit.ended(found, TERMS, DOWN, now, is_probe=True)
    assert (again.state, again.until) == ("open", now + 30 * clock.SECOND)


def test_calls_that_began_before_it_opened_change_nothing() -> None:
    """Neither their failures nor their successes are news."""
    for found in (opened(), tried()[0]):
        for judged in (OK, DOWN):
            assert circuit.ended(found, TERMS, judged, NOW, is_probe=False) == found


def test_a_call_that_was_to_try_it_and_vanished_does_not_keep_it_open_for_ever() -> None:
    """Its gateway may have died."""
    found, now = tried()
    later = now + circuit.PROBE_SECONDS * clock.SECOND
    assert circuit.wait_ns(found, TERMS, later) == 0
    assert circuit.tried(found, later).trying == 1
