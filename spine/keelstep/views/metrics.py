"""What does the views server count? Requests that the kube-apiserver forwarded, and whether the log can be read."""

from collections.abc import Callable
from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from keelstep import scrape
from keelstep.views import resources

ALL, ONE, DOCUMENT = "list", "get", "discovery"
"""What is asked for: many of a kind, one, or which kinds there are."""
OF_NO_KIND = ""
_DISCOVERY = (OF_NO_KIND, DOCUMENT)


@dataclass(slots=True)
class Metrics:
    """The views server's metrics, in a registry of their own."""

    registry: CollectorRegistry = field(default_factory=CollectorRegistry)
    requests: Counter = field(init=False)
    request_seconds: Histogram = field(init=False)
    connected: Gauge = field(init=False)
    _resources: frozenset[str] = frozenset(kind.plural for kind in resources.KINDS)

    def __post_init__(self) -> None:
        self.requests = Counter(
            "keelstep_views_requests_total",
            "Requests for views, by the status they were answered with.",
            ["resource", "verb", "code"],
            registry=self.registry,
        )
        self.request_seconds = Histogram(
            "keelstep_views_request_seconds",
            "From a request for a view to its answer.",
            ["resource", "verb"],
            buckets=scrape.FAST_SECONDS,
            registry=self.registry,
        )
        self.connected = Gauge(
            "keelstep_views_log_reachable",
            "1 where the broker that holds the log can be asked.",
            registry=self.registry,
        )
        # from the first scrape on: a series that is born with its first request in it has no rate
        for resource, verb in (*((each, how) for each in self._resources for how in (ALL, ONE)), _DISCOVERY):
            self.requests.labels(resource, verb, "200")
            self.request_seconds.labels(resource, verb)

    def follow(self, is_connected: Callable[[], bool]) -> None:
        """Whether the log can be read is asked for when somebody looks."""
        self.connected.set_function(is_connected)

    def answered(self, plural: str | None, name: str | None, code: int, seconds: float) -> None:
        """A request was answered; what stands in its path is a label only where it is one of ours."""
        resource = plural if plural in self._resources else OF_NO_KIND
        verb = (ONE if name else ALL) if resource else DOCUMENT
        self.requests.labels(resource, verb, str(code)).inc()
        self.request_seconds.labels(resource, verb).observe(seconds)
