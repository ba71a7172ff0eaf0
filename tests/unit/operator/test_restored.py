"""What the operator makes of a run whose log came from a backup: facts in, the wanted event and the status out."""

from typing import Any

import pytest

from keelstep.domain import restored
from keelstep.events import clock, types
from keelstep.kinds.execution import Execution
from keelstep.testing import builders
from keelstep.testing.builders import LogBuilder
from keelstep_operator.decide import actions, execution, phase
from keelstep_operator.decide import restored as came_back
from keelstep_operator.decide.facts import Facts, Pod

NOW = builders.BEGIN + 60 * clock.SECOND


def resource(status: dict[str, Any] | None = None, created: str = "", **spec: Any) -> Execution:
    """The resource."""
    metadata = {"name": "refund-7", "namespace": "shop", "uid": "x1", "generation": 1}
    base = {"strategyRef": {"name": "support"}, "goal": "help", "requestedBy": "ann"}
    return Execution.model_validate(
        {
            "metadata": {**metadata, "creationTimestamp": created},
            "spec": {**base, **spec},
            "status": status or {},
        }
    )


def held() -> LogBuilder:
    """A run that was open in the backup."""
    run = builders.log().started().attempt().model()
    data = types.Interruption(by=restored.BY, reason=restored.REASON)
    run.forge("exec.suspended", data, writer="op")
    assert restored.is_held(run.state)
    return run


def facts(run: LogBuilder, **rest: Any) -> Facts:
    """The facts about a run."""
    return Facts(**{"now": NOW, "name": "refund-7", "state": run.state, "execution": resource(), **rest})


def test_nothing_lets_it_go_but_a_person_who_holds_it_first() -> None:
    """spec.suspend false, as it always was, says nothing; true makes it theirs, and from then on it is as ever."""
    assert execution.decide(facts(held())).append is None
    run = held()
    taken = execution.decide(facts(run, execution=resource(suspend=True))).append
    assert taken is not None
    assert taken.type == "exec.resumed"
    run.resumed()
    theirs = execution.decide(facts(run, execution=resource(suspend=True))).append
    assert theirs is not None
    assert theirs.type == "exec.suspended"
    assert isinstance(theirs.data, types.Interruption)
    assert theirs.data.by == "spec.suspend"


def test_its_pod_ends() -> None:
    """A runner that outlived the broker has nothing left to do."""
    pod = Pod(name="refund-7-a1", uid="pod-1", attempt=1, phase="Running")
    todo = execution.decide(facts(held(), pods={1: pod})).todo
    assert actions.EndPod(pod=pod) in todo


def test_a_person_may_still_end_it() -> None:
    """Cancel works as ever."""
    wanted = execution.decide(facts(held(), execution=resource(cancel=True))).append
    assert wanted is not None
    assert wanted.type == "exec.cancelled"


def test_the_status_says_what_to_do() -> None:
    """Suspended, LogRestored, and both commands."""
    stands = phase.standing(facts(held()), None)
    assert (stands.phase, stands.reason) == ("Suspended", "LogRestored")
    assert "keelstep suspend" in stands.message


def test_a_status_that_saw_more_lets_go_first() -> None:
    """The API server lets those fields be absent, never less; the next write has them again."""
    seen = {"executionID": "x1", "observedSeq": 99, "observedHash": "f" * 64}
    shown, _ = phase.status(facts(held(), execution=resource(seen)), None)
    assert "observedSeq" not in shown
    assert "observedHash" not in shown
    assert shown["executionID"] == "x1"
    shown, _ = phase.status(facts(held(), execution=resource({"executionID": "another"})), None)
    assert "executionID" not in shown
    assert shown["observedSeq"] == held().state.seq


RESTORED_AT = clock.parse("2026-11-21T12:00:00Z")


@pytest.mark.parametrize(
    ("created", "at", "is_lost"),
    [
        ("2026-11-21T11:59:59Z", RESTORED_AT, True),
        ("2026-11-21T12:00:00Z", RESTORED_AT, False),
        ("2026-11-21T12:00:01Z", RESTORED_AT, False),
        ("2026-11-21T11:59:59Z", 0, False),
        ("", RESTORED_AT, False),
    ],
)
def test_only_what_is_older_than_the_restore_is_not_begun(created: str, at: int, is_lost: bool) -> None:
    """Whether it ran is not known; what was asked for later is new."""
    found = came_back.lost(resource(created=created), at)
    assert (found is not None) == is_lost
    if found is not None:
        assert (found.reason, found.is_pending) == ("LogLost", False)
