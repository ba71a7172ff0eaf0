"""What does governance add to a tool call? HTTP calls of tier 0 and 1 through the gateway, to a tool that answers at once.

    bare    the same request, by the same HTTP library, on a kept connection: no gateway, no contract, nothing recorded
    tier 0  a read: the runner asks, the gateway decides, calls, and records the result (one event)
    tier 1  an effect: the claim is recorded before the call, the result after it (two events)

From the runner's side: asked to answered. One run at a time, then eight at once, each with calls of its own.
"""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

import aiohttp
import uvloop

from hack.bench import agents, samples
from hack.bench.agents import Spec
from hack.bench.place import Place
from hack.bench.result import Figure, Result
from keelstep.log import ask
from keelstep_runner.ask import Answer, Gateway

BARE, TIER_0, TIER_1 = "bare HTTP call", "keelstep, tier 0", "keelstep, tier 1"
WHO = (BARE, TIER_0, TIER_1)
TARGETS = {BARE: 0.0, TIER_0: 1.5, TIER_1: 2.5}
AT_ONCE = 8
CALLS = 40
"""Of one run: one plan."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """How many runs of forty calls."""

    runs: int
    """One after the other, in one repetition."""
    repetitions: int


FULL = Sizes(runs=10, repetitions=5)
SMOKE = Sizes(runs=1, repetitions=1)


@dataclass(slots=True, kw_only=True)
class Timed(Gateway):
    """A runner's way to ask, with a watch."""

    took: list[float] = field(default_factory=list)
    """Milliseconds of each tool call."""

    async def tool(self, request: ask.AskTool) -> Answer:
        """Have a planned call made."""
        began = time.perf_counter()
        answer = await Gateway.tool(self, request)
        self.took.append((time.perf_counter() - began) * 1_000)
        return answer


@dataclass(slots=True)
class _Seen:
    """One caller's repetitions."""

    took: list[list[float]] = field(default_factory=list)
    """Milliseconds of a call, with none beside it."""
    busy: list[list[float]] = field(default_factory=list)
    """… with seven beside it."""
    rate: list[float] = field(default_factory=list)
    """Calls a second, eight in flight."""


def contract(url: str, tier: int) -> Spec:
    """A contract of the tool; a call of tier 1 is an effect, made once."""
    http = (
        {"method": "GET", "url": f"{url}/orders/{{number}}"}
        if tier == 0
        else {"method": "POST", "url": f"{url}/effects"}
    )
    effect = (
        {"sideEffect": "ReadOnly"}
        if tier == 0
        else {"sideEffect": "Reversible", "idempotency": {"mode": "PerCall"}}
    )
    return {
        "description": "Answer at once.",
        **effect,
        "consequenceTier": tier,
        "schema": {
            "input": {
                "type": "object",
                "required": ["number"],
                "additionalProperties": False,
                "properties": {"number": {"type": "integer", "minimum": 0}},
            },
            "output": {"type": "object", "required": ["done"], "properties": {"done": {"type": "string"}}},
        },
        "timeoutSeconds": 10,
        "transport": {"http": http},
    }


def run(place: Place) -> Result:
    """Make calls of each kind, in turns."""
    folder = place.folder / "tool-call"
    folder.mkdir()
    sizes = place.choose(FULL, SMOKE)
    seen: dict[str, _Seen] = {who: _Seen() for who in WHO}

    async def measure() -> None:
        async with agents.running(folder) as hands, agents.running_tool() as url:
            await agents.warm_up(hands)
            for who in WHO:
                await _calls(hands, url, who, 1)
            for repetition in range(sizes.repetitions):
                place.step.update(f"repetition {repetition + 1} of {sizes.repetitions}")
                await asyncio.to_thread(place.calm.wait)
                for who in WHO:
                    await _repeat(hands, url, who, sizes, seen[who])

    uvloop.run(measure())
    figures = [figure for who in WHO for figure in _figures(who, seen[who])]
    return Result(
        figures=figures,
        sizes={"calls": sizes.runs * CALLS, "at_once": AT_ONCE, "repetitions": sizes.repetitions},
        notes=[
            "tool, gateway, broker and the asking runner share the machine; every event is synced to disk",
            "bare: aiohttp, as in the gateway; ratios: to the bare call",
        ],
    )


async def _repeat(hands: agents.Hands, url: str, who: str, sizes: Sizes, into: _Seen) -> None:
    alone: list[float] = []
    for _ in range(sizes.runs):
        took, _ = await _calls(hands, url, who, 1)
        alone += took
    busy, seconds = await _calls(hands, url, who, AT_ONCE)
    into.took.append(alone)
    into.busy.append(busy)
    into.rate.append(len(busy) / seconds)


async def _calls(hands: agents.Hands, url: str, who: str, at_once: int) -> tuple[list[float], float]:
    """Forty calls of each of so many callers: how long each took, in milliseconds, and all together, in seconds."""
    if who == BARE:
        return await _bare(url, at_once)
    tier = WHO.index(who) - 1
    contracts: Mapping[str, Spec] = {"answer.now": contract(url, tier)}
    runs = [await hands.begin(agents.strategy(list(contracts)), contracts) for _ in range(at_once)]
    asking = [Timed(nc=each.runner, shard=0, tenant=agents.TENANT, xid=each.xid, attempt=1) for each in runs]
    for each in runs:
        await each.replied([("answer_now", {"number": number}) for number in range(CALLS)])
    await agents.all_at_once([each.loop(gateway) for each, gateway in zip(runs, asking, strict=True)])
    moments: list[int] = []
    for each in runs:
        stored = await each.stored()
        moments += [event.stored_at for name, event in stored if name in ("plan.proposed", "tool.result")]
        done = [name for name, _ in stored]
        assert done.count("tool.result") == CALLS, done
        assert done.count("tool.called") == CALLS * tier, done
        await each.runner.close()
    took = [call for gateway in asking for call in gateway.took]
    assert len(took) == CALLS * at_once, f"{len(took)} calls were made"
    return took, (max(moments) - min(moments)) / 1e9


async def _bare(url: str, at_once: int) -> tuple[list[float], float]:
    took: list[float] = []
    async with aiohttp.ClientSession() as session:

        async def caller() -> None:
            for number in range(CALLS):
                began = time.perf_counter()
                async with session.get(f"{url}/orders/{number}") as answer:
                    await answer.json()
                took.append((time.perf_counter() - began) * 1_000)

        began = time.perf_counter()
        await asyncio.gather(*(caller() for _ in range(at_once)))
    return took, time.perf_counter() - began


def _figures(who: str, seen: _Seen) -> list[Figure]:
    reference = "" if who == BARE else BARE
    latencies = [("a call, none beside it", seen.took), (f"a call, {AT_ONCE} in flight", seen.busy)]
    found = [
        Figure(
            subject=who,
            measure=measure,
            unit="ms",
            values=samples.quantiles(values),
            samples=len(values[0]),
            repetitions=len(values),
            reference=reference,
            target={"p50": TARGETS[who]} if TARGETS[who] and values is seen.took else {},
        )
        for measure, values in latencies
    ]
    rate = Figure(
        subject=who,
        measure=f"calls, {AT_ONCE} in flight",
        unit="calls/s",
        values={"value": samples.spread(seen.rate)},
        samples=len(seen.busy[0]),
        repetitions=len(seen.rate),
        reference=reference,
    )
    return [*found, rate]
