"""How does a contract show whether its tool works?"""

import pytest

from keelstep.domain.circuit import CLOSED, Circuit
from keelstep.events import clock
from keelstep_operator.decide import condition, health

UNTIL = 1_795_219_199 * clock.SECOND
SHOWN = {
    "it works": (CLOSED, "True", "BreakerClosed"),
    "it fails now and then": (Circuit(failures=2, since=1, reason="Timeout"), "True", "BreakerClosed"),
    "it is left alone": (Circuit(state="open", until=UNTIL, reason="Timeout"), "False", "BreakerOpen"),
    "it is being tried": (Circuit(state="half-open", reason="Timeout"), "Unknown", "BreakerHalfOpen"),
}


@pytest.mark.parametrize("case", SHOWN.values(), ids=SHOWN.keys())
def test_healthy_says_where_the_breaker_stands(case: tuple[Circuit, str, str]) -> None:
    """Failures that have not opened it are nobody's business."""
    found, status, reason = case
    shown = health.check(found)
    assert (shown.type, shown.status, shown.reason) == ("Healthy", status, reason)


def test_a_person_is_told_why_it_is_left_alone_and_until_when() -> None:
    """The last failure and a time."""
    message = health.check(SHOWN["it is left alone"][0]).message
    assert "Timeout" in message
    assert clock.whole(UNTIL) in message


def test_a_tool_that_fails_leaves_its_contract_ready() -> None:
    """What the contract says is right, whatever the tool does just now: no deployment is rolled back because of it."""
    accepted = condition.holds("Accepted", "Accepted")
    assert condition.ready([accepted]).status == "True"
