"""Is a call tried again, when, and for how long? What a failure policy says, row by row."""

from typing import Any

import pytest

from keelstep.domain import outcome, retry
from keelstep.domain.outcome import Answer, NoAnswer, Seen
from keelstep.events import clock
from keelstep.kinds.contract import ToolContractSpec
from tests.unit.domain import pinned

READ = ("ReadOnly", 0)
WRITE = ("Reversible", 1)
KEYED = {"mode": "Keyed"}
NOW = clock.parse("2026-11-21T08:00:00Z")


def policy(kind: tuple[str, int] = WRITE, *, mode: str = "Keyed", **fields: Any) -> ToolContractSpec:
    """A contract with this failure policy and a valid output."""
    return pinned.contract(*kind, idempotency={"mode": mode}, failurePolicy=fields)


def answered(status: int, body: bytes = b"{}", retry_after: str = "") -> Answer:
    """The tool answered."""
    return Answer(status=status, body=body, retry_after=retry_after)


def unsent() -> NoAnswer:
    """The tool was not reached."""
    return NoAnswer(reason="ConnectionFailed", message="x", error_class="ConnectionFailed", was_sent=False)


def again(
    spec: ToolContractSpec, seen: Seen, *, attempts: int = 1, left_seconds: float = 600, seed: str = "e1"
) -> retry.Again | None:
    """What follows from one answer."""
    judged = outcome.judge(spec, seen)
    return retry.decide(spec, judged, attempts=attempts, seed=seed, left_seconds=left_seconds, now=NOW)


def is_tried(spec: ToolContractSpec, seen: Seen, attempts: int = 1) -> bool:
    """Is there another attempt?"""
    return again(spec, seen, attempts=attempts) is not None


CASES: dict[str, tuple[ToolContractSpec, Seen, bool]] = {
    "a failure that the contract names": (policy(retryable=["RateLimited"]), answered(429), True),
    "a failure that it does not name": (policy(retryable=["RateLimited"]), answered(503), False),
    "a status that it names": (policy(retryable=[], retryableStatuses=[409]), answered(409), True),
    "a status that it does not name": (policy(retryable=[], retryableStatuses=[409]), answered(410), False),
    "an answer that its condition holds for": (
        policy(retryable=[], retryWhen="body.busy"),
        answered(409, b'{"busy": true}'),
        True,
    ),
    "an answer that its condition does not hold for": (
        policy(retryable=[], retryWhen="body.busy"),
        answered(409, b'{"busy": false}'),
        False,
    ),
    "a call that is not idempotent, once sent": (
        policy(mode="None", retryable=["Unavailable"]),
        answered(503),
        False,
    ),
    "a call that is not idempotent, never sent": (
        policy(mode="None", retryable=["ConnectionFailed"]),
        unsent(),
        True,
    ),
    "a call that is not idempotent, whose answer proves that nothing happened": (
        policy(mode="None", retryable=["Unavailable"], notPerformed=[503]),
        answered(503),
        True,
    ),
    "a success": (policy(retryable=["Unavailable"]), answered(200), False),
    "a read, by default": (policy(READ, mode="None"), answered(503), True),
    "a write that honours keys, by default": (policy(), answered(503), True),
    "a write that honours keys and came to no connection, by default": (policy(), unsent(), True),
    "a write that promises nothing, by default": (policy(mode="None"), unsent(), False),
    "a read that ran out of time, by default": (policy(READ, mode="None"), answered(504), False),
    "a refusal, by default": (policy(), answered(404), False),
    "a read whose contract names nothing": (policy(READ, mode="None", retryable=[]), answered(503), False),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_is_tried_again_where_it_can_help_and_does_no_harm(
    case: tuple[ToolContractSpec, Seen, bool],
) -> None:
    """By class, status or condition; never where a second effect could follow; without a word in the contract, safely."""
    spec, seen, expected = case
    assert is_tried(spec, seen) is expected


@pytest.mark.parametrize("error_class", ["RateLimited", "Unavailable", "Timeout"])
def test_only_the_classes_that_the_contract_names_are_tried_again(error_class: str) -> None:
    """Each by its name."""
    statuses = {"RateLimited": 429, "Unavailable": 503, "Timeout": 504}
    named = policy(READ, retryable=[error_class])
    for each, status in statuses.items():
        assert is_tried(named, answered(status)) is (each == error_class)


@pytest.mark.parametrize("most", [1, 2, 5])
def test_a_call_is_tried_as_often_as_the_contract_says(most: int) -> None:
    """`maxAttempts` counts the first one."""
    patient = policy(READ, retryable=["Unavailable"], maxAttempts=most)
    tried = [attempts for attempts in range(1, 9) if is_tried(patient, answered(503), attempts)]
    assert tried == list(range(1, most))
    assert retry.attempts_allowed(patient) == most


def test_the_wait_before_another_attempt_is_the_contracts_and_grows() -> None:
    """4, 12, 36, and never over 50 s; longer by up to a half, never shorter."""
    slow = policy(maxAttempts=5, backoffSeconds=4, backoffFactor=3, maxBackoffSeconds=50)
    for attempts, seconds in ((1, 4), (2, 12), (3, 36), (4, 50)):
        found = again(slow, answered(503), attempts=attempts)
        assert found is not None
        assert seconds * 1000 <= found.wait_ms <= seconds * 1500


def test_by_default_the_wait_is_a_second_and_doubles_up_to_a_minute() -> None:
    """1, 2, 4 … 60 s."""
    usual = policy(maxAttempts=10)
    least = [1, 2, 4, 8, 16, 32, 60, 60, 60]
    assert all(low * 1000 <= retry.backoff_ms(usual, "", n + 1) <= low * 1500 for n, low in enumerate(least))


def test_the_same_call_waits_the_same_and_others_do_not_come_with_it() -> None:
    """The wait follows from the call's identity and the count: whoever reads the log computes it again."""
    spec = policy(backoffSeconds=10)
    assert retry.backoff_ms(spec, "e1", 1) == retry.backoff_ms(spec, "e1", 1)
    waits = {retry.backoff_ms(spec, f"e{number}", 1) for number in range(200)}
    assert len(waits) > 190
    spread = sorted(waits)
    assert spread[0] < 10_500
    assert spread[-1] > 14_500


def test_no_wait_is_no_wait() -> None:
    """`backoffSeconds: 0` sends again at once."""
    assert again(policy(backoffSeconds=0), answered(503)) == retry.Again(wait_ms=0)


SAID: dict[str, tuple[str, int]] = {
    "seconds": ("7", 7_000),
    "a date": ("Sat, 21 Nov 2026 08:00:09 GMT", 9_000),
    "a date in the old form": ("Saturday, 21-Nov-26 08:00:09 GMT", 9_000),
    "a date that has passed": ("Sat, 21 Nov 2026 07:00:00 GMT", 0),
    "nothing": ("", 0),
    "something else": ("soon", 0),
    "a number that is none": ("-5", 0),
    "a fraction": ("1.5", 0),
    "digits of another script": ("٣", 0),
    "a date that is none": ("Sat, 99 Nov 2026 08:00:09 GMT", 0),
}


@pytest.mark.parametrize("case", SAID.values(), ids=SAID.keys())
def test_a_tool_that_says_when_to_come_back_is_understood(case: tuple[str, int]) -> None:
    """Seconds or a date, of which only what lies ahead counts; anything else is not said."""
    said, expected = case
    assert retry.after_ms(said, NOW) == expected


def test_a_tool_that_says_when_to_come_back_is_waited_for_as_long() -> None:
    """Longer than the contract's own wait, even than its longest; a shorter word shortens nothing."""
    spec = policy(backoffSeconds=2, maxBackoffSeconds=3)
    assert again(spec, answered(429, retry_after="30")) == retry.Again(wait_ms=30_000)
    impatient = again(spec, answered(429, retry_after="1"))
    assert impatient is not None
    assert impatient.wait_ms >= 2_000


@pytest.mark.parametrize(("left", "is_again"), [(30.5, True), (30.0, False), (5.0, False), (-1.0, False)])
def test_a_wait_beyond_the_calls_time_is_not_begun(left: float, is_again: bool) -> None:
    """There would be no time left to send; the failure is the last word at once."""
    found = again(policy(), answered(429, retry_after="30"), left_seconds=left)
    assert (found is not None) is is_again


def test_a_call_lasts_for_every_attempt_and_the_waits_between() -> None:
    """10 s three times, and 1 + 2 s with a half; one attempt only where nothing is tried again."""
    assert retry.budget_seconds(policy(retryable=["Timeout"])) == 30 * 3 + 5
    assert retry.budget_seconds(policy(mode="None")) == 30
    assert retry.budget_seconds(policy(retryable=[])) == 30
    assert retry.budget_seconds(policy(mode="None", retryable=[], retryWhen="status == 202")) == 95
    assert retry.budget_seconds(policy(mode="None", retryable=[], retryableStatuses=[409])) == 95


def test_a_contract_may_give_less_time_for_everything() -> None:
    """`totalSeconds` bounds attempts and waits together, and never lengthens them."""
    assert retry.budget_seconds(policy(totalSeconds=20)) == 20
    assert retry.budget_seconds(policy(totalSeconds=3600)) == 95
