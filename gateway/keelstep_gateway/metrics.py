"""What does the gateway count? Prometheus metrics, with the names the documents promise.

What calls cost and how they ended is taken from the events as they are stored, so the sums are those of the logs. Names
that people choose (tools, models, tenants, strategies) are labels up to a bound; what comes after it is `other`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from keelstep import scrape
from keelstep.domain.state import State
from keelstep.events import clock, types
from keelstep.events.envelope import Event

LOOKED_UP = {
    "keelstep_gateway_requests_in_flight": "Requests being worked on.",
    "keelstep_gateway_queue_depth": "Calls that wait for their turn.",
    "keelstep_gateway_calls": "Model and tool calls in flight.",
    "keelstep_gateway_executions": "Executions whose fold is held.",
    "keelstep_open_calls": "Runs that may have an open call.",
    "keelstep_calls_waiting": "Calls that wait for their turn at a limit of their contract.",
    "keelstep_breakers_open": "Circuit breakers that are not shut, as this gateway knows.",
    "keelstep_control_current": "1 where it is known what is stopped.",
}
"""Values that are asked for when somebody looks."""


@dataclass(slots=True)
class Metrics:
    """The gateway's metrics, in a registry of their own."""

    registry: CollectorRegistry = field(default_factory=CollectorRegistry)
    tool_seconds: Histogram = field(init=False)
    tool_errors: Counter = field(init=False)
    tokens: Counter = field(init=False)
    cost_usd: Counter = field(init=False)
    model_seconds: Histogram = field(init=False)
    model_errors: Counter = field(init=False)
    requests: Counter = field(init=False)
    request_seconds: Histogram = field(init=False)
    refusals: Counter = field(init=False)
    append_seconds: Histogram = field(init=False)
    fence_refusals: Counter = field(init=False)
    reads: Counter = field(init=False)
    ended: Counter = field(init=False)
    cache: Counter = field(init=False)
    limit_seconds: Histogram = field(init=False)
    pauses: Counter = field(init=False)
    shut_out: Counter = field(init=False)
    daily_ratio: Gauge = field(init=False)
    _gauges: dict[str, Gauge] = field(init=False)
    _tools: scrape.Bound = field(default_factory=scrape.Bound)
    _models: scrape.Bound = field(default_factory=scrape.Bound)
    """Models, and the tenants that use them."""
    _strategies: scrape.Bound = field(default_factory=scrape.Bound)
    """And their tenants."""
    _tenants: scrape.Bound = field(default_factory=scrape.Bound)
    _budgeted: set[str] = field(default_factory=set)
    """Tenants whose day is shown."""

    def __post_init__(self) -> None:
        registry = self.registry
        self.tool_seconds = Histogram(
            "agent_tool_duration_seconds",
            "How long a tool call took, all its attempts together.",
            ["tool"],
            buckets=scrape.CALL_SECONDS,
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
        self.model_seconds = Histogram(
            "agent_model_duration_seconds",
            "How long a model call took, all the models tried together.",
            ["model", "tenant"],
            buckets=scrape.CALL_SECONDS,
            registry=registry,
        )
        self.model_errors = Counter(
            "agent_model_errors_total",
            "Model calls that failed, or whose reply was lost.",
            ["model", "tenant", "error_type"],
            registry=registry,
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
            buckets=scrape.FAST_SECONDS,
            registry=registry,
        )
        self.refusals = Counter(
            "keelstep_gateway_refusals_total", "Requests refused.", ["reason"], registry=registry
        )
        self.append_seconds = Histogram(
            "keelstep_append_seconds",
            "From the wish to append an event until it was stored.",
            ["type"],
            buckets=scrape.FAST_SECONDS,
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
        self.cache = Counter(
            "keelstep_tool_cache_total",
            "Calls that a result of another run could answer, by what came of it: hit, miss, stale, unusable.",
            ["tool", "outcome"],
            registry=registry,
        )
        self.limit_seconds = Histogram(
            "keelstep_limit_wait_seconds",
            "How long calls waited for their turn, those in vain too: at a rate, a concurrency, a pause that the tool"
            " asked for, or a breaker.",
            ["tool", "limit"],
            buckets=scrape.CALL_SECONDS,
            registry=registry,
        )
        self.pauses = Counter(
            "keelstep_tool_pauses_total",
            "Times that a tool wanted fewer calls and was left alone by all gateways.",
            ["tool"],
            registry=registry,
        )
        self.shut_out = Counter(
            "keelstep_breaker_refusals_total",
            "Calls that were not made because their tool keeps failing.",
            ["tool"],
            registry=registry,
        )
        self.daily_ratio = Gauge(
            "agent_daily_budget_ratio",
            "What gateways have taken of a namespace's budget of today, as a share of it; nothing where it has none.",
            ["tenant"],
            registry=registry,
        )
        self._gauges = {name: Gauge(name, what, registry=registry) for name, what in LOOKED_UP.items()}

    def gauge(self, name: str, value: Callable[[], float]) -> None:
        """How to get a value of `LOOKED_UP`."""
        self._gauges[name].set_function(value)

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
            names = self._strategies.of(state.started.strategy, state.tenant)
            self.cost_usd.labels(*names).inc(cost / 1_000_000)

    def cached(self, tool: str, outcome: str) -> None:
        """A result of another run was looked for."""
        (name,) = self._tools.of(tool)
        self.cache.labels(name, outcome).inc()

    def waited(self, tool: str, limit: str, began: int) -> None:
        """A call has waited for its turn; `began` in boot-time nanoseconds."""
        self.limit_seconds.labels(*self._tools.of(tool), limit).observe(_since(began))

    def paused(self, tool: str) -> None:
        """A tool wanted fewer calls."""
        self.pauses.labels(*self._tools.of(tool)).inc()

    def left_alone(self, tool: str) -> None:
        """A call was not made because its tool keeps failing."""
        self.shut_out.labels(*self._tools.of(tool)).inc()

    def days(self, shares: Mapping[str, float]) -> None:
        """By tenant, the share of today's budget that is taken; those that have none any more are gone."""
        found: dict[str, float] = {}
        for tenant, share in shares.items():
            (name,) = self._tenants.of(tenant)
            found[name] = max(share, found.get(name, 0.0))
        for name in self._budgeted - found.keys():
            self.daily_ratio.remove(name)
        for name, share in found.items():
            self.daily_ratio.labels(name).set(share)
        self._budgeted = set(found)

    def _tool(self, data: types.ToolResult) -> None:
        # a denied call may be of a tool that there is not: its name must not take a place among those that there are
        if data.attempts and (data.latency_ms or data.status == "ok"):  # not of a lost owner: nobody knows
            self.tool_seconds.labels(*self._tools.of(data.tool)).observe(data.latency_ms / 1_000)
        if data.status in ("failed", "unknown") and data.error is not None:
            kind = data.error.error_class or data.error.reason
            self.tool_errors.labels(*self._tools.of(data.tool), kind).inc()

    def _model(self, state: State, event: Event) -> None:
        assert isinstance(event.data, types.ModelReplied)
        data, cost = event.data, event.envelope.cost
        names = self._models.of(data.model or scrape.OTHER, state.tenant)
        self.tokens.labels(*names, "input").inc(cost.tokens_in)
        self.tokens.labels(*names, "output").inc(cost.tokens_out)
        if data.latency_ms:  # none where its gateway was lost: nobody knows
            self.model_seconds.labels(*names).observe(data.latency_ms / 1_000)
        if data.status != "ok":
            error = data.error
            kind = (error.error_class or error.reason) if error is not None else data.status
            self.model_errors.labels(*names, kind).inc()


def _since(began: int) -> float:
    return (clock.boot() - began) / clock.SECOND
