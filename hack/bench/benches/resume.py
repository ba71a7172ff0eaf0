"""How soon does a run of 10,000 events go on? A new attempt reads the whole log and folds it; there is no checkpoint.

    runner   asks a gateway for its log, as it must, and folds what comes: what a new Pod waits for after its imports
    gateway  reads the log from the broker and folds it: a gateway that has not met the run

The log is a real one: written under the fence, by the writers' own identities.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

import uvloop

from hack.bench import agents, samples
from hack.bench.agents import Run
from hack.bench.benches.steps import TOOL
from hack.bench.place import Place
from hack.bench.result import Figure, Result
from hack.generate import builtins as page
from keelstep.domain.builtins import registry
from keelstep.events import types
from keelstep.log.reader import StreamReader
from keelstep.log.spine import Author, Log, Reader

CALLS = 40
TARGET_MS = 250.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """How long a log, how often."""

    events: int
    repetitions: int


FULL = Sizes(events=10_000, repetitions=15)
SMOKE = Sizes(events=100, repetitions=2)


def run(place: Place) -> Result:
    """Write one long log, then resume from it."""
    folder = place.folder / "resume"
    folder.mkdir()
    sizes = place.choose(FULL, SMOKE)
    took: dict[str, list[float]] = {"runner": [], "gateway": []}

    async def measure() -> None:
        async with agents.running(folder, does_think=False) as hands:
            told = await _told(hands, sizes.events, place.step.update)
            for repetition in range(sizes.repetitions):
                place.step.update(f"repetition {repetition + 1} of {sizes.repetitions}")
                await asyncio.to_thread(place.calm.wait)
                took["runner"].append(await _resumed(told, told.asking(), sizes.events))
                reader = StreamReader(hands.gateway, 0)
                took["gateway"].append(await _resumed(told, reader, sizes.events))

    uvloop.run(measure())
    return Result(
        figures=[
            Figure(
                subject=who,
                measure=f"resume of {sizes.events:,} events",
                unit="ms",
                values={"value": samples.spread(values)},
                samples=sizes.events,
                repetitions=sizes.repetitions,
                target={"at most": TARGET_MS} if sizes is FULL else {},
            )
            for who, values in took.items()
        ],
        sizes={"events": sizes.events, "calls_in_a_plan": CALLS, "repetitions": sizes.repetitions},
        notes=["from the first question to the state; nothing of the log is in this process before"],
    )


async def _resumed(told: Run, reader: Reader, events: int) -> float:
    """Read and fold everything, as somebody new; milliseconds."""
    keyring = told.hands.broker.installation.keyring
    log = Log(
        nc=told.runner,
        reader=reader,
        author=Author("a1", 0),
        keyring=keyring,
        tenant=agents.TENANT,
        xid=told.xid,
    )
    began = time.perf_counter()
    state = await log.refresh()
    took = (time.perf_counter() - began) * 1_000
    assert (state.seq, state.voids) == (events, 0), f"{state.seq} events, {state.voids} of them void"
    return took


async def _told(hands: agents.Hands, events: int, say: Callable[[str], None]) -> Run:
    """A run with exactly so many events, nearly all of them results of a builtin."""
    contracts = {TOOL.value: page.contract(registry.FUNCTIONS[TOOL])["spec"]}
    run = await hands.begin(agents.strategy(list(contracts)), contracts)
    seq, ordinal = 2, 0
    while seq < events:
        ordinal += 1
        say(f"{seq:,} of {events:,} events written")
        seq = await _turn(run, ordinal, seq, events)
    await run.log("a1").refresh()
    return run


async def _turn(run: Run, ordinal: int, seq: int, events: int) -> int:
    """A reply, a plan of it, and its results, as far as there is room; the last event's seq."""
    left = events - seq
    calls = min(CALLS, left - 3)
    if 0 < left - 3 - calls < 4:
        calls -= 4  # a turn has four events at least: leave room for one
    await run.replied([("decimal_add", {"a": "19.90", "b": str(each)}) for each in range(calls)], ordinal)
    arguments = [agents.seal(b'{"a":"19.90","b":"%d"}' % each) for each in range(calls)]
    steps = [
        types.PlannedCall(index=index, call_id=f"call_{index}", tool=TOOL.value, args=args)
        for index, args in enumerate(arguments)
    ]
    plan = await run.append("a1", types.PlanProposed(ordinal=ordinal, steps=steps))
    for index in range(calls):
        done = types.ToolResult(
            plan_seq=plan, index=index, tool=TOOL.value, status="ok", output=agents.seal(b'{"value":"19.90"}')
        )
        seq = await run.append("a1", done)
    return seq
