"""What does the gateway count? Prometheus metrics, with the names the documents promise.

What calls cost and how they ended is taken from the events as they are stored, so the sums are those of the logs. Names
that people choose (tools, models, tenants, strategies) are labels up to a bound; what comes after it is `other`.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from wsgiref.simple_server import WSGIServer

import prometheus_client
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from keelstep.domain.state import State
from keelstep.events import clock, types
from keelstep.events.envelope import Event

MOST_NAMES = 500
"""Different names under one label; a series of a histogram costs a dozen lines of every scrape."""
OTHER = "other"
_FAST_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_CALL_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)


@dataclass(slots=True)
class _Names:
    """The first so many names; every further one is `other`."""

    _known: set[str] = field(default_factory=set)

    def of(self, name: str) -> str:
        """The name as a label."""
        if name not in self._known:
            if len(self._known) >= MOST_NAMES:
                return OTHER
            self._known.add(name)
        return name


@dataclass(slots=True)
class Metrics:
    """The gateway's metrics, in a registry of their own."""

    registry: CollectorRegistry = field(default_factory=CollectorRegistry)
    tool_seconds: Histogram = field(init=False)
    tool_errors: Counter = field(init=False)
    tokens: Counter = field(init=False)
    cost_usd: Counter = field(init=False)
    requests: Counter = field(init=False)
    request_seconds: Histogram = field(init=False)
    refusals: Counter = field(init=False)
    append_seconds: Histogram = field(init=False)
    fence_refusals: Counter = field(init=False)
    reads: Counter = field(init=False)
    ended: Counter = field(init=False)
    _names: dict[str, _Names] = field(init=False)
    _server: WSGIServer | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        registry = self.registry
        self._names = {label: _Names() for label in ("tool", "model", "tenant", "strategy")}
        self.tool_seconds = Histogram(
            "agent_tool_duration_seconds",
            "How long a tool call took, all its attempts together.",
            ["tool"],
            buckets=_CALL_SECONDS,
            registry=registry,
        )
        self.tool_errors = Counter(
            "agent_tool_errors_total",
            "Tool calls that failed, or whose outcome nobody knows.",
            ["tool", "error_type"],
            registry=registry,
        )
        self.tokens = Counter(
            "agent_tokens_total", "Tokens paid for.", ["model", "tenant", "direction"], registry=registry
        )
        self.cost_usd = Counter(
            "agent_cost_usd_total",
            "What model and tool calls cost.",
            ["strategy", "tenant"],
            registry=registry,
        )
        self.requests = Counter(
            "keelstep_gateway_requests_total", "What runners asked.", ["verb", "outcome"], registry=registry
        )
        self.request_seconds = Histogram(
            "keelstep_gateway_request_seconds",
            "From a request to its answer, the tool's or model's own time included.",
            ["verb"],
            buckets=_FAST_SECONDS,
            registry=registry,
        )
        self.refusals = Counter(
            "keelstep_gateway_refusals_total", "Requests refused.", ["reason"], registry=registry
        )
        self.append_seconds = Histogram(
            "keelstep_append_seconds",
            "From the wish to append an event until it was stored.",
            ["type"],
            buckets=_FAST_SECONDS,
            registry=registry,
        )
        self.fence_refusals = Counter(
            "keelstep_fence_refusals_total",
            "Appends decided again because somebody else's event came first.",
            registry=registry,
        )
        self.reads = Counter("keelstep_log_reads_total", "Reads of a run's log.", registry=registry)
        self.ended = Counter(
            "keelstep_lost_calls_total",
            "Calls of lost gateways, by what became of them.",
            ["how"],
            registry=registry,
        )

    def gauge(self, name: str, what: str, value: Callable[[], float]) -> None:
        """A value that is asked for when somebody looks."""
        Gauge(name, what, registry=self.registry).set_function(value)

    def answered(self, verb: str, outcome: str, began: int) -> None:
        """A request was answered; `began` in boot-time nanoseconds."""
        self.requests.labels(verb, outcome).inc()
        self.request_seconds.labels(verb).observe(_since(began))

    def appended(self, state: State, event: Event, began: int, tries: int) -> None:
        """An event was stored, in the state after it; what it says is counted."""
        self.append_seconds.labels(event.type).observe(_since(began))
        if tries > 1:
            self.fence_refusals.inc(tries - 1)
        match event.data:
            case types.ToolResult():
                self._tool(event.data)
            case types.ModelReplied():
                self._model(state, event)
        cost = event.envelope.cost.micro_usd
        if cost and state.started is not None:
            strategy = self._names["strategy"].of(state.started.strategy)
            self.cost_usd.labels(strategy, self._names["tenant"].of(state.tenant)).inc(cost / 1_000_000)

    def serve(self, port: int) -> None:
        """Serve the metrics over HTTP."""
        self._server, _ = prometheus_client.start_http_server(port, registry=self.registry)

    def close(self) -> None:
        """Serve no more."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()

    def _tool(self, data: types.ToolResult) -> None:
        tool = self._names["tool"].of(data.tool)
        if data.attempts and (data.latency_ms or data.status == "ok"):  # not of a lost owner: nobody knows
            self.tool_seconds.labels(tool).observe(data.latency_ms / 1_000)
        if data.status in ("failed", "unknown") and data.error is not None:
            self.tool_errors.labels(tool, data.error.error_class or data.error.reason).inc()

    def _model(self, state: State, event: Event) -> None:
        assert isinstance(event.data, types.ModelReplied)
        model = self._names["model"].of(event.data.model or OTHER)
        tenant, cost = self._names["tenant"].of(state.tenant), event.envelope.cost
        self.tokens.labels(model, tenant, "input").inc(cost.tokens_in)
        self.tokens.labels(model, tenant, "output").inc(cost.tokens_out)


def _since(began: int) -> float:
    return (clock.boot() - began) / clock.SECOND
