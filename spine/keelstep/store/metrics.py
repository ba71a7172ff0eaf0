"""What does the projector count? What runs came to, from the log itself, and how far behind the tables are.

Each message is counted once, after the transaction that brought it. What was stored long ago is not news: a rebuild of
the tables counts only what has just happened, so that no curve jumps and no alert fires because of it. Who dies between
a transaction and its count loses that count, never a row.
"""

from collections import Counter as Count
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from keelstep import scrape
from keelstep.domain import deadletters, execution
from keelstep.domain.reasons import messages
from keelstep.domain.state import Gate, State
from keelstep.events import clock, types
from keelstep.events.envelope import Event, Undecidable
from keelstep.store.fold import Judged

NEWS_SECONDS = 3_600
"""What was stored longer ago than this is not counted."""
OUTCOMES = ("succeeded", "failed", "cancelled", "killed")
VERDICTS = ("approved", "rejected", "expired", "withdrawn")
"""Both are there from a strategy's first run on: a series that begins at 1 shows no increase."""
LETTERS: tuple[deadletters.Kind, ...] = ("Unknown", "Exhausted", "Run")
"""What a run that is over can leave; one with an event that nobody here knows is not over."""
_OWNERS = ("strategy", "tenant")
_USD = (0.001, 0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 50.0)
_RATIO = (0.1, 0.25, 0.5, 0.8, 0.95, 1.0, 1.25, 1.5, 2.0)
_STEPS = (1, 2, 3, 5, 8, 13, 21, 34, 55, 89)
_WAIT_SECONDS = (10.0, 60.0, 300.0, 900.0, 1_800.0, 3_600.0, 14_400.0, 43_200.0, 86_400.0)
_MICRO = 1_000_000


@dataclass(slots=True)
class Metrics:
    """The projector's metrics, in a registry of their own."""

    now: Callable[[], int] = clock.now
    """Nanoseconds since 1970."""
    reached: int | None = None
    """How far the tables are; None where another projector writes, or it is not known yet."""
    registry: CollectorRegistry = field(default_factory=CollectorRegistry)
    started: Counter = field(init=False)
    ended: Counter = field(init=False)
    run_seconds: Histogram = field(init=False)
    run_cost: Histogram = field(init=False)
    run_ratio: Histogram = field(init=False)
    run_steps: Histogram = field(init=False)
    verdicts: Counter = field(init=False)
    gate_seconds: Histogram = field(init=False)
    letters: Counter = field(init=False)
    messages: Counter = field(init=False)
    voids: Counter = field(init=False)
    commit_seconds: Histogram = field(init=False)
    position: Gauge = field(init=False)
    lag_messages: Gauge = field(init=False)
    lag_seconds: Gauge = field(init=False)
    leads: Gauge = field(init=False)
    spans: Counter = field(init=False)
    unsent: Gauge = field(init=False)
    _owners: scrape.Bound = field(default_factory=scrape.Bound)

    def __post_init__(self) -> None:
        self._describe_runs()
        self._describe_machinery()
        for reason in messages.SUBJECT.reasons:
            self.voids.labels(reason.name)
        for outcome in ("event", "void", "undecidable"):
            self.messages.labels(outcome)
        for outcome in ("sent", "refused"):
            self.spans.labels(outcome)

    def _describe_runs(self) -> None:
        registry = self.registry
        self.started = Counter("agent_runs_started_total", "Runs that began.", _OWNERS, registry=registry)
        self.ended = Counter(
            "agent_runs_ended_total", "Runs that ended, by how.", [*_OWNERS, "outcome"], registry=registry
        )
        self.run_seconds = Histogram(
            "agent_run_duration_seconds",
            "From a run's start to its end, without the time it waited for people.",
            [*_OWNERS, "success"],
            buckets=scrape.RUN_SECONDS,
            registry=registry,
        )
        self.run_cost = Histogram(
            "agent_run_cost_usd", "What a run cost until its end.", _OWNERS, buckets=_USD, registry=registry
        )
        self.run_ratio = Histogram(
            "agent_run_budget_ratio",
            "What a run cost, as a share of its budget.",
            _OWNERS,
            buckets=_RATIO,
            registry=registry,
        )
        self.run_steps = Histogram(
            "agent_run_steps",
            "Model turns and tool calls of a run.",
            _OWNERS,
            buckets=_STEPS,
            registry=registry,
        )
        self.verdicts = Counter(
            "agent_gate_decisions_total",
            "Questions decided, by verdict.",
            [*_OWNERS, "verdict"],
            registry=registry,
        )
        self.gate_seconds = Histogram(
            "agent_gate_wait_seconds",
            "From a question to its decision.",
            _OWNERS,
            buckets=_WAIT_SECONDS,
            registry=registry,
        )

        self.letters = Counter(
            "agent_dead_letters_total",
            "What ended badly in a run that is over, and waits for a person.",
            [*_OWNERS, "letter"],
            registry=registry,
        )

    def _describe_machinery(self) -> None:
        registry = self.registry
        self.messages = Counter(
            "keelstep_projected_messages_total",
            "Messages brought into the tables, by what they were.",
            ["outcome"],
            registry=registry,
        )
        self.voids = Counter(
            "keelstep_void_messages_total", "Messages that are no events.", ["reason"], registry=registry
        )
        self.commit_seconds = Histogram(
            "keelstep_projector_commit_seconds",
            "How long a transaction took.",
            buckets=scrape.FAST_SECONDS,
            registry=registry,
        )
        self.position = Gauge(
            "keelstep_projector_position",
            "The stream's sequence up to which the tables hold everything.",
            registry=registry,
        )
        self.lag_messages = Gauge(
            "keelstep_projector_lag_messages", "Messages that the tables do not hold yet.", registry=registry
        )
        self.lag_seconds = Gauge(
            "keelstep_projector_lag_seconds",
            "How long ago the oldest of them was seen; 0 where there is none.",
            registry=registry,
        )
        self.leads = Gauge(
            "keelstep_projector_leader",
            "1 where this projector writes, 0 where it stands by.",
            registry=registry,
        )
        self.spans = Counter(
            "keelstep_exported_spans_total",
            "Spans handed to whoever collects traces, by what it did with them.",
            ["outcome"],
            registry=registry,
        )
        self.unsent = Gauge(
            "keelstep_export_lag_messages",
            "Messages in the tables whose spans are not sent yet.",
            registry=registry,
        )

    def stood_by(self) -> None:
        """Another projector writes."""
        self.reached = None
        self.leads.set(0)
        self.lag_messages.set(0)
        self.lag_seconds.set(0)

    def begun(self, position: int) -> None:
        """This one writes, and the tables are that far."""
        self.reached = position
        self.position.set(position)
        self.leads.set(1)

    def committed(self, judged: Sequence[Judged], position: int, seconds: float) -> None:
        """A batch is in the tables, up to this position."""
        self.commit_seconds.observe(seconds)
        self.reached = position
        self.position.set(position)
        oldest = self.now() - NEWS_SECONDS * clock.SECOND
        outcomes: Count[str] = Count()
        for each in judged:
            if each.arrival.stored.stored_at < oldest:
                continue
            match each.outcome:
                case Event():
                    outcomes["event"] += 1
                    self._event(each.outcome, each.after)
                case Undecidable():
                    outcomes["undecidable"] += 1
                case execution.Void() if each.after.undecidable:
                    outcomes["undecidable"] += 1
                case execution.Void():
                    outcomes["void"] += 1
                    self.voids.labels(each.outcome.reason).inc()
        for outcome, times in outcomes.items():
            self.messages.labels(outcome).inc(times)

    def _event(self, event: Event, after: State) -> None:
        match event.data:
            case types.ExecStarted():
                owners = self._owned(after)
                self.started.labels(*owners).inc()
                for outcome in OUTCOMES:
                    self.ended.labels(*owners, outcome)
                for verdict in VERDICTS:
                    self.verdicts.labels(*owners, verdict)
                for letter in LETTERS:
                    self.letters.labels(*owners, letter)
            case types.GateDecided():
                owners = self._owned(after)
                self.verdicts.labels(*owners, event.data.verdict).inc()
                self.gate_seconds.labels(*owners).observe(event.data.latency_ms / 1_000)
            case types.ToolResult() if after.is_over and event.data.status == "unknown":
                self.letters.labels(*self._owned(after), "Unknown").inc()
            case _ if event.type in ("exec.finished", "exec.killed") and after.started is not None:
                self._end(after, after.started)

    def _end(self, after: State, started: types.ExecStarted) -> None:
        owners = self._owned(after)
        outcome = after.finished.outcome if after.finished is not None else "killed"
        self.ended.labels(*owners, outcome).inc()
        seconds = (after.over_at - after.started_at - _waited(after)) / clock.SECOND
        self.run_seconds.labels(*owners, str(outcome == "succeeded").lower()).observe(max(0.0, seconds))
        self.run_cost.labels(*owners).observe(after.spent_micro_usd / _MICRO)
        if started.budget_micro_usd:
            self.run_ratio.labels(*owners).observe(after.spent_micro_usd / started.budget_micro_usd)
        self.run_steps.labels(*owners).observe(after.step)
        for letter in deadletters.of(after):
            self.letters.labels(*owners, letter.kind).inc()

    def _owned(self, state: State) -> tuple[str, ...]:
        assert state.started is not None
        return self._owners.of(state.started.strategy, state.tenant)


def _waited(state: State) -> int:
    """Nanoseconds in which at least one question waited for a person."""
    waited, until = 0, 0
    for begun, over in sorted(_wait(gate, state.over_at) for gate in state.questions):
        waited += max(0, over - max(begun, until))
        until = max(until, over)
    return waited


def _wait(gate: Gate, end: int) -> tuple[int, int]:
    if gate.decided is None:
        return gate.asked_at, end
    return gate.asked_at, min(end, gate.asked_at + gate.decided.latency_ms * (clock.SECOND // 1_000))
