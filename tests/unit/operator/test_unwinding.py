"""What does the operator do about a run that has failed or was cancelled? It has done undone what can be, and ends it."""

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest

from keelstep.events import clock, types
from keelstep.testing import builders
from keelstep.testing.builders import LogBuilder
from keelstep_operator.decide import execution, gate, phase
from keelstep_operator.decide.facts import Decision, Facts, Gate, Pod, Stop
from tests.unit import situations
from tests.unit.domain import pinned, stories
from tests.unit.situations import pod, resource


def facts(run: LogBuilder, *pods: Pod, later_seconds: float = 0, **rest: Any) -> Facts:
    """The facts about a run, now or later."""
    return situations.facts(run, *pods, now=run.now + int(later_seconds * clock.SECOND), **rest)


def in_flight() -> LogBuilder:
    """A call that could be undone is being made."""
    run = builders.log().started(contracts=builders.UNDOABLE).attempt().model().plan("credit.grant")
    return run.claim(key="k0")


def asking() -> LogBuilder:
    """A person is asked whether something was undone by hand."""
    return stories.failing().undo().undone("failed").undo_gate()


def question(run: LogBuilder, **rest: Any) -> Gate:
    """The question as the operator computed it."""
    (asked,) = [each for each in run.state.gates.values() if each.decided is None]
    given: dict[str, Any] = {
        "name": "refund-7-g9", "spec": {}, "args_digest": "a" * 64, "contract_digest": "5" * 64,
        "deadline": run.now + 600 * clock.SECOND, "exists": True, "is_of_undo": asked.undoes is not None,
    }  # fmt: skip
    return Gate(request_seq=asked.request_seq, **{**given, **rest})


TIME_IS_UP = 4000.0
"""Seconds after which every run here is past its deadline, and every unwinding past its time."""
APPROVED = Decision(approver="grace", is_approval=True)
WANTED: dict[str, tuple[Callable[[], Facts], str | None]] = {
    "a run whose time is up unwinds where something can be undone": (
        lambda: facts(stories.performed(), pod(), later_seconds=TIME_IS_UP), "exec.unwinding",
    ),
    "a run whose time is up unwinds where something in flight may have to be undone": (
        lambda: facts(in_flight(), pod(), later_seconds=TIME_IS_UP), "exec.unwinding",
    ),
    "a run whose time is up ends where its resource owns no Pods any more": (
        lambda: facts(stories.performed(), execution=resource(deleting=True, cancel=False), later_seconds=TIME_IS_UP),
        "exec.cancelled",
    ),
    "a run whose attempts do nothing unwinds": (
        lambda: facts(stories.performed().attempt().attempt(), pod(3, phase="Failed"), attempt_limit=2),
        "exec.unwinding",
    ),
    "a cancelled run with something to undo gets an attempt of its own for that": (
        lambda: facts(stories.performed().cancelled(), pod()), "exec.attempt",
    ),
    "a run that the operator failed gets one, too": (
        lambda: facts(stories.performed().failing(), pod()), "exec.attempt",
    ),
    "a held run that is cancelled gets one, too": (
        lambda: facts(stories.performed().suspended().cancelled()), "exec.attempt",
    ),
    "a runner that says that its run failed goes on by itself": (
        lambda: facts(stories.failing(), pod()), None,
    ),
    "a runner that died while it unwinds is followed by another": (
        lambda: facts(stories.failing(), pod(phase="Failed")), "exec.attempt",
    ),
    "while something is in flight, nothing is undone yet": (lambda: facts(in_flight().cancelled()), None),
    "while a person is asked, nothing is done": (lambda: facts(asking(), gates=[question(asking())]), None),
    "once a person has answered, the next attempt goes on": (
        lambda: facts(stories.failing("credit.grant", "credit.grant").undo().undone("failed").undo_gate().undo_decided()),
        "exec.attempt",
    ),
    "a person's answer about an undoing is recorded": (
        lambda: facts(asking(), gates=[question(asking(), decisions=[APPROVED])]), "gate.decided",
    ),
    "no answer in time is given up": (
        lambda: facts(asking(), gates=[question(asking())], later_seconds=700), "gate.decided",
    ),
    "an answer about a call that will not be made any more is not": (
        lambda: facts(_asked_before(), pod(), gates=[question(_asked_before(), decisions=[APPROVED])]), "exec.attempt",
    ),
    "what is undone ends": (lambda: facts(stories.failing().undo().undone()), "exec.finished"),
    "what was undone by hand ends": (lambda: facts(asking().undo_decided()), "exec.finished"),
    "what nobody can undo in time ends": (
        lambda: facts(stories.failing(), pod(), later_seconds=301), "exec.finished",
    ),
    "what waits for a person does not end for that": (
        lambda: facts(asking(), gates=[question(asking(), deadline=10**19)], later_seconds=TIME_IS_UP), None,
    ),
    "attempts that cannot undo anything are given up": (
        lambda: facts(stories.performed().failing().attempt().attempt(), pod(3, phase="Failed"), attempt_limit=2),
        "exec.finished",
    ),
    "a deletion while it unwinds is recorded, for nobody can go on": (
        lambda: facts(stories.failing(), execution=None, is_deleted=True), "exec.cancelled",
    ),
    "a deleted run ends with what stands": (
        lambda: facts(stories.failing().cancelled("Deleted"), execution=None, is_deleted=True), "exec.finished",
    ),
    "a kill ends it, and undoes nothing": (
        lambda: facts(stories.failing(), pod(), stop=Stop(scope="strategy", reason="x", by="ann")), "exec.killed",
    ),
    "a spec that wants it held does not hold it": (
        lambda: facts(stories.failing(), pod(), execution=resource(suspend=True)), None,
    ),
}  # fmt: skip


def _asked_before() -> LogBuilder:
    """Cancelled while a person was asked about a call."""
    return stories.performed().model().plan("refund.issue").gate().cancelled()


@pytest.mark.parametrize("sentence", WANTED)
def test_the_wanted_event(sentence: str) -> None:
    """One event at most, valid where it is wanted; which one follows from the facts alone."""
    make, wanted = WANTED[sentence]
    assert situations.wanted(make()) == wanted


ENDS: dict[str, tuple[Callable[[], LogBuilder], str, str, str]] = {
    "undone after a failure": (
        lambda: stories.failing().undo().undone(), "failed", "CriteriaNotMet", "undone: credit.grant",
    ),
    "undone after a cancellation": (
        lambda: stories.performed().cancelled("Cancelled").attempt().undo().undone(),
        "cancelled", "Cancelled", "cancelled by ann; undone: credit.grant",
    ),
    "given up": (
        lambda: asking().undo_decided("rejected"), "failed", "CriteriaNotMet", "not undone: credit.grant",
    ),
    "one of two": (
        lambda: stories.failing("credit.grant", "credit.grant").undo().undone().undo().undone("failed").undo_gate()
        .undo_decided("expired"),
        "failed", "CriteriaNotMet", "undone: credit.grant; not undone: credit.grant",
    ),
    "twice the same": (
        lambda: stories.failing("credit.grant", "credit.grant").undo().undone().undo().undone(),
        "failed", "CriteriaNotMet", "undone: credit.grant (2 times)",
    ),
    "failed first, cancelled then": (
        lambda: stories.failing().cancelled("Cancelled").attempt().undo().undone(),
        "failed", "CriteriaNotMet", "undone: credit.grant",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", ENDS.values(), ids=ENDS.keys())
def test_the_end_says_why_it_came_and_what_stands(
    case: tuple[Callable[[], LogBuilder], str, str, str],
) -> None:
    """As it was decided when the unwinding began, whatever came later."""
    story, outcome, reason, message = case
    found = execution.decide(facts(story())).append
    assert found is not None
    assert isinstance(found.data, types.ExecFinished)
    assert (found.data.outcome, found.data.reason, found.data.message) == (outcome, reason, message)


def kinds_of(found: Facts) -> set[str]:
    """The kinds of things to do."""
    return {type(one).__name__ for one in execution.decide(found).todo}


def test_an_attempt_that_undoes_keeps_identity_and_pod() -> None:
    """The one before it loses both."""
    run = stories.performed().cancelled().attempt()
    assert kinds_of(facts(run, pod(1), pod(2))) == {"Revoke", "DropSecrets", "EndPod"}
    assert kinds_of(facts(stories.failing(), pod())) == set()


def test_a_question_about_an_undoing_is_put_to_people_and_no_other() -> None:
    """What was asked before the end needs no answer any more."""
    assert kinds_of(facts(asking(), gates=[question(asking(), exists=False)])) == {"OpenGate"}
    before = _asked_before().attempt()
    todo = kinds_of(facts(before, pod(2), gates=[question(before, exists=False)]))
    assert "OpenGate" not in todo


def test_it_is_looked_at_again_when_its_time_to_undo_is_over() -> None:
    """`unwindSeconds` after it began to unwind; not while a person is asked."""
    run = stories.failing()
    found = execution.decide(facts(run, pod())).wake_at
    assert found == run.state.unwinding_at + 300 * clock.SECOND + 1
    asked = question(asking())
    assert execution.decide(facts(asking(), gates=[asked])).wake_at == asked.deadline + 1


def test_people_see_what_is_being_undone() -> None:
    """Phase, reason, and what it waits for."""
    stands = phase.standing(facts(stories.failing(), pod()), None)
    assert (stands.phase.value, stands.reason) == ("Unwinding", "CriteriaNotMet")
    assert stands.message == "undoing credit.grant with credit.revoke"
    shown, _ = phase.status(facts(asking()), None)
    stands = phase.standing(facts(asking()), None)
    assert shown["gate"].startswith("refund-7-g")
    assert stands.message.endswith(f"a person must decide {shown['gate']}")


def test_people_see_what_a_run_left_behind_that_was_killed() -> None:
    """A kill undoes nothing; what stands is listed, once."""
    killed = facts(stories.killed(stories.performed))
    (caveat,) = phase.caveats(killed.state)
    assert (caveat.reason, caveat.note) == ("EffectsStand", "not undone: credit.grant")
    ended = stories.failing().undo().undone()
    ended.given_up()
    assert [each.note for each in phase.caveats(ended.state)] == ["undone: credit.grant"]
    assert phase.caveats(stories.performed().finished().state) == []


def test_a_person_is_asked_with_the_exact_call_and_what_came_of_it() -> None:
    """The operator computes the call that would undo, as the gateway does; the answer may come after the run's own end."""
    run = asking()
    (known,) = run.state.gates.values()
    planned = types.PlannedCall(index=0, call_id="undo", tool="credit.revoke", args=builders.value({"n": 7}))
    material = gate.Material(
        execution="refund-7", args={"n": 7}, args_bytes=7, goal="help", reasoning=[],
        spec=pinned.contract("Reversible", 1), max_tier=1, planned=planned,
    )  # fmt: skip
    asked = gate.build(run.state, known, material)
    assert asked.is_of_undo
    assert asked.spec["question"] == "Undone"
    assert asked.spec["action"]["tool"] == "credit.revoke"
    assert asked.spec["evidence"]["policy"][:3] == [
        "it undoes credit.grant of event 7, now that the run ends",
        "credit.revoke: failed: Failed, ",
        "approved, it was undone by hand; otherwise it is given up, and what was done stands",
    ]
    assert run.state.started is not None
    assert asked.deadline > clock.parse(run.state.started.deadline)
    late = dataclasses.replace(asked, exists=True, decisions=[APPROVED])
    verdict = gate.decide(late, requester="ann", now=asked.deadline - 1)
    assert verdict is not None
    assert verdict.verdict == "approved"
