"""What does the operator count? Prometheus metrics, with the names the documents promise."""

from dataclasses import dataclass, field

import prometheus_client
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram


@dataclass(slots=True)
class Metrics:
    """The operator's metrics, in a registry of their own."""

    registry: CollectorRegistry = field(default_factory=CollectorRegistry)
    reconciles: Histogram = field(init=False)
    events: Counter = field(init=False)
    voids: Counter = field(init=False)
    orphans: Gauge = field(init=False)
    kills: Gauge = field(init=False)
    reviews: Gauge = field(init=False)
    depth: Gauge = field(init=False)
    leads: Gauge = field(init=False)

    def __post_init__(self) -> None:
        registry = self.registry
        self.reconciles = Histogram(
            "keelstep_reconcile_seconds", "How long a reconcile took.", ["kind"], registry=registry
        )
        self.events = Counter(
            "keelstep_events_appended_total", "Events the operator appended.", ["type"], registry=registry
        )
        self.voids = Counter(
            "keelstep_void_messages_total", "Messages that are no events.", ["reason"], registry=registry
        )
        self.orphans = Gauge(
            "keelstep_orphaned_executions",
            "Runs that are not over and whose resource is missing though nobody saw it deleted.",
            registry=registry,
        )
        self.kills = Gauge("agent_kill_switch_active", "Kills in force.", ["scope"], registry=registry)
        self.reviews = Gauge(
            "agent_human_review_queue_depth", "Questions that wait for a person.", registry=registry
        )
        self.leads = Gauge(
            "keelstep_leader", "1 where this operator works, 0 where it stands by.", registry=registry
        )
        self.leads.set(1)
        self.depth = Gauge("keelstep_queue_depth", "Objects that wait to be reconciled.", registry=registry)

    def serve(self, port: int) -> None:
        """Serve the metrics over HTTP."""
        prometheus_client.start_http_server(port, registry=self.registry)
