"""What does the operator count? Prometheus metrics, with the names the documents promise.

Every label has a closed set of values, and each value is there from the start: a series that begins at 1 shows no
increase. What is true now of the objects that it watches is filled in by `measure`.
"""

import functools
from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from keelstep.domain.reasons import messages
from keelstep.events import registry, types
from keelstep.kinds.execution import Phase
from keelstep.log.view import View
from keelstep_operator.queue import Queue

KINDS = ("Execution", "AgentStrategy", "ToolContract", "ApprovalGate", "Namespace", "ConfigMap")
"""What is reconciled."""
SCOPES = ("tenant", "strategy", "tool", "execution")
"""What a kill can stop."""


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
    oldest_review: Gauge = field(init=False)
    executions: Gauge = field(init=False)
    stalled: Gauge = field(init=False)
    drifted: Gauge = field(init=False)
    depth: Gauge = field(init=False)
    leads: Gauge = field(init=False)
    unreadable: Gauge = field(init=False)
    identities: Gauge = field(init=False)

    def __post_init__(self) -> None:
        mine = self.registry
        self.reconciles = Histogram(
            "keelstep_reconcile_seconds", "How long a reconcile took.", ["kind"], registry=mine
        )
        self.events = Counter(
            "keelstep_events_appended_total", "Events the operator appended.", ["type"], registry=mine
        )
        self.voids = Counter(
            "keelstep_void_messages_total", "Messages that are no events.", ["reason"], registry=mine
        )
        self.orphans = Gauge(
            "keelstep_orphaned_executions",
            "Runs that are not over and whose resource is missing though nobody saw it deleted.",
            registry=mine,
        )
        self.kills = Gauge("agent_kill_switch_active", "Kills in force.", ["scope"], registry=mine)
        self.reviews = Gauge(
            "agent_human_review_queue_depth", "Questions that wait for a person.", registry=mine
        )
        self.oldest_review = Gauge(
            "agent_human_review_oldest_seconds",
            "How long the oldest question has waited; 0 where none waits.",
            registry=mine,
        )
        self.executions = Gauge(
            "keelstep_executions", "Execution resources there are.", ["phase"], registry=mine
        )
        self.stalled = Gauge(
            "keelstep_stalled_objects",
            "Objects with which nothing goes on before a person acts.",
            ["kind"],
            registry=mine,
        )
        self.drifted = Gauge(
            "keelstep_drifted_contracts",
            "Contracts whose tool is not the one that was reviewed; it is not called.",
            registry=mine,
        )
        self.leads = Gauge(
            "keelstep_leader", "1 where this operator works, 0 where it stands by.", registry=mine
        )
        self.leads.set(1)
        self.unreadable = Gauge(
            "keelstep_unreadable_namespaces",
            "Tenants' namespaces that the operator has no right to read; nothing goes on there.",
            registry=mine,
        )
        self.identities = Gauge(
            "keelstep_unexpired_identities",
            "Identities of runs that have not expired, of 11,000 that the broker can keep revoked.",
            registry=mine,
        )
        self.depth = Gauge("keelstep_queue_depth", "Objects that wait to be reconciled.", registry=mine)
        self._begin()

    def follow(self, queue: Queue, view: View) -> None:
        """The queue's depth and the kills in force are asked for when somebody looks."""
        self.depth.set_function(lambda: queue.depth)
        for scope in SCOPES:
            self.kills.labels(scope).set_function(functools.partial(_in_force, view, scope))

    def _begin(self) -> None:
        for reason in messages.SUBJECT.reasons:
            self.voids.labels(reason.name)
        for name, kind in registry.KINDS.items():
            if types.Writer.OPERATOR in kind.writers:
                self.events.labels(name)
        for scope in SCOPES:
            self.kills.labels(scope)
        for phase in Phase:
            self.executions.labels(phase.value)
        for reconciled in KINDS:
            self.reconciles.labels(reconciled)
            self.stalled.labels(reconciled)


def _in_force(view: View, scope: str) -> int:
    return sum(record.scope == scope for record in view.engaged())
