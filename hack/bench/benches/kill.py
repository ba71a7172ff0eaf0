"""How soon does a kill stop 200 runs that call a tool in a tight loop? And does anything begin after it is acknowledged?

Every trial has a strategy and runs of its own, each a loop of effects of tier 1. From the patch of the kill switch (the
moment before it is sent) until

    CONTROL has it            the operator has stored the stop, from where every gateway hears of it
    the last effect begun     its claim, `tool.called`, is stored: after that no tool is asked but under an older claim
    the last effect booked    it came to the tool, by the tool's own books
    the last run ended        its `exec.killed` is stored
    acknowledged              the strategy's status says `Killed`

and once more with one of two gateways frozen (SIGSTOP) just before the patch and thawed after the acknowledgement. The
runners are loops in one process (see `pool`), with the identities of their Pods.
"""

import asyncio
import contextlib
import json
import signal
import time
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from hack.bench import crowd, samples
from hack.bench.benches import tool_call
from hack.bench.place import Place
from hack.bench.result import Figure, Result
from hack.bench.stage import TENANT, Stage
from hack.cluster.node import client as kubernetes
from keelstep.events import clock

TOOL, GOAL = "effect", "Call the tool for ever."
SECOND_GATEWAY = "gateway-2"
WELL, FROZEN = "two gateways", "one of two gateways frozen"
ENGAGED, LAST_BEGUN, LAST_BOOKED, LAST_ENDED, ACKNOWLEDGED = MEASURES = (
    "patch → CONTROL has it",
    "patch → last effect begun",
    "patch → last effect booked by the tool",
    "patch → last exec.killed stored",
    "patch → acknowledged",
)
BEGUN_AFTER, BOOKED_AFTER = "effects begun after the acknowledgement", "effects booked after it, begun before"
TARGET_MS = 1_000.0
CALLS_EACH = 3
"""Of every run, on average, before the kill."""
WAIT_SECONDS = 300.0
DEADLINE_SECONDS = 420
"""Of the runs: until then a killed run's identity counts, and one tenant may have 5,500 of them."""
_STRATEGIES = f"/apis/keelstep.io/v1alpha1/namespaces/{TENANT}/agentstrategies"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """How many runs are killed at once, how often."""

    runs: int
    trials: int
    """With all gateways well, and as often with one frozen."""


FULL = Sizes(runs=200, trials=20)
SMOKE = Sizes(runs=2, trials=1)


@dataclass(slots=True)
class _Seen:
    """What was seen, a number for each trial."""

    took: dict[str, list[float]] = field(default_factory=lambda: {each: [] for each in MEASURES})
    after: dict[str, int] = field(default_factory=lambda: {BEGUN_AFTER: 0, BOOKED_AFTER: 0})
    """Over all trials."""
    rate: list[float] = field(default_factory=list)
    """Effects a second just before the kill."""


@dataclass(frozen=True, slots=True)
class _Kill:
    """One kill switch, thrown."""

    patched_at: int
    acknowledged_at: int


class _Data(msgspec.Struct, frozen=True):
    claim_seq: int | None = None


class _Event(msgspec.Struct, frozen=True):
    type: str
    data: _Data


def run(place: Place) -> Result:
    """Throw kill switches."""
    sizes = place.choose(FULL, SMOKE)
    stage = place.own_stage()
    stage.warm_up()
    seen = {WELL: _Seen(), FROZEN: _Seen()}
    with crowd.pooled(stage), crowd.tool(stage) as url:
        contract = {**tool_call.contract(url, 1), "timeoutSeconds": 2}
        crowd.define(stage, crowd.contract(TOOL, contract))
        stage.platform.start_gateway(SECOND_GATEWAY)
        try:
            for trial in range(sizes.trials):
                for kind, found in seen.items():
                    place.calm.wait()
                    place.step.update(f"trial {trial + 1} of {sizes.trials}, {kind}")
                    name = f"loop-{trial}-{'frozen' if kind == FROZEN else 'well'}"
                    _trial(stage, url, name, sizes.runs, found, does_freeze=kind == FROZEN)
        finally:
            stage.platform.stop(SECOND_GATEWAY)
    return Result(
        figures=[figure for kind, found in seen.items() for figure in _figures(kind, found, sizes)],
        sizes={"runs": sizes.runs, "trials": sizes.trials, "gateways": 2},
        notes=[
            "each trial is one sample; p99 of twenty is the worst; stored times are the broker's, on the same clock",
            "the acknowledgement's time is when a watch showed it, at most some milliseconds late",
            "booked after it, begun before: a call already sent or about to be, which no kill can call back",
        ],
    )


def _trial(stage: Stage, url: str, name: str, runs: int, into: _Seen, *, does_freeze: bool) -> None:
    """One strategy with its runs: let them loop, kill, and read what happened from the logs and the tool's books."""
    names = [f"{name}-{number}" for number in range(runs)]
    crowd.define(stage, crowd.strategy(name, [TOOL]))
    before = _books(url)["posts"]
    crowd.create(
        stage, [crowd.execution(each, name, GOAL, deadline_seconds=DEADLINE_SECONDS) for each in names]
    )
    stage.until(
        f"{runs} runs to loop",
        lambda: _are_running(stage, names) and _books(url)["posts"] - before >= CALLS_EACH * runs,
        WAIT_SECONDS,
    )
    second = time.time_ns() - 1_000_000_000
    into.rate.append(len(_books(url, since=second)["since"]))
    with _frozen(stage) if does_freeze else contextlib.nullcontext():
        kill = asyncio.run(_throw(stage, name))
    logs: dict[str, Sequence[tuple[str, int]]] = {}

    def are_closed() -> bool:
        for each in names:
            if not is_closed(logs.get(each, ())):
                logs[each] = _log(stage, each)
        return all(is_closed(found) for found in logs.values())

    stage.until("every claim to have its result", are_closed, WAIT_SECONDS)
    booked = _books(url, since=kill.patched_at)["since"]
    moments = [moment for found in logs.values() for moment in found]
    begun = [at for kind, at in moments if kind in ("tool.called", "tool.retried")]
    ended = [at for kind, at in moments if kind == "exec.killed"]
    for measure, latest in (
        (ENGAGED, _engaged_at(stage, name)),
        (LAST_BEGUN, max(begun)),
        (LAST_BOOKED, max(booked, default=kill.patched_at)),
        (LAST_ENDED, max(ended)),
        (ACKNOWLEDGED, kill.acknowledged_at),
    ):
        into.took[measure].append(max(0.0, (latest - kill.patched_at) / 1e6))
    into.after[BEGUN_AFTER] += sum(at > kill.acknowledged_at for at in begun)
    into.after[BOOKED_AFTER] += sum(at > kill.acknowledged_at for at in booked)


def _are_running(stage: Stage, names: Sequence[str]) -> bool:
    phases = stage.watcher.phases()
    return all(phases.get(name) == "Running" for name in names)


async def _throw(stage: Stage, name: str) -> _Kill:
    """Patch a strategy's kill switch, and watch until its status acknowledges it."""
    api = await kubernetes.Client.connect(stage.platform.plane.admin_kubeconfig)
    try:
        there = await api.get(f"{_STRATEGIES}/{name}")
        query = {"fieldSelector": f"metadata.name={name}"}
        changes = api.watch(_STRATEGIES, query, there["metadata"]["resourceVersion"])
        patched_at = time.time_ns()
        await api.patch(
            f"{_STRATEGIES}/{name}", {"spec": {"killSwitch": {"engaged": True, "reason": "measured"}}}
        )
        async with asyncio.timeout(WAIT_SECONDS):
            async for _, found in changes:
                if _is_acknowledged(found):
                    return _Kill(patched_at, time.time_ns())
        raise AssertionError(f"the watch of {name} ended before the kill was acknowledged")
    finally:
        await api.close()


def _engaged_at(stage: Stage, name: str) -> int:
    """When the operator had stored the stop, by its own log; nanoseconds since 1970."""
    log = stage.platform.folder / "logs" / "operator.log"
    for line in reversed(log.read_text().splitlines()):
        if '"kill_engaged"' in line and f'"{name}"' in line:
            return clock.parse(json.loads(line)["timestamp"])
    raise AssertionError(f"{log} does not say when {name} was killed")


def _is_acknowledged(found: Any) -> bool:
    conditions = found.get("status", {}).get("conditions", [])
    return any(each["type"] == "Killed" and each["reason"] == "Killed" for each in conditions)


@contextlib.contextmanager
def _frozen(stage: Stage) -> Iterator[None]:
    """The second gateway stands still within the block."""
    process = stage.platform.find(SECOND_GATEWAY)
    assert process is not None
    process.signal(signal.SIGSTOP)
    try:
        yield
    finally:
        process.signal(signal.SIGCONT)


def _log(stage: Stage, name: str) -> list[tuple[str, int]]:
    """What each event of a run was, and when it was stored."""
    stored = stage.watcher.read(TENANT, stage.watcher.run(name).xid)
    return [(named(each.payload), each.stored_at) for each in stored]


def named(payload: bytes) -> str:
    """An event's type; a result that settles no claim, such as a refusal, is `refused`."""
    event = msgspec.json.decode(payload, type=_Event)
    return "refused" if event.type == "tool.result" and event.data.claim_seq is None else event.type


def is_closed(found: Sequence[tuple[str, int]]) -> bool:
    """Killed, and every claim has its result."""
    types = [kind for kind, _ in found]
    return "exec.killed" in types and types.count("tool.called") == types.count("tool.result")


def _books(url: str, since: int = 2**62) -> Any:
    """What the tool has booked, and when, after a moment."""
    with urllib.request.urlopen(f"{url}/calls?since={since}", timeout=10) as reply:
        return json.load(reply)


def _figures(kind: str, found: _Seen, sizes: Sizes) -> Iterator[Figure]:
    def one(measure: str, unit: str, values: Sequence[float]) -> Figure:
        return Figure(
            subject="keelstep",
            measure=f"{measure}, {kind}",
            unit=unit,
            values={"value": samples.spread(values)},
            samples=sizes.trials,
            repetitions=1,
        )

    for measure, values in found.took.items():
        yield Figure(
            subject="keelstep",
            measure=f"{measure}, {kind}",
            unit="ms",
            values=samples.quantiles([values]),
            samples=sizes.trials,
            repetitions=1,
            target={"p99": TARGET_MS} if measure == LAST_BEGUN else {},
        )
    for measure, count in found.after.items():
        yield one(measure, "effects", [float(count)])
    yield one("effects booked in the second before", "1/s", found.rate)
