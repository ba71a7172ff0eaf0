"""What does a durable step cost, from end to end? Forty of them in one run; then fifty such runs at once in one process.

A step is a call of a builtin (`decimal.add`) that the model has asked for: decided, evaluated, and appended under the
fence, synced to disk, before the next begins. The loop is the runner's own. From step to step is from one stored event
to the next, by the broker's own clock; the model's reply is recorded before, so no model is waited for.

With `--peers` the same forty steps run in Restate, DBOS and LangGraph, in turns with ours.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import uvloop

from hack.bench import agents, samples
from hack.bench.peers import catalogue as peers
from hack.bench.peers import peer
from hack.bench.peers.peer import Measured
from hack.bench.place import Place
from hack.bench.result import Figure, Result
from hack.generate import builtins as page
from keelstep.domain.builtins import registry
from keelstep.kinds.transport import BuiltinFunction

STEPS = 40
OURS = "keelstep"
TOOL = BuiltinFunction.DECIMAL_ADD
ONE, MANY = "one run", "{} runs at once"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """How many runs."""

    runs: int
    """One after the other, in one repetition."""
    at_once: int
    repetitions: int


FULL = Sizes(runs=20, at_once=50, repetitions=5)
SMOKE = Sizes(runs=1, at_once=3, repetitions=1)


class Contestant(Protocol):
    """Whoever makes runs of durable steps."""

    name: str

    async def measure(self, runs: int, at_once: int, steps: int) -> Measured:
        """Make so many runs, so many of them at once."""
        ...


@dataclass(slots=True)
class Ours:
    """keelstep, its runners in this process."""

    hands: agents.Hands
    name: str = OURS

    async def measure(self, runs: int, at_once: int, steps: int) -> Measured:
        """Make so many runs, so many of them at once."""
        found: list[list[float]] = []
        seconds = 0.0
        for _ in range(runs // at_once):
            took, steps_ms = await self._batch(at_once, steps)
            seconds += took
            found += steps_ms
        return Measured(found, seconds)

    async def _batch(self, at_once: int, steps: int) -> tuple[float, list[list[float]]]:
        contracts = {TOOL.value: page.contract(registry.FUNCTIONS[TOOL])["spec"]}
        agent = agents.strategy(list(contracts))
        runs = [await self.hands.begin(agent, contracts) for _ in range(at_once)]
        for run in runs:
            await run.replied([("decimal_add", {"a": "19.90", "b": str(number)}) for number in range(steps)])
        began = await agents.all_at_once([run.loop() for run in runs])
        ended, found = 0, []
        for run in runs:
            stored = await run.stored()
            names = [name for name, _ in stored]
            assert names.count("tool.result") == steps, names
            assert names[-1] == "exec.finished", names[-1]
            found.append(agents.steps_of(stored))
            ended = max(ended, *(each.stored_at for name, each in stored if name == "tool.result"))
            await run.runner.close()
        return (ended - began) / 1e9, found


@dataclass(slots=True)
class Seen:
    """One contestant's repetitions."""

    one: list[list[float]] = field(default_factory=list)
    """Milliseconds from step to step."""
    many: list[list[float]] = field(default_factory=list)
    one_rate: list[float] = field(default_factory=list)
    many_rate: list[float] = field(default_factory=list)


def run(place: Place) -> Result:
    """Measure ours, and the peers where they are wanted, in turns."""
    folder = place.folder / "steps"
    (folder / "peers").mkdir(parents=True)
    return uvloop.run(_run(place, place.choose(FULL, SMOKE), folder))


async def _run(place: Place, sizes: Sizes, folder: Path) -> Result:
    seen: dict[str, Seen] = {}
    async with agents.running(folder) as hands, _peers(place, folder) as beside:
        await agents.warm_up(hands)
        contestants: list[Contestant] = [Ours(hands), *beside.peers]
        for each in contestants:
            place.step.update(f"warming up {each.name}")
            await each.measure(1, 1, STEPS)
            seen[each.name] = Seen()
        for repetition in range(sizes.repetitions):
            place.step.update(f"repetition {repetition + 1} of {sizes.repetitions}")
            at = repetition % len(contestants)
            for each in contestants[at:] + contestants[:at]:
                await asyncio.to_thread(place.calm.wait)
                await _measure(each, sizes, seen[each.name])
    return build_result(seen, beside, sizes, is_same_disk=peer.shares_disk(place.folder))


async def _measure(contestant: Contestant, sizes: Sizes, into: Seen) -> None:
    one = await contestant.measure(sizes.runs, 1, STEPS)
    many = await contestant.measure(sizes.at_once, sizes.at_once, STEPS)
    into.one.append([step for steps in one.steps_ms for step in steps])
    into.many.append([step for steps in many.steps_ms for step in steps])
    into.one_rate.append(sizes.runs * STEPS / one.seconds)
    into.many_rate.append(sizes.at_once * STEPS / many.seconds)


@contextlib.asynccontextmanager
async def _peers(place: Place, folder: Path) -> AsyncIterator[peers.Field]:
    if not place.has_peers:
        yield peers.Field(absent=["no peers: run with --peers to have Restate, DBOS and LangGraph beside"])
        return
    async with peers.running(folder / "peers", place.step) as found:
        for line in found.absent:
            place.shown.note(f"PEER LEFT OUT: {line}")
        yield found


def build_result(seen: dict[str, Seen], beside: peers.Field, sizes: Sizes, *, is_same_disk: bool) -> Result:
    """The figures, in the order of what is measured, each with its reference; and who could not run."""
    figures: list[Figure] = []
    many = MANY.format(sizes.at_once)
    for name, found in seen.items():
        figures.append(_latency(name, f"a step, {ONE}", found.one, seen, {"p50": 1.0, "p99": 2.0}))
        figures.append(_rate(name, f"steps, {ONE}", found.one_rate, sizes.runs, seen))
        figures.append(_latency(name, f"a step, {many}", found.many, seen, {}))
        figures.append(_rate(name, f"steps, {many}", found.many_rate, sizes.at_once, seen))
    order = [figure.measure for figure in figures[:4]]
    figures.sort(key=lambda figure: order.index(figure.measure))
    versions = ", ".join(f"{name} {version}" for name, version in beside.versions.items())
    notes = [
        "a step is done once it is synced to disk, in all; clients, servers and databases share the machine",
        "ratios: ours to Restate, where it runs; each peer's to ours",
        "steps/s: from the first run's begin (its log is read, its revisions are fetched) to the last step's end",
    ]
    if versions:
        notes.append(f"beside: {versions}; in turns, all of them up all the time")
        if not is_same_disk:
            notes.append(
                "THE PEERS' DATABASES LIE ON ANOTHER DISK than ours: set TMPDIR to one beside the results"
            )
    return Result(
        figures=figures,
        sizes={"steps": STEPS, "runs": sizes.runs, "at_once": sizes.at_once, "repetitions": sizes.repetitions}
        | ({"peers": beside.versions} if beside.versions else {}),
        notes=[*notes, *beside.absent],
    )


def _reference(name: str, seen: dict[str, Seen]) -> str:
    if name != OURS:
        return OURS
    return peers.RESTATE if peers.RESTATE in seen else ""


def _latency(
    name: str,
    measure: str,
    values: Sequence[Sequence[float]],
    seen: dict[str, Seen],
    target: dict[str, float],
) -> Figure:
    return Figure(
        subject=name,
        measure=measure,
        unit="ms",
        values=samples.quantiles(values),
        samples=len(values[0]),
        repetitions=len(values),
        reference=_reference(name, seen),
        target=target if name == OURS else {},
    )


def _rate(name: str, measure: str, values: Sequence[float], runs: int, seen: dict[str, Seen]) -> Figure:
    return Figure(
        subject=name,
        measure=measure,
        unit="steps/s",
        values={"value": samples.spread(values)},
        samples=runs * STEPS,
        repetitions=len(values),
        reference=_reference(name, seen),
    )
