"""What does the operator cost where much has gathered? 10,000 finished and 2,000 open runs in the API server.

Finished and open ones are real logs retold (see `history`), each with its Execution, adopted by the operator as after a
restore. The open ones wait for a person: a gate each, no Pod. Then the operator is stopped and started again:

    start → ready         it has read the keys, the broker and every list
    start → a new run     applied at the moment of the start; until its `exec.started` is stored
    start → quiet         it has looked at every run once more: it uses less than a tenth of a core
    resync                everything is listed and compared once more, as every five minutes
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from hack.bench import crowd, history, samples
from hack.bench.place import Place
from hack.bench.result import Figure, Result
from hack.bench.stage import TENANT, Stage, cpu_seconds
from hack.local import programs
from hack.local.world import REQUESTER
from keelstep.events.frame import Stored

OPERATOR = "operator"
AGENT = "late-agent"
WAIT_SECONDS = 3_600.0
QUIET_SECONDS, QUIET_SHARE = 2.0, 0.1
"""Less than this share of a core over twice so long."""
BYTES_IN_MIB = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """How many runs, how often the operator is started."""

    finished: int
    open: int
    starts: int
    resyncs: int
    resync_seconds: int
    """Between them, for the measurement."""


FULL = Sizes(finished=10_000, open=2_000, starts=3, resyncs=4, resync_seconds=30)
SMOKE = Sizes(finished=3, open=2, starts=1, resyncs=1, resync_seconds=1)


@dataclass(slots=True)
class _Seen:
    """A number for each start."""

    ready: list[float] = field(default_factory=list)
    """Seconds, as the next two."""
    new_run: list[float] = field(default_factory=list)
    quiet: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    """Seconds used until quiet."""
    resident: list[float] = field(default_factory=list)
    """MiB once quiet."""
    resync: list[float] = field(default_factory=list)
    """CPU seconds of one."""


def run(place: Place) -> Result:
    """Gather runs, then start the operator among them."""
    sizes = place.choose(FULL, SMOKE)
    stage = place.own_stage()
    stage.warm_up()
    crowd.define(stage, crowd.strategy(AGENT, []))
    _gather(place, stage, "settled", sizes.finished, "small-claim", stage.pattern(), "Succeeded")
    _gather(place, stage, "waiting", sizes.open, "refund-approved", _asking(stage), "WaitingForApproval")
    seen = _Seen()
    try:
        for start in range(sizes.starts):
            place.step.update(f"start {start + 1} of {sizes.starts}")
            _start(place, stage, sizes, start, seen)
    finally:
        stage.platform.stop(OPERATOR, grace_seconds=60)
        stage.platform.start_operator()
    return _result(seen, sizes)


def _asking(stage: Stage) -> Sequence[Stored]:
    """The log of a real run that waits for a person."""
    name = "asks-a-person"
    stage.tenant.apply(stage.tenant.person(REQUESTER), [stage.manifest("refund-approved", name)])
    seen = stage.watcher.run(name)
    stage.until("a run to ask a person", lambda: seen.phase == "WaitingForApproval" and seen.pod_ended_at)
    return stage.watcher.read(TENANT, seen.xid)


def _gather(
    place: Place, stage: Stage, prefix: str, runs: int, example: str, pattern: Sequence[Stored], phase: str
) -> None:
    """Retell a run many times; wait until the operator shows all as what they are."""
    names = [f"{prefix}-{number}" for number in range(runs)]
    place.step.update(f"writing the logs of {runs:,} runs")
    asyncio.run(
        history.retell(stage.platform, TENANT, pattern, [stage.manifest(example, name) for name in names])
    )

    def are_adopted() -> bool:
        phases = stage.watcher.phases()
        adopted = sum(phases.get(name) == phase for name in names)
        place.step.update(f"{adopted:,} of {runs:,} runs adopted as {phase}")
        time.sleep(0.5)
        return adopted == runs

    stage.until(f"{runs} runs to be adopted", are_adopted, WAIT_SECONDS)


def _start(place: Place, stage: Stage, sizes: Sizes, start: int, into: _Seen) -> None:
    """Stop the operator, start it again, watch it until it is quiet, then over some resyncs."""
    platform = stage.platform
    platform.stop(OPERATOR, grace_seconds=60)
    place.calm.wait()
    extra = {"KEELSTEP_RESYNC_SECONDS": str(sizes.resync_seconds)}
    component = programs.operator(platform.places, platform.installed, **extra)
    since = component.log.stat().st_size
    name = f"late-{start}"
    crowd.create(stage, [crowd.execution(name, AGENT, "Say so.")])
    began = time.time_ns()
    process = psutil.Process(platform.records.start(component).pid)
    stage.until("the operator to be ready", lambda: _says_ready(component.log, since), WAIT_SECONDS)
    into.ready.append((time.time_ns() - began) / 1e9)
    quiet_at, used = _quiet(stage, process)
    into.quiet.append(quiet_at - began / 1e9)
    into.cpu.append(used)
    into.resident.append(process.memory_info().rss / BYTES_IN_MIB)
    seen = stage.watcher.run(name)
    stage.until("the new run to be over", lambda: seen.is_over, WAIT_SECONDS)
    started_at = stage.watcher.read(TENANT, seen.xid)[0].stored_at
    into.new_run.append((started_at - began) / 1e9)
    spent = cpu_seconds(process)
    time.sleep(sizes.resync_seconds * sizes.resyncs)
    into.resync.append((cpu_seconds(process) - spent) / sizes.resyncs)


def _says_ready(log: Path, since: int) -> bool:
    with log.open("rb") as file:
        file.seek(since)
        return b'"event": "ready"' in file.read()


def _quiet(stage: Stage, process: psutil.Process) -> tuple[float, float]:
    """When it had nothing to do any more, in seconds since 1970, and the CPU seconds it used until then."""
    looks = [(time.time(), cpu_seconds(process))]

    def is_quiet() -> bool:
        time.sleep(QUIET_SECONDS)
        looks.append((time.time(), cpu_seconds(process)))
        if len(looks) < 3:
            return False
        (before, used), _, (after, uses) = looks[-3:]
        return (uses - used) / (after - before) < QUIET_SHARE

    stage.until("the operator to be quiet", is_quiet, WAIT_SECONDS)
    return looks[-3]


def _result(seen: _Seen, sizes: Sizes) -> Result:
    load = f"{sizes.finished:,} finished and {sizes.open:,} open"
    lines: list[tuple[str, str, list[float], dict[str, float]]] = [
        ("start → ready", "s", seen.ready, {}),
        ("start → a new run's exec.started", "s", seen.new_run, {}),
        ("start → quiet", "s", seen.quiet, {}),
        ("CPU of a start", "s", seen.cpu, {}),
        ("memory", "MiB", seen.resident, {"at most": 400.0}),
        ("CPU of a resync", "s", seen.resync, {}),
    ]
    return Result(
        figures=[
            Figure(
                subject="operator",
                measure=f"{measure}, {load}",
                unit=unit,
                values={"value": samples.spread(values)},
                samples=1,
                repetitions=sizes.starts,
                target=target,
            )
            for measure, unit, values, target in lines
        ],
        sizes={"finished": sizes.finished, "open": sizes.open, "starts": sizes.starts},
        notes=[
            f"quiet: looked for every {QUIET_SECONDS:g} s; a resync's pause is {sizes.resync_seconds} s here, else 300 s",
            "CPU of a resync: all that the operator used in the time of some, by their number",
            "open: each waits for a person at a gate of its own",
        ],
    )
