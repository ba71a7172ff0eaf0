"""What happens next to an execution? Facts in, the one wanted event or the things to do out."""

from collections.abc import Callable
from typing import Any

import pytest

from keelstep.events import clock, types
from keelstep.testing import builders
from keelstep.testing.builders import LogBuilder
from keelstep_operator.decide import actions, execution
from keelstep_operator.decide.facts import Decision, Facts, Gate, NotReady, Pod, Ready, Stop
from tests.unit import situations
from tests.unit.situations import pod, resource

NOW = builders.BEGIN + 60 * clock.SECOND


def facts(run: LogBuilder, *pods: Pod, now: int = NOW, **rest: Any) -> Facts:
    """The facts about a run, by default a minute after it began."""
    return situations.facts(run, *pods, now=now, **rest)


def begun() -> LogBuilder:
    """A run whose first attempt runs."""
    return builders.log().started().attempt()


def working() -> LogBuilder:
    """A run whose first attempt has done something."""
    return begun().model()


def asking() -> LogBuilder:
    """A run that waits for a person."""
    return working().plan("refund.issue").gate()


def question(run: LogBuilder, **rest: Any) -> Gate:
    """The question as the operator computed it."""
    (asked,) = run.state.gates.values()
    given: dict[str, Any] = {
        "name": "refund-7-g5",
        "spec": {},
        "args_digest": "a" * 64,
        "contract_digest": "3" * 64,
        "deadline": NOW + 600 * clock.SECOND,
        "valid_for_seconds": 300,
        "exists": True,
    }
    return Gate(request_seq=asked.request_seq, **{**given, **rest})


def ready(run: LogBuilder) -> Ready:
    """Everything a start needs."""
    started = builders.log().started().events[0].data
    assert isinstance(started, types.ExecStarted)
    return Ready(data=started, trace_id="7" * 32)


STOP = Stop(scope="strategy", reason="danger", by="ann")
LATE = builders.BEGIN + 4000 * clock.SECOND

WANTED: dict[str, tuple[Callable[[], Facts], str | None]] = {
    "what is ready starts": (lambda: facts(builders.log(), start=ready(builders.log())), "exec.started"),
    "what is not ready waits": (
        lambda: facts(
            builders.log(), start=NotReady(condition="Accepted", reason="InputsInvalid", message="")
        ),
        None,
    ),
    "what is killed before it began does not begin": (
        lambda: facts(builders.log(), start=ready(builders.log()), stop=STOP),
        None,
    ),
    "what is cancelled before it began does not begin": (
        lambda: facts(builders.log(), start=ready(builders.log()), execution=resource(cancel=True)),
        None,
    ),
    "what is suspended before it began does not begin": (
        lambda: facts(builders.log(), start=ready(builders.log()), execution=resource(suspend=True)),
        None,
    ),
    "what is being deleted does not begin": (
        lambda: facts(builders.log(), start=ready(builders.log()), execution=resource(deleting=True)),
        None,
    ),
    "a started run gets its first attempt": (lambda: facts(builders.log().started()), "exec.attempt"),
    "a kill comes before any attempt": (lambda: facts(builders.log().started(), stop=STOP), "exec.killed"),
    "a kill ends a run that waits for a person": (lambda: facts(asking(), stop=STOP), "exec.killed"),
    "a kill ends a run that is cancelled": (lambda: facts(working().cancelled(), stop=STOP), "exec.killed"),
    "a kill ends a run whose resource is gone": (
        lambda: facts(working(), execution=None, stop=STOP),
        "exec.killed",
    ),
    "a killed run stays as it is": (lambda: facts(working().killed(), stop=STOP), None),
    "a finished run is not killed": (lambda: facts(working().finished(), stop=STOP), None),
    "a cancelled spec is a cancel": (
        lambda: facts(working(), pod(), execution=resource(cancel=True)),
        "exec.cancelled",
    ),
    "a deletion that was seen is a cancel": (
        lambda: facts(working(), pod(), execution=None, is_deleted=True),
        "exec.cancelled",
    ),
    "a resource that is being deleted is a cancel": (
        lambda: facts(working(), pod(), execution=resource(deleting=True)),
        "exec.cancelled",
    ),
    "a deletion of what never began closes its log": (
        lambda: facts(builders.log(), execution=None, is_deleted=True),
        "exec.finished",
    ),
    "what was closed before it began does not begin": (
        lambda: facts(builders.log().given_up("Deleted"), start=ready(builders.log())),
        None,
    ),
    "a resource that is missing is no cancel": (lambda: facts(working(), execution=None), None),
    "a cancelled run with nothing in flight ends": (lambda: facts(working().cancelled()), "exec.finished"),
    "a cancelled run waits for an open claim": (
        lambda: facts(working().plan("orders.get").claim().cancelled()),
        None,
    ),
    "a cancelled run waits for an open model call": (
        lambda: facts(begun().model_called().cancelled()),
        None,
    ),
    "a run whose time is up ends": (lambda: facts(working(), pod(), now=LATE), "exec.finished"),
    "a run whose time is up ends while it waits for a person": (
        lambda: facts(asking(), now=LATE),
        "exec.finished",
    ),
    "a run whose time is up and whose resource is missing is left alone": (
        lambda: facts(working(), execution=None, now=LATE),
        None,
    ),
    "a suspended spec holds the run": (
        lambda: facts(working(), pod(), execution=resource(suspend=True)),
        "exec.suspended",
    ),
    "a held run is not held again": (
        lambda: facts(working().suspended(), execution=resource(suspend=True)),
        None,
    ),
    "a held run that nobody holds any more goes on": (
        lambda: facts(working().suspended()),
        "exec.resumed",
    ),
    "a resumed run gets a new attempt even though its Pod is still going": (
        lambda: facts(working().suspended().resumed(), pod(is_terminating=True), resumed_seq=6),
        "exec.attempt",
    ),
    "a run that waits for a person gets no attempt": (lambda: facts(asking()), None),
    "an unknown event stops every decision": (
        lambda: facts(_undecidable(), execution=resource(cancel=True)),
        None,
    ),
    "a run with a living Pod wants nothing": (lambda: facts(working(), pod()), None),
}


def _undecidable() -> LogBuilder:
    run = working()
    run.forge("exec.finished", types.ExecFinished(outcome="failed", reason="X"), writer="op", v=99)
    return run


@pytest.mark.parametrize("sentence", WANTED)
def test_the_wanted_event(sentence: str) -> None:
    """One event at most, valid where it is wanted; which one follows from the facts alone."""
    make, wanted = WANTED[sentence]
    assert situations.wanted(make()) == wanted


APPROVED = Decision(approver="grace", is_approval=True)
VERDICTS: dict[str, tuple[dict[str, Any], str | None]] = {
    "no answer yet": ({}, None),
    "an approval": ({"decisions": [APPROVED]}, "approved"),
    "a rejection": ({"decisions": [Decision(approver="grace", is_approval=False)]}, "rejected"),
    "a rejection beside an approval": (
        {"decisions": [APPROVED, Decision(approver="heidi", is_approval=False)]},
        "rejected",
    ),
    "one approval of two": ({"decisions": [APPROVED], "required": 2}, None),
    "two approvals of two": (
        {"decisions": [APPROVED, Decision(approver="heidi", is_approval=True)], "required": 2},
        "approved",
    ),
    "the same person twice": ({"decisions": [APPROVED, APPROVED], "required": 2}, None),
    "an approval of one's own run": (
        {"decisions": [Decision(approver="ann", is_approval=True)]},
        None,
    ),
    "an approval after the deadline": ({"decisions": [APPROVED], "deadline": NOW - 1}, "expired"),
    "an approval on a forged gate": ({"decisions": [APPROVED], "is_forged": True}, None),
    "a question that cannot be put": ({"refusal": "ArgumentsInvalid", "exists": False}, "withdrawn"),
}


@pytest.mark.parametrize("sentence", VERDICTS)
def test_what_answers_amount_to(sentence: str) -> None:
    """One no is no, no answer in time is no, nobody approves their own run, each person counts once."""
    changes, verdict = VERDICTS[sentence]
    run = asking()
    found = execution.decide(facts(run, gates=[question(run, **changes)])).append
    data = found.data if found is not None else None
    assert (data.verdict if isinstance(data, types.GateDecided) else None) == verdict


def test_an_approval_covers_exactly_these_arguments_for_a_time() -> None:
    """gate.decided names arguments, contract, people, and until when it may be used."""
    run = asking()
    found = execution.decide(facts(run, gates=[question(run, decisions=[APPROVED])])).append
    assert found is not None
    data = found.data
    assert isinstance(data, types.GateDecided)
    assert data.args_digest == "a" * 64
    assert data.contract_digest == "3" * 64
    assert data.valid_until == clock.text(NOW + 300 * clock.SECOND)
    assert [person.user for person in data.approvers] == ["grace"]


def test_a_decided_question_is_followed_by_an_attempt_even_while_the_old_pod_goes() -> None:
    """The attempt that asked is done; nobody waits for its Pod."""
    run = asking().decided()
    found = execution.decide(facts(run, pod(phase="Running"))).append
    assert found is not None
    assert isinstance(found.data, types.ExecAttempt)
    assert (found.data.attempt, found.data.reason) == (2, "GateDecided")


def kinds_of(found: execution.Outcome) -> set[str]:
    """The kinds of things to do."""
    return {type(one).__name__ for one in found.todo}


TODO: dict[str, tuple[Callable[[], Facts], set[str]]] = {
    "a young attempt that wrote nothing gets its Pod": (
        lambda: facts(begun(), now=builders.BEGIN + 5 * clock.SECOND),
        {"RunAttempt"},
    ),
    "a living Pod needs nothing": (lambda: facts(working(), pod()), set()),
    "an older attempt is revoked and its Pod ended": (
        lambda: facts(asking().decided().attempt(), pod(1), pod(2)),
        {"Revoke", "DropSecrets", "EndPod"},
    ),
    "a suspended run loses its Pod": (
        lambda: facts(working().suspended(), pod(), execution=resource(suspend=True)),
        {"EndPod"},
    ),
    "a question gets its gate": (
        lambda: facts(asking(), gates=[question(asking(), exists=False)]),
        {"OpenGate"},
    ),
    "a question that is there needs none": (lambda: facts(asking(), gates=[question(asking())]), set()),
    "a killed run is cut off": (
        lambda: facts(working().killed(), pod()),
        {"Revoke", "DropSecrets", "EndPod"},
    ),
    "a runner that finished may leave by itself": (
        lambda: facts(working().finished(), pod(), now=builders.BEGIN + 6 * clock.SECOND),
        set(),
    ),
    "a runner that finished and stays is ended": (
        lambda: facts(working().finished(), pod(), now=NOW),
        {"Revoke", "DropSecrets", "EndPod"},
    ),
    "a finished run with an ended Pod keeps it for its log": (
        lambda: facts(working().finished(), pod(phase="Succeeded")),
        {"Revoke", "DropSecrets"},
    ),
    "an orphan is cut off and nothing else": (
        lambda: facts(working(), execution=None),
        {"Revoke", "DropSecrets"},
    ),
    "a deleted run that is over frees its name": (
        lambda: facts(working().finished(), execution=None, is_deleted=True),
        {"Revoke", "DropSecrets", "ReleaseName"},
    ),
    "a deleted run that never began frees its name once its log is closed": (
        lambda: facts(builders.log().given_up("Deleted"), execution=None, is_deleted=True),
        {"ReleaseName"},
    ),
    "a kill switch on the resource is engaged at once": (
        lambda: facts(working(), pod(), execution=resource(killSwitch={"engaged": True})),
        {"EngageKill"},
    ),
    "time after the end deletes the resource": (
        lambda: facts(working().finished(), execution=resource(ttlSecondsAfterFinished=0)),
        {"Revoke", "DropSecrets", "DeleteResource"},
    ),
    "a forged Pod is never touched": (
        lambda: facts(working().killed(), pod(is_forged=True)),
        {"Revoke", "DropSecrets"},
    ),
}


@pytest.mark.parametrize("sentence", TODO)
def test_what_is_to_be_done(sentence: str) -> None:
    """Once no event is wanted."""
    make, expected = TODO[sentence]
    found = execution.decide(make())
    assert found.append is None
    assert kinds_of(found) == expected


def test_a_killed_runs_pod_is_ended_at_once() -> None:
    """No grace for what was killed."""
    (ended,) = [
        one
        for one in execution.decide(facts(working().killed(), pod())).todo
        if isinstance(one, actions.EndPod)
    ]
    assert ended.is_immediate


def test_only_the_newest_ended_pods_are_kept() -> None:
    """Logs of crashes are kept, but not without end."""
    run = working()
    for _ in range(3):
        run.attempt().model()
    pods = [pod(number, phase="Failed") for number in (1, 2, 3)]
    found = execution.decide(facts(run, *pods, pod(4)))
    ended = [one.pod.attempt for one in found.todo if isinstance(one, actions.EndPod)]
    assert ended == [1]


def test_a_forged_child_stalls_the_run() -> None:
    """A person must act, and the message says on what."""
    found = execution.decide(facts(working(), pod(is_forged=True)))
    assert found.stalled == ("ChildForged", "Pod refund-7-a1 exists and is not ours; delete it")


def test_an_unknown_event_stalls_the_run() -> None:
    """Undecidable: upgrade the operator."""
    found = execution.decide(facts(_undecidable()))
    assert found.stalled is not None
    assert found.stalled[0] == "Undecidable"


def test_time_wakes_a_run_at_its_next_deadline() -> None:
    """The nearest of the run's and its questions' deadlines."""
    run = asking()
    found = execution.decide(facts(run, gates=[question(run)]))
    assert found.wake_at == NOW + 600 * clock.SECOND + 1


def test_a_run_that_the_operator_ends_loses_its_pod_at_once() -> None:
    """Its runner did not say goodbye: nobody waits for it to leave."""
    run = working().cancelled().given_up("Cancelled")
    found = execution.decide(facts(run, pod(), now=run.now))
    assert kinds_of(found) == {"Revoke", "DropSecrets", "EndPod"}


def test_a_question_that_cannot_be_computed_stalls_and_blocks_nothing_else() -> None:
    """Nothing is asked or decided; a kill or a cancel still works."""
    run = asking()
    broken = question(run, exists=False, deadline=0, problem="a revision is gone")
    found = execution.decide(facts(run, gates=[broken]))
    assert found.append is None
    assert kinds_of(found) == set()
    assert found.stalled is not None
    assert found.stalled[0] == "EvidenceMissing"
    killed = execution.decide(facts(run, gates=[broken], stop=STOP)).append
    assert killed is not None
    assert killed.type == "exec.killed"
