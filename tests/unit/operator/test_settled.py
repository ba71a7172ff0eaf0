"""Is it recorded that a person is done with what ended badly?"""

from keelstep.events import types
from keelstep.testing.builders import LogBuilder
from keelstep_operator.decide import execution
from tests.unit.operator.test_execution_decisions import facts, working
from tests.unit.situations import resource

DONE = "refunded by hand, ticket 812"


def wanted(log: LogBuilder, **spec: object) -> types.Data | None:
    """What the operator appends."""
    found = execution.decide(facts(log, execution=resource(**spec))).append
    return found.data if found is not None else None


def test_a_person_says_once_that_what_ended_badly_is_done_with() -> None:
    """With their words; not again once it is recorded."""
    log = working().finished("failed")
    said = wanted(log, discard=DONE)
    assert said == types.Feedback(by="spec.discard", verdict="bad", reason=DONE, discards=True)
    assert wanted(log.feedback("bad", discards=True), discard=DONE) is None


def test_of_a_run_that_goes_on_nothing_is_recorded_yet() -> None:
    """It has its own ways; the word counts once it is over."""
    assert not isinstance(wanted(working(), discard=DONE), types.Feedback)


def test_nobody_has_to_say_anything() -> None:
    """Without a word it waits."""
    assert wanted(working().finished("failed")) is None
