"""Does the views server count what was asked, under labels that no path can add to?"""

import pytest

from keelstep.views import resources
from keelstep.views.metrics import Metrics


def counted(found: Metrics, name: str, **labels: str) -> float:
    """One sample; 0 where there is none."""
    return found.registry.get_sample_value(name, labels) or 0.0


def test_a_request_is_counted_by_its_kind_and_by_how_it_was_answered() -> None:
    """One of a kind and all of a kind apart."""
    found = Metrics()
    found.answered("executiontraces", "refund", 200, 0.02)
    found.answered("executiontraces", None, 200, 0.5)
    found.answered("executiontraces", "gone", 404, 0.01)
    total, kind = "keelstep_views_requests_total", "executiontraces"
    assert counted(found, total, resource=kind, verb="get", code="200") == 1
    assert counted(found, total, resource=kind, verb="list", code="200") == 1
    assert counted(found, total, resource=kind, verb="get", code="404") == 1
    assert counted(found, "keelstep_views_request_seconds_sum", resource=kind, verb="list") == 0.5


@pytest.mark.parametrize("kind", resources.KINDS)
@pytest.mark.parametrize("verb", ["list", "get"])
def test_a_kind_has_its_series_before_anybody_asks(kind: resources.Kind, verb: str) -> None:
    """At nought: Prometheus takes no rate of a series that is born with its first requests in it."""
    found, labels = Metrics().registry.get_sample_value, {"resource": kind.plural, "verb": verb}
    assert found("keelstep_views_requests_total", {**labels, "code": "200"}) == 0
    assert found("keelstep_views_request_seconds_count", labels) == 0


def test_a_path_that_is_none_of_ours_adds_no_series() -> None:
    """Whoever asks for a thousand kinds that do not exist is counted in one place."""
    found = Metrics()
    for number in range(1_000):
        found.answered(f"things-{number}", "name", 404, 0.001)
    found.answered(None, None, 404, 0.001)
    assert counted(found, "keelstep_views_requests_total", resource="", verb="discovery", code="404") == 1_001


def test_whether_the_log_can_be_read_is_asked_for_at_the_scrape() -> None:
    """Not remembered from the last request."""
    found, there = Metrics(), [True]
    found.follow(lambda: there[0])
    assert counted(found, "keelstep_views_log_reachable") == 1
    there[0] = False
    assert counted(found, "keelstep_views_log_reachable") == 0
