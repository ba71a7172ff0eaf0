"""How does a peer's program talk to the bench? A line of JSON in, a line of JSON out, until there is no more.

`{"runs": 10, "at_once": 1, "steps": 40}` → `{"steps_ms": [[…], …], "seconds": 0.7}`: for each run the time from each step to
the next, and how long all of them took together. The step is the same in all: a sum, as text, exact.
"""

import asyncio
import itertools
import json
import sys
import time
from collections.abc import Awaitable, Callable
from decimal import Decimal

Moments = list[float]
"""When each step of a run began, and when the last was done: one more than there are steps. Unit: seconds."""
Run = Callable[[int], Awaitable[Moments]]
"""One run of so many steps."""


def add(a: str, b: str) -> dict[str, str]:
    """The step: what keelstep's `decimal.add` answers."""
    return {"value": str(Decimal(a) + Decimal(b))}


async def serve(run: Run) -> None:
    """Answer orders until standard input ends; says `ready` first."""
    answer = sys.stdout
    sys.stdout = sys.stderr  # the engines print, too
    print("ready", file=answer, flush=True)
    while line := await asyncio.to_thread(sys.stdin.readline):
        order = json.loads(line)
        print(json.dumps(await measure(run, **order)), file=answer, flush=True)


async def measure(run: Run, runs: int, at_once: int, steps: int) -> dict[str, object]:
    """Make so many runs of so many steps; how long each step took."""
    free, found = asyncio.Semaphore(at_once), []

    async def one() -> None:
        async with free:
            found.append(await run(steps))

    began = time.perf_counter()
    await asyncio.gather(*(one() for _ in range(runs)))
    seconds = time.perf_counter() - began
    steps_ms = [
        [(later - earlier) * 1_000 for earlier, later in itertools.pairwise(moments)] for moments in found
    ]
    return {"steps_ms": steps_ms, "seconds": seconds}
