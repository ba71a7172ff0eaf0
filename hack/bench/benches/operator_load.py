"""What does the operator cost with many runs? CPU and memory with finished ones only, then with running ones beside.

Finished runs are real logs retold (see `history`), adopted by the operator from applied Executions. Running ones are
real: 50 runner processes of the example's runaway agent, which looks at four orders every twenty seconds.
"""

import asyncio
import time
from dataclasses import dataclass, field

from hack.bench import history, samples
from hack.bench.place import Place
from hack.bench.result import Figure, Result
from hack.bench.stage import TENANT, Stage, cpu_seconds
from hack.local.world import REQUESTER

PARTS = ("operator", "gateway", "nats-server")
FULL_SECONDS = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """How many runs, and how long it is watched."""

    finished: int
    running: int
    seconds: float
    """Of one repetition."""
    repetitions: int
    turns: int
    """Model calls of each running one before it is watched: past its start."""


FULL = Sizes(finished=1_000, running=50, seconds=FULL_SECONDS, repetitions=3, turns=8)
SMOKE = Sizes(finished=3, running=1, seconds=1.0, repetitions=1, turns=2)
BYTES_IN_MIB = 1024 * 1024


@dataclass(slots=True)
class _Use:
    """One part's use, a number for each repetition."""

    cpu_percent: list[float] = field(default_factory=list)
    """Of one core."""
    rss_mib: list[float] = field(default_factory=list)


@dataclass(slots=True)
class _Watched:
    """What was seen under one load."""

    parts: dict[str, _Use] = field(default_factory=lambda: {part: _Use() for part in PARTS})
    events_per_second: list[float] = field(default_factory=list)
    turns_per_second: list[float] = field(default_factory=list)
    """Model calls, each followed by a tool call."""


def run(place: Place) -> Result:
    """Watch the operator under load."""
    sizes = place.choose(FULL, SMOKE)
    stage = place.stage()
    before = {part: stage.process(part).memory_info().rss / BYTES_IN_MIB for part in PARTS}
    adopting_cpu = _finish(place, stage, sizes)
    place.calm.wait()  # later it cannot be told: the running ones are ours
    resting = _watch(place, stage, sizes, "with finished runs only")
    _run_many(place, stage, sizes)
    busy = _watch(place, stage, sizes, "with running ones beside")
    figures = [
        *_figures(f"{sizes.finished:,} finished, 0 running", resting, sizes),
        *_figures(f"{sizes.finished:,} finished, {sizes.running} running", busy, sizes),
    ]
    figures.append(
        Figure(
            subject="operator",
            measure="CPU to adopt a finished run",
            unit="ms",
            values={"value": samples.spread([adopting_cpu * 1_000 / sizes.finished])},
            samples=sizes.finished,
            repetitions=1,
        )
    )
    rss = ", ".join(f"{part} {before[part]:.0f} MiB" for part in PARTS)
    return Result(
        figures=figures,
        sizes={
            "finished": sizes.finished,
            "running": sizes.running,
            "seconds": sizes.seconds,
            "repetitions": sizes.repetitions,
        },
        notes=[
            "CPU in per cent of one core; resident memory at the end of each repetition",
            f"resident before: {rss}",
            "finished: the log of one real run retold for each, then an Execution applied and adopted (no Pods left over)",
            "running: real runner processes, five turns (a model call, an order looked up) in some 21 seconds each",
        ],
    )


def _finish(place: Place, stage: Stage, sizes: Sizes) -> float:
    """Make the finished runs, wait until all are shown as over; CPU seconds of the operator meanwhile."""
    stage.warm_up()
    pattern = stage.pattern()
    names = [f"finished-{number}" for number in range(sizes.finished)]
    manifests = [stage.manifest("small-claim", name) for name in names]
    operator = stage.process("operator")
    spent = cpu_seconds(operator)
    asyncio.run(history.retell(stage.platform, TENANT, pattern, manifests))

    def are_over() -> bool:
        phases = stage.watcher.phases()
        over = sum(phases.get(name) == "Succeeded" for name in names)
        place.step.update(f"{over:,} of {sizes.finished:,} finished runs adopted")
        return over == sizes.finished

    stage.until("the finished runs to be adopted", are_over, seconds=600)
    return cpu_seconds(operator) - spent


def _run_many(place: Place, stage: Stage, sizes: Sizes) -> None:
    """Start the running ones, and wait until each has got into its stride."""
    names = [f"running-{number}" for number in range(sizes.running)]
    stage.tenant.apply(stage.tenant.person(REQUESTER), [stage.manifest("runaway", name) for name in names])
    before = stage.platform.model_calls("runaway")

    def are_running() -> bool:
        phases = stage.watcher.phases()
        running = sum(phases.get(name) == "Running" for name in names)
        asked = stage.platform.model_calls("runaway") - before
        place.step.update(f"{running} of {sizes.running} running, {asked} model calls")
        time.sleep(0.5)
        return running == sizes.running and asked >= sizes.turns * sizes.running

    stage.until("the runs to get going", are_running, seconds=600)


def _watch(place: Place, stage: Stage, sizes: Sizes, what: str) -> _Watched:
    found = _Watched()
    for repetition in range(sizes.repetitions):
        place.step.update(f"{what}, repetition {repetition + 1} of {sizes.repetitions}")
        processes = {part: stage.process(part) for part in PARTS}
        spent, began = {part: cpu_seconds(each) for part, each in processes.items()}, time.monotonic()
        events, turns = stage.events(), stage.platform.model_calls("runaway")
        time.sleep(sizes.seconds)
        seconds = time.monotonic() - began
        for part, each in processes.items():
            found.parts[part].cpu_percent.append((cpu_seconds(each) - spent[part]) / seconds * 100)
            found.parts[part].rss_mib.append(each.memory_info().rss / BYTES_IN_MIB)
        found.events_per_second.append((stage.events() - events) / seconds)
        found.turns_per_second.append((stage.platform.model_calls("runaway") - turns) / seconds)
    return found


def _figures(load: str, found: _Watched, sizes: Sizes) -> list[Figure]:
    lines: list[tuple[str, str, str, list[float]]] = []
    for part, use in found.parts.items():
        lines.append((part, "CPU", "% of a core", use.cpu_percent))
        lines.append((part, "memory", "MiB", use.rss_mib))
    lines.append(("the runs", "turns", "1/s", found.turns_per_second))
    lines.append(("the runs", "events", "1/s", found.events_per_second))
    return [
        Figure(
            subject=subject,
            measure=f"{measure}, {load}",
            unit=unit,
            values={"value": samples.spread(values)},
            samples=1,
            repetitions=sizes.repetitions,
        )
        for subject, measure, unit, values in lines
    ]
