"""What do people see of an execution?"""

from collections.abc import Callable
from typing import Any

import pytest

from keelstep.events import clock
from keelstep.kinds.execution import Execution, ExecutionStatus
from keelstep.testing import builders
from keelstep.testing.builders import LogBuilder
from keelstep_operator.decide import phase
from keelstep_operator.decide.facts import Facts, NotReady, Pod, Stop

RESOURCE = Execution.model_validate(
    {
        "metadata": {"name": "refund-7", "namespace": "shop", "uid": "x1"},
        "spec": {"strategyRef": {"name": "support"}, "goal": "help", "requestedBy": "ann"},
    }
)


def facts(run: LogBuilder, found: Pod | None = None, **rest: Any) -> Facts:
    """The facts about a run."""
    pods = {found.attempt: found} if found else {}
    given: dict[str, Any] = {"now": run.now, "execution": RESOURCE, "name": "refund-7", "pods": pods}
    return Facts(state=run.state, **{**given, **rest})


def pod(**rest: Any) -> Pod:
    """The first attempt's Pod."""
    return Pod(**{"name": "refund-7-a1", "uid": "p", "attempt": 1, "phase": "Running", **rest})


def log() -> LogBuilder:
    """An empty log."""
    return builders.log()


def begun() -> LogBuilder:
    """A run whose runner starts."""
    return log().started().attempt()


STOP = Stop(scope="tenant", reason="breach", by="x")
CASES: dict[str, tuple[Callable[[], Facts], str, str]] = {
    "nothing has happened": (lambda: facts(log()), "Pending", "Starting"),
    "the strategy is missing": (
        lambda: facts(log(), start=NotReady(condition="ResolvedRefs", reason="StrategyMissing", message="m")),
        "Pending",
        "StrategyMissing",
    ),
    "its tenant is killed before it began": (lambda: facts(log(), stop=STOP), "Pending", "TenantKilled"),
    "the runner starts": (lambda: facts(begun(), pod()), "Scheduled", "RunnerStarting"),
    "the image cannot be had": (
        lambda: facts(begun(), pod(phase="Pending", reason="ImagePullBackOff")),
        "Scheduled",
        "ImagePullBackOff",
    ),
    "no node yet": (
        lambda: facts(begun(), pod(phase="Pending", reason="Unschedulable", created_at=builders.BEGIN)),
        "Scheduled",
        "RunnerStarting",
    ),
    "no node for over a minute": (
        lambda: facts(
            begun(),
            pod(
                phase="Pending",
                reason="Unschedulable",
                created_at=builders.BEGIN - 61 * clock.SECOND,
            ),
        ),
        "Scheduled",
        "Unschedulable",
    ),
    "the node may not read its Secret yet": (
        lambda: facts(
            begun(),
            pod(phase="Pending", reason="CreateContainerConfigError", created_at=builders.BEGIN),
        ),
        "Scheduled",
        "RunnerStarting",
    ),
    "the node still may not read its Secret": (
        lambda: facts(
            begun(),
            pod(
                phase="Pending",
                reason="CreateContainerConfigError",
                created_at=builders.BEGIN - 6 * clock.SECOND,
            ),
        ),
        "Scheduled",
        "CreateContainerConfigError",
    ),
    "the strategy is being checked": (
        lambda: facts(
            log(),
            start=NotReady(condition="ResolvedRefs", reason="StrategyPending", message="m", is_pending=True),
        ),
        "Pending",
        "StrategyPending",
    ),
    "it works": (lambda: facts(begun().model(), pod()), "Running", "Running"),
    "a person is asked": (
        lambda: facts(begun().model().plan("refund.issue").gate()),
        "WaitingForApproval",
        "ApprovalRequired",
    ),
    "a person has answered": (
        lambda: facts(begun().model().plan("refund.issue").gate().decided().attempt()),
        "Running",
        "Running",
    ),
    "it is held": (lambda: facts(begun().suspended()), "Suspended", "Suspended"),
    "it is cancelled and something is in flight": (
        lambda: facts(begun().model().plan("orders.get").claim().cancelled("Cancelled")),
        "Unwinding",
        "Cancelled",
    ),
    "it succeeded": (
        lambda: facts(begun().model().finished(reason="OutputAccepted")),
        "Succeeded",
        "OutputAccepted",
    ),
    "it failed": (lambda: facts(begun().given_up()), "Failed", "AttemptsExhausted"),
    "it was killed": (
        lambda: facts(begun().killed(scope="strategy")),
        "Killed",
        "StrategyKilled",
    ),
}


@pytest.mark.parametrize("sentence", CASES)
def test_the_phase(sentence: str) -> None:
    """Phase and reason, from the fold."""
    make, expected, reason = CASES[sentence]
    found = phase.standing(make(), None)
    assert (found.phase.value, found.reason) == (expected, reason)


@pytest.mark.parametrize("sentence", CASES)
def test_the_status_fits_its_schema(sentence: str) -> None:
    """Whatever the log says, the status can be written."""
    make, _, _ = CASES[sentence]
    shown, findings = phase.status(make(), None)
    ExecutionStatus.model_validate(shown)
    assert len({found.type for found in findings}) == len(findings)


@pytest.mark.parametrize("is_pending", [True, False])
def test_what_is_being_checked_is_neither_so_nor_not_so(is_pending: bool) -> None:
    """ResolvedRefs is Unknown while nobody must act, and False once somebody must."""
    refusal = NotReady(condition="ResolvedRefs", reason="StrategyPending", message="m", is_pending=is_pending)
    _, findings = phase.status(facts(log(), start=refusal), None)
    [found] = [each for each in findings if each.type == "ResolvedRefs"]
    assert found.status == ("Unknown" if is_pending else "False")


def test_what_keeps_a_pod_from_starting_is_looked_at_again_when_it_is_worth_a_word() -> None:
    """One nanosecond after the patience ends; at once where there is none."""
    waiting = pod(phase="Pending", reason="Unschedulable", created_at=5)
    assert phase.worth_a_word_at(waiting) == 5 + 60 * clock.SECOND + 1
    assert phase.worth_a_word_at(pod(phase="Pending", reason="ImagePullBackOff")) is None
    assert phase.worth_a_word_at(None) is None


def test_what_a_person_must_act_on_stands_in_the_reason() -> None:
    """Stalled is a condition, and the phase's reason until the end."""
    shown, findings = phase.status(facts(begun(), pod()), ("ChildForged", "Pod x"))
    assert shown["reason"] == "ChildForged"
    assert [found.status for found in findings if found.type == "Stalled"] == ["True"]


def test_cost_is_absent_until_something_cost() -> None:
    """Absent is not zero."""
    assert "costUSD" not in phase.status(facts(begun()), None)[0]
    assert phase.status(facts(begun().model()), None)[0]["costUSD"] == "0.00005"


def test_what_a_person_must_know_stands_beside_the_end_whatever_it_was() -> None:
    """A run that succeeded may leave a call behind of which nobody knows whether it happened."""
    run = begun().model().plan("credit.grant").claim().result(status="unknown").model()
    run.garbage(b"nonsense", writer="a1")
    done = facts(run.finished(reason="OutputAccepted"))
    assert [each.reason for each in phase.caveats(done.state)] == ["OutcomeUnknown", "VoidEvents"]
    (succeeded,) = [found for found in phase.status(done, None)[1] if found.type == "Succeeded"]
    assert (succeeded.status, succeeded.reason) == ("True", "OutputAccepted")
    assert "; nobody knows whether credit.grant happened: find out there; 1 void message in the log" in (
        succeeded.message
    )
    assert phase.caveats(facts(begun().model()).state) == []


def test_a_flood_of_void_messages_changes_the_status_seldom() -> None:
    """A thief who writes a thousand messages makes us write a dozen times."""
    run, said = begun(), []
    for _ in range(1_001):
        run.garbage(b"nonsense", writer="a1")
        said.append(phase.caveats(facts(run).state)[0].note.partition(" in the log")[0])
    assert said[:2] + said[9:11] == [
        "1 void message", "2 void messages", "10 void messages", "over 10 void messages"
    ]  # fmt: skip
    assert (said[99], said[100], said[1_000]) == (
        "over 10 void messages", "over 100 void messages", "over 1000 void messages"
    )  # fmt: skip
    assert len(set(said)) == 13
