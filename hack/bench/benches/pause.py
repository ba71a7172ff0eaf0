"""How soon is a tool left alone that wants fewer calls? Three gateways, and 24 runs that call it without a pause.

From one moment on the tool answers 429, *come back in ten minutes*. One gateway hears it first, and tells the others. By
the tool's own books: from its first 429 until the last call came to it, and how many came in between. The contract says
nothing of a rate.
"""

import asyncio
import json
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import uvloop

from hack.bench import agents, samples
from hack.bench.agents import Spec
from hack.bench.benches import tool_call
from hack.bench.place import Place
from hack.bench.result import Figure, Result

TOOK, CAME = "first 429 → last call that came to the tool", "calls that came after it"
TARGET_MS = 1_000.0
GATEWAYS = 3
CALLS = 40
"""Of one run: one plan."""
QUIET_SECONDS = 3.0
"""The tool is left alone once nothing came for so long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """How many runs call, and how often all of that is done."""

    runs: int
    trials: int
    before: int
    """Calls that are answered before the first 429."""


FULL = Sizes(runs=24, trials=20, before=240)
SMOKE = Sizes(runs=3, trials=1, before=6)


@dataclass(slots=True)
class _Seen:
    took: list[float] = field(default_factory=list)
    """Milliseconds, one for each trial."""
    came: list[float] = field(default_factory=list)


def contract(url: str, before: int) -> Spec:
    """A contract of an effect, made once: of a tool that answers so many calls."""
    found: dict[str, Any] = {**tool_call.contract(url, 1)}
    found["transport"] = {"http": {"method": "POST", "url": f"{url}/answers/{before}"}}
    found["failurePolicy"] = {"maxAttempts": 1, "notPerformed": [429]}
    found["timeoutSeconds"] = 600
    return found


def run(place: Place) -> Result:
    """Have a tool want fewer calls."""
    folder = place.folder / "pause"
    folder.mkdir()
    sizes = place.choose(FULL, SMOKE)
    seen = _Seen()

    async def measure() -> None:
        async with agents.running(folder, does_think=False, gateways=GATEWAYS) as hands:
            for trial in range(sizes.trials):
                place.step.update(f"trial {trial + 1} of {sizes.trials}")
                await asyncio.to_thread(place.calm.wait)
                await _trial(hands, f"busy-{trial}", sizes, seen)

    uvloop.run(measure())
    return Result(
        figures=[
            Figure(
                subject="keelstep",
                measure=TOOK,
                unit="ms",
                values=samples.quantiles([seen.took]),
                samples=sizes.trials,
                repetitions=1,
                target={"p99": TARGET_MS},
            ),
            Figure(
                subject="keelstep",
                measure=CAME,
                unit="calls",
                values={"value": samples.spread(seen.came)},
                samples=sizes.trials,
                repetitions=1,
            ),
        ],
        sizes={"runs": sizes.runs, "trials": sizes.trials, "before": sizes.before, "gateways": GATEWAYS},
        notes=["calls that were on their way at the first 429 count: nobody can call them back"],
    )


async def _trial(hands: agents.Hands, name: str, sizes: Sizes, into: _Seen) -> None:
    """A tool of its own, so that no earlier pause holds."""
    async with agents.running_tool() as url:
        contracts = {name: contract(url, sizes.before)}
        runs = [await hands.begin(agents.strategy([name]), contracts) for _ in range(sizes.runs)]
        for each in runs:
            await each.replied([(name, {"number": number}) for number in range(CALLS)])
        calling = [asyncio.create_task(each.loop().run()) for each in runs]
        times = await _until_quiet(url, sizes.before)
        for task in calling:
            task.cancel()
        await asyncio.gather(*calling, return_exceptions=True)
        for each in runs:
            await each.runner.close()
    first, last = times[sizes.before], times[-1]
    into.took.append((last - first) / 1e6)
    into.came.append(float(len(times) - sizes.before - 1))


async def _until_quiet(url: str, before: int) -> Sequence[int]:
    """When each call came, once none comes any more."""
    times: list[int] = []
    async with asyncio.timeout(agents.START_SECONDS):
        while True:
            found = await asyncio.to_thread(_books, url)
            if len(found) > before and len(found) == len(times):
                return found
            times = found
            await asyncio.sleep(QUIET_SECONDS)


def _books(url: str) -> list[int]:
    with urllib.request.urlopen(f"{url}/calls?since=0", timeout=10) as reply:
        found: list[int] = json.load(reply)["since"]
    return found
