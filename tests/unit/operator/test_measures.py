"""What do the operator's gauges say of the objects it watches?"""

from typing import Any

from keelstep.events import clock
from keelstep_operator import measure
from keelstep_operator.cache import Cache
from keelstep_operator.metrics import Metrics

NOW = clock.parse("2026-01-01T01:00:00Z")


def found(kind: str, name: str, created: str = "2026-01-01T00:00:00Z", **status: Any) -> dict[str, Any]:
    """An object as the API server shows it."""
    metadata = {"name": name, "namespace": "shop", "uid": name, "resourceVersion": "1"}
    return {"kind": kind, "metadata": {**metadata, "creationTimestamp": created}, "status": status}


def measured(*objects: dict[str, Any], metrics: Metrics | None = None) -> Metrics:
    """The gauges where these objects are all there is."""
    cache, shown = Cache(), metrics or Metrics()
    for each in objects:
        cache.put(each)
    measure.look(cache, shown, NOW)
    return shown


def gauge(metrics: Metrics, name: str, **labels: str) -> float | None:
    """One sample."""
    return metrics.registry.get_sample_value(name, labels)


def test_questions_that_wait_are_counted_with_the_age_of_the_oldest() -> None:
    """One without a status waits as well; one that is decided does not."""
    shown = measured(
        found("ApprovalGate", "new", "2026-01-01T00:59:00Z"),
        found("ApprovalGate", "old", "2026-01-01T00:30:00Z", phase="Pending"),
        found("ApprovalGate", "decided", phase="Approved"),
    )
    assert gauge(shown, "agent_human_review_queue_depth") == 2
    assert gauge(shown, "agent_human_review_oldest_seconds") == 1_800
    measured(metrics=shown)
    assert gauge(shown, "agent_human_review_queue_depth") == 0
    assert gauge(shown, "agent_human_review_oldest_seconds") == 0


def test_executions_are_counted_by_their_phase() -> None:
    """Every phase is there, also the one that none is in any more."""
    shown = measured(found("Execution", "a", phase="Running"), found("Execution", "b"))
    assert gauge(shown, "keelstep_executions", phase="Running") == 1
    assert gauge(shown, "keelstep_executions", phase="Pending") == 1
    assert gauge(shown, "keelstep_executions", phase="Killed") == 0
    measured(metrics=shown)
    assert gauge(shown, "keelstep_executions", phase="Running") == 0


def test_what_waits_for_a_person_to_act_is_counted() -> None:
    """By the condition that everybody sees."""
    stalled = [{"type": "Stalled", "status": "True"}]
    well = [{"type": "Stalled", "status": "False"}]
    shown = measured(
        found("Execution", "a", conditions=stalled),
        found("Execution", "b", conditions=well),
        found("AgentStrategy", "c", conditions=stalled),
    )
    assert gauge(shown, "keelstep_stalled_objects", kind="Execution") == 1
    assert gauge(shown, "keelstep_stalled_objects", kind="AgentStrategy") == 1


def test_contracts_of_tools_that_are_not_the_reviewed_ones_are_counted() -> None:
    """By the condition that everybody sees; gone once it is."""
    drifted = [{"type": "Drifted", "status": "True"}]
    shown = measured(found("ToolContract", "a", conditions=drifted), found("ToolContract", "b"))
    assert gauge(shown, "keelstep_drifted_contracts") == 1
    measured(found("ToolContract", "a"), metrics=shown)
    assert gauge(shown, "keelstep_drifted_contracts") == 0


def test_every_kill_scope_is_there_before_anything_was_killed() -> None:
    """An alert on a series that does not exist cannot say that it is well."""
    assert gauge(Metrics(), "agent_kill_switch_active", scope="tenant") == 0
