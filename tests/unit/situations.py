"""What does the operator see of an execution? The facts that its decisions rest on, as tests need them."""

from typing import Any

from keelstep.kinds.execution import Execution
from keelstep.testing import builders
from keelstep.testing.builders import LogBuilder
from keelstep_operator.decide import execution
from keelstep_operator.decide.facts import Facts, Pod


def resource(**spec: Any) -> Execution:
    """The resource, with a spec of its own."""
    metadata = {"name": "refund-7", "namespace": "shop", "uid": "x1", "generation": 1}
    if spec.pop("deleting", False):
        metadata["deletionTimestamp"] = "2026-11-21T08:00:00Z"
    base = {"strategyRef": {"name": "support"}, "goal": "help", "requestedBy": "ann"}
    return Execution.model_validate({"metadata": metadata, "spec": {**base, **spec}})


def pod(attempt: int = 1, **rest: Any) -> Pod:
    """A Pod of an attempt, at work."""
    given = {"name": f"refund-7-a{attempt}", "uid": f"pod-{attempt}", "attempt": attempt, "phase": "Running"}
    return Pod(**{**given, **rest})


def facts(run: LogBuilder, *pods: Pod, now: int, **rest: Any) -> Facts:
    """The facts about a run at a time, by default with its resource."""
    given: dict[str, Any] = {"now": now, "execution": resource(), "name": "refund-7"}
    return Facts(state=run.state, pods={one.attempt: one for one in pods}, **{**given, **rest})


def wanted(given: Facts) -> str | None:
    """The type of the event that is wanted; an honest append is never void, so it passes the rules of the log."""
    found = execution.decide(given).append
    if found is None:
        return None
    run = builders.log()
    run.state, run.position = given.state, given.state.position
    outcome = run.forge(found.type, found.data, writer="op", attempt=found.attempt or given.state.attempt)
    assert getattr(outcome, "reason", "") == ""
    return found.type
