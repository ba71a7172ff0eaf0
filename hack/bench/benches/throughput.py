"""How many runs a second does the whole platform carry, and what does the operator use for it? 500 applied at once.

Each run is the smallest there is: one call of a model that answers at once, and the end; from the Execution to the
status that says Succeeded, with a Pod, a Secret and an identity of its own.

    processes  a Pod is a local process: a Python starts for each
    pooled     one process is the runner of all (see `pool`): what the rest of the platform carries
"""

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from hack.bench import crowd, samples
from hack.bench.place import Place
from hack.bench.result import Figure, Result
from hack.bench.stage import Stage, cpu_seconds

AGENT = "brief-agent"
PROCESSES, POOLED = "Pods as processes", "one pool of runners"
PARTS = ("operator", "gateway", "nats-server", "kube-apiserver", "etcd")
MEMORY = {"processes": "256Mi"}
"""What a Pod asks of the node: some ninety at once then fit a machine of 24 GiB, the rest wait their turn."""
WAIT_SECONDS = 1_800.0
LOOK_SECONDS = 0.25
BYTES_IN_MIB = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """How many runs at once, how often."""

    runs: int
    repetitions: int


FULL = Sizes(runs=500, repetitions=2)
SMOKE = Sizes(runs=2, repetitions=1)


@dataclass(slots=True)
class _Seen:
    """What was seen, a number for each repetition."""

    rate: list[float] = field(default_factory=list)
    took: list[list[float]] = field(default_factory=list)
    """Milliseconds from the Execution in the API server to the status that says Succeeded."""
    cpu: dict[str, list[float]] = field(default_factory=lambda: {part: [] for part in PARTS})
    """Milliseconds for one run."""
    resident: list[float] = field(default_factory=list)
    """The operator's most, in MiB."""


def run(place: Place) -> Result:
    """Apply many runs at once, with Pods as processes and with a pool."""
    sizes = place.choose(FULL, SMOKE)
    stage = place.own_stage()
    stage.warm_up()
    resources = {"requests": {"memory": MEMORY["processes"]}}
    crowd.define(stage, crowd.strategy(AGENT, [], runner={"resources": resources}))
    seen: dict[str, _Seen] = {}
    for kind, ground in ((PROCESSES, contextlib.nullcontext), (POOLED, lambda: crowd.pooled(stage))):
        seen[kind] = _Seen()
        with ground():
            for repetition in range(sizes.repetitions):
                place.calm.wait()
                prefix = f"brief-{list(seen).index(kind)}-{repetition}"
                _measure(place, stage, kind, prefix, sizes.runs, seen[kind])
    return Result(
        figures=[figure for kind, found in seen.items() for figure in _figures(kind, found, sizes)],
        sizes={"runs": sizes.runs, "repetitions": sizes.repetitions},
        notes=[
            "a run: one model call, 5 events; created 16 at a time; everything shares the machine",
            f"with Pods as processes each asks for {MEMORY['processes']}, so that memory bounds how many run at once",
        ],
    )


def _measure(place: Place, stage: Stage, kind: str, prefix: str, runs: int, into: _Seen) -> None:
    """Create runs, wait until all are shown as succeeded."""
    names = [f"{prefix}-{number}" for number in range(runs)]
    processes = {part: stage.process(part) for part in PARTS}
    spent = {part: cpu_seconds(each) for part, each in processes.items()}
    most = 0
    began = time.time_ns()
    crowd.create(stage, [crowd.execution(name, AGENT, "Say so.") for name in names])

    def are_over() -> bool:
        nonlocal most
        most = max(most, processes["operator"].memory_info().rss)
        over = sum(bool(stage.watcher.run(name).over_at) for name in names)
        place.step.update(f"{kind}: {over:,} of {runs:,} runs over")
        time.sleep(LOOK_SECONDS)
        return over == runs

    stage.until("the runs to be over", are_over, WAIT_SECONDS)
    seen = [stage.watcher.run(name) for name in names]
    failed = {each.phase for each in seen} - {"Succeeded"}
    assert not failed, f"runs ended {failed}: {stage.tenant.status(names[0])}"
    into.rate.append(runs / ((max(each.over_at for each in seen) - began) / 1e9))
    into.took.append([(each.over_at - each.accepted_at) / 1e6 for each in seen])
    into.resident.append(most / BYTES_IN_MIB)
    for part, each in processes.items():
        into.cpu[part].append((cpu_seconds(each) - spent[part]) * 1_000 / runs)


def _figures(kind: str, found: _Seen, sizes: Sizes) -> Iterator[Figure]:
    def one(subject: str, measure: str, unit: str, values: list[float], target: float = 0.0) -> Figure:
        return Figure(
            subject=subject,
            measure=f"{measure}, {kind}",
            unit=unit,
            values={"value": samples.spread(values)},
            samples=sizes.runs,
            repetitions=sizes.repetitions,
            target={"at least": target} if target else {},
        )

    yield one("keelstep", "executions", "1/s", found.rate, 20.0)
    yield Figure(
        subject="keelstep",
        measure=f"Execution → Succeeded shown, {kind}",
        unit="ms",
        values=samples.quantiles(found.took),
        samples=sizes.runs,
        repetitions=sizes.repetitions,
    )
    for part in PARTS:
        yield one(part, "CPU of one run", "ms", found.cpu[part])
    yield one("operator", "most memory", "MiB", found.resident)
