"""What ended badly and waits for a person?"""

import pytest

from keelstep.domain import deadletters
from keelstep.domain.reasons import classes
from keelstep.events import types
from keelstep.testing.builders import LogBuilder
from tests.unit.domain import turns


def called(status: str, error_class: str = classes.TIMEOUT) -> LogBuilder:
    """A run with one call that ended so."""
    log = turns.planned("credit.grant", "orders.get").claim(key="k1")
    error = types.Error(reason=error_class, message="it ended so", error_class=error_class)
    return log.result(status=status, idempotency_key="k1", error=error)


def kinds(log: LogBuilder) -> list[str]:
    """What waits, by kind."""
    return [letter.kind for letter in deadletters.of(log.state)]


def test_a_call_whose_outcome_nobody_knows_waits_however_its_run_ends() -> None:
    """Only a person can find out, whether the run goes on, succeeds, or was stopped."""
    assert kinds(called("unknown")) == ["Unknown"]
    assert kinds(called("unknown").finished()) == ["Unknown"]
    assert kinds(called("unknown").killed()) == ["Unknown"]
    (letter,) = deadletters.of(called("unknown").state)
    assert (letter.tool, letter.reason, letter.message) == ("credit.grant", "Timeout", "it ended so")


def test_one_that_a_read_found_out_about_does_not() -> None:
    """It is known by now."""
    assert kinds(called("unknown").reconciled()) == []


@pytest.mark.parametrize("error_class", sorted(classes.NAMES))
def test_a_call_that_failed_to_the_last_waits_where_the_run_failed_and_it_may_be_over_by_now(
    error_class: str,
) -> None:
    """What was refused or does not fit fails again; what did not work may work."""
    passing = {"Timeout", "RateLimited", "Unavailable", "ConnectionFailed", "NotSent"}
    log = called("failed", error_class).finished("failed")
    assert kinds(log) == (["Exhausted", "Run"] if error_class in passing else ["Run"])


def test_a_run_that_succeeded_in_spite_of_a_failed_call_leaves_nothing() -> None:
    """The model found another way."""
    assert kinds(called("failed").finished()) == []


@pytest.mark.parametrize("reason", ["ModelMalformed", "DeadlineExceeded", "AttemptsExhausted"])
def test_a_run_that_came_to_nothing_waits_as_a_whole(reason: str) -> None:
    """A model that stays malformed after its corrections is one of these."""
    log = turns.planned("orders.get").finished("failed", reason=reason, message="why")
    (letter,) = deadletters.of(log.state)
    assert (letter.kind, letter.reason, letter.message, letter.seq) == (
        "Run",
        reason,
        "why",
        log.state.over_seq,
    )


def test_what_people_ended_waits_for_nobody() -> None:
    """They know."""
    assert kinds(turns.planned("orders.get").killed()) == []
    assert kinds(turns.planned("orders.get").cancelled()) == []


def test_what_a_person_is_done_with_waits_no_more() -> None:
    """A verdict on the outcome alone is another thing."""
    log = called("unknown").finished("failed")
    assert kinds(log.feedback("bad")) == ["Unknown", "Run"]
    assert kinds(log.feedback("bad", discards=True)) == []
