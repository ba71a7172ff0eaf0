"""What does docs/metrics.md say? Every metric of every program, from the registries themselves, so that page and code agree.

Pure but for building empty registries. The same catalogue tells tests which names a rule or a dashboard may use.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from prometheus_client import CollectorRegistry

from keelstep.scrape import MOST_NAMES
from keelstep.store.metrics import Metrics as Projector
from keelstep.views.metrics import Metrics as Views
from keelstep_gateway.metrics import Metrics as Gateway
from keelstep_operator.metrics import Metrics as Operator

PATH = "docs/metrics.md"
PROGRAMS = {"operator": Operator, "gateway": Gateway, "projector": Projector, "views": Views}
"""Every program that serves metrics; a runner lives too short to be asked."""
CHOSEN = {
    "strategy": "The AgentStrategy.",
    "tenant": "The namespace.",
    "tool": "The ToolContract.",
    "model": "The model that answered, else the first one tried.",
}
"""Labels whose values people choose; bounded."""
CLOSED = {
    "code": "HTTP status.",
    "direction": "`input` or `output`.",
    "error_type": "A class of errors, or a [reason](reasons.md).",
    "how": "Of a tool's call `retried`, or `unknown` where nobody may try again; of a model's `lost`.",
    "kind": "A Kubernetes kind.",
    "letter": "`Unknown`: nobody knows whether a call happened; `Exhausted`: a call failed to the last; `Run`: it came to"
    " nothing.",
    "limit": "What a call waited for: `rate`, `concurrency`, `pause` or `breaker`.",
    "outcome": "How it ended: of a run, a request, or a message.",
    "phase": "An Execution's phase.",
    "reason": "A [reason](reasons.md).",
    "resource": "A kind of view, empty for discovery.",
    "scope": "`tenant`, `strategy`, `tool` or `execution`.",
    "success": "`true` or `false`.",
    "type": "An event's type.",
    "verb": "What was asked.",
    "verdict": "`approved`, `rejected`, `expired` or `withdrawn`.",
}
"""Labels whose values are ours."""
_UNITS = {
    "seconds": "seconds",
    "usd": "US dollars",
    "ratio": "ratio",
    "tokens": "tokens",
    "messages": "messages",
    "spans": "spans",
}
_NOTE = "<!-- Written by `python -m hack.generate` from the programs' own registries; edit the sentences there. -->"
_ABOUT = """\
Each program serves its metrics at `/metrics`, in plain HTTP, on the port that `KEELSTEP_METRICS_PORT` names; without it
there are none. A runner serves none: it lives for seconds, and all it does stands in the log, from which gateway and
projector count. No label names an execution, a person or a trace: those are found in the [traces](cli.md).

`agent_…` is what agents do and cost, `keelstep_…` is the machinery. Several replicas each count their own share: add
counters up (`sum`). What is true of the whole is shown by the one that works, an operator or a projector: take the
highest (`max`); those that stand by say 0.

What the projector counts of runs comes from their logs, each event once. Events older than an hour are not counted: a
rebuild of the tables moves no curve."""
_MISSING = """\
## Not yet

`agent_pii_detections_total` has no source: nothing in keelstep looks for personal data yet. A metric that is always 0
would be worse than none, so neither it nor its alert exists."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """One metric."""

    name: str
    """As it is asked for; of a histogram without `_bucket`, `_sum` and `_count`."""
    type: str
    labels: tuple[str, ...]
    meaning: str
    programs: tuple[str, ...]

    @property
    def unit(self) -> str:
        """The unit that its name says, else nothing."""
        words = self.name.removesuffix("_total").split("_")
        return _UNITS.get(words[-1], "")

    @property
    def series(self) -> tuple[str, ...]:
        """The names that a query may use."""
        if self.type == "histogram":
            return tuple(f"{self.name}{part}" for part in ("_bucket", "_sum", "_count"))
        return (self.name,)


def render_all() -> dict[str, str]:
    """The page: its path in the repository → its text."""
    return {PATH: render(families())}


def families() -> tuple[Family, ...]:
    """Every metric, sorted by name.

    Raises:
        ValueError: two programs mean different things by one name.
    """
    found: dict[str, Family] = {}
    for program, metrics in PROGRAMS.items():
        for family in _of(program, metrics().registry):
            known = found.get(family.name, family)
            if (known.type, known.labels, known.meaning) != (family.type, family.labels, family.meaning):
                raise ValueError(f"{family.name}: {', '.join(known.programs)} and {program} differ")
            programs = tuple(dict.fromkeys((*known.programs, program)))
            found[family.name] = Family(
                name=family.name,
                type=family.type,
                labels=family.labels,
                meaning=family.meaning,
                programs=programs,
            )
    return tuple(found[name] for name in sorted(found))


def series() -> Mapping[str, Family]:
    """Every name that a query may use."""
    return {name: family for family in families() for name in family.series}


def _of(program: str, registry: CollectorRegistry) -> Iterator[Family]:
    # The library tells the labels of a metric nobody has counted yet in no public way.
    for collector in set(registry._collector_to_names):
        (metric,) = collector.collect()
        suffix = "_total" if metric.type == "counter" else ""
        yield Family(
            name=metric.name + suffix,
            type=metric.type,
            labels=tuple(collector._labelnames),  # type: ignore[attr-defined]
            meaning=metric.documentation,
            programs=(program,),
        )


def render(found: tuple[Family, ...]) -> str:
    """The page of these metrics."""
    agents = [each for each in found if each.name.startswith("agent_")]
    machinery = [each for each in found if not each.name.startswith("agent_")]
    parts = [
        "# Metrics",
        _NOTE,
        _ABOUT,
        "## Agents",
        "\n".join(_table(agents)),
        "## Machinery",
        "\n".join(_table(machinery)),
        "## Labels",
        f"Of the values that people choose a program keeps {MOST_NAMES} different ones, or combinations of them, in one "
        "place; what comes after them is counted as `other`.",
        "\n".join(_labels()),
        _MISSING,
    ]
    return "\n\n".join(parts) + "\n"


def _table(found: list[Family]) -> Iterator[str]:
    yield "| name | type | labels | unit | meaning | program |"
    yield "|---|---|---|---|---|---|"
    for each in found:
        labels = ", ".join(f"`{label}`" for label in each.labels)
        programs = ", ".join(each.programs)
        yield f"| `{each.name}` | {each.type} | {labels} | {each.unit} | {each.meaning} | {programs} |"


def _labels() -> Iterator[str]:
    yield "| label | values | chosen by |"
    yield "|---|---|---|"
    for label, about in sorted((CHOSEN | CLOSED).items()):
        yield f"| `{label}` | {about} | {'people' if label in CHOSEN else 'keelstep'} |"
