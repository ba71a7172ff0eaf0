"""What does governance add to a tool call? Calls of a tool that answers at once, through the gateway and without it.

    bare HTTP    the request by the gateway's own HTTP library, on a kept connection: no contract, nothing recorded
    tier 0       a read: the runner asks, the gateway decides, calls, and records the result (one event)
    tier 1       an effect: the claim is recorded before the call, the result after it (two events)
    bare MCP     a tool of the official SDK's server, by the SDK's client in an open session, by streamable HTTP
    MCP          the same through the gateway, a read

From the runner's side: asked to answered. One run at a time, then eight at once, each with calls of its own.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field

import aiohttp
import mcp
import uvloop

from hack.bench import agents, mcp_tool, samples
from hack.bench.agents import Spec
from hack.bench.place import Place
from hack.bench.result import Figure, Result
from keelstep.log import ask
from keelstep_runner.ask import Answer, Gateway

AT_ONCE = 8
CALLS = 40
"""Of one run: one plan."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """One way to call the tool."""

    name: str
    tier: int | None = None
    """None past the gateway."""
    is_mcp: bool = False
    overhead_ms: float = 0.0
    """What the gateway may add to p50, none beside it. By HTTP all of it, too: the tool's own time is next to nothing."""
    rate: float = 0.0
    """Calls a second, eight in flight: at least."""

    @property
    def reference(self) -> str:
        """What it is compared with."""
        if self.tier is None:
            return ""
        return BARE_MCP.name if self.is_mcp else BARE.name


BARE, BARE_MCP = Way(name="bare HTTP call"), Way(name="bare MCP call", is_mcp=True)
WAYS = (
    BARE,
    Way(name="keelstep, tier 0", tier=0, overhead_ms=1.5, rate=800),
    Way(name="keelstep, tier 1", tier=1, overhead_ms=2.5, rate=400),
    BARE_MCP,
    Way(name="keelstep, MCP", tier=0, is_mcp=True, overhead_ms=4),
)


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
    return _contract({"http": http}, consequenceTier=tier, **effect)


def contract_of_mcp(url: str) -> Spec:
    """A contract of the MCP server's tool."""
    reached = {"mcp": {"tool": mcp_tool.TOOL, "http": {"url": url}}}
    return _contract(reached, sideEffect="ReadOnly", consequenceTier=0)


def _contract(transport: Spec, **said: object) -> Spec:
    return {
        "description": "Answer at once.",
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
        "transport": transport,
        **said,
    }


def run(place: Place) -> Result:
    """Make calls of each kind, in turns."""
    folder = place.folder / "tool-call"
    folder.mkdir()
    sizes = place.choose(FULL, SMOKE)
    seen: dict[str, _Seen] = {way.name: _Seen() for way in WAYS}

    async def measure() -> None:
        async with (
            agents.running(folder) as hands,
            agents.running_tool() as url,
            agents.running_tool("hack.bench.mcp_tool") as mcp_url,
        ):
            await agents.warm_up(hands)
            for way in WAYS:
                await _calls(hands, mcp_url if way.is_mcp else url, way, 1)
            for repetition in range(sizes.repetitions):
                place.step.update(f"repetition {repetition + 1} of {sizes.repetitions}")
                await asyncio.to_thread(place.calm.wait)
                for way in WAYS:
                    await _repeat(hands, mcp_url if way.is_mcp else url, way, sizes, seen[way.name])

    uvloop.run(measure())
    return Result(
        figures=[figure for way in WAYS for figure in _figures(way, seen)],
        sizes={"calls": sizes.runs * CALLS, "at_once": AT_ONCE, "repetitions": sizes.repetitions},
        notes=[
            "tool, gateway, broker and the asking runner share the machine; every event is synced to disk",
            "bare: aiohttp, as in the gateway, and the MCP SDK's own client; ratios: to the bare call",
            "overhead: p50 less the bare call's p50 of the same repetition",
        ],
    )


async def _repeat(hands: agents.Hands, url: str, way: Way, sizes: Sizes, into: _Seen) -> None:
    alone: list[float] = []
    for _ in range(sizes.runs):
        took, _ = await _calls(hands, url, way, 1)
        alone += took
    busy, seconds = await _calls(hands, url, way, AT_ONCE)
    into.took.append(alone)
    into.busy.append(busy)
    into.rate.append(len(busy) / seconds)


async def _calls(hands: agents.Hands, url: str, way: Way, at_once: int) -> tuple[list[float], float]:
    """Forty calls of each of so many callers: how long each took, in milliseconds, and all together, in seconds."""
    if way.tier is None:
        return await (_bare_mcp if way.is_mcp else _bare)(url, at_once)
    contracts = {"answer.now": contract_of_mcp(url) if way.is_mcp else contract(url, way.tier)}
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
        assert done.count("tool.called") == CALLS * way.tier, done
        await each.runner.close()
    took = [call for gateway in asking for call in gateway.took]
    assert len(took) == CALLS * at_once, f"{len(took)} calls were made"
    return took, (max(moments) - min(moments)) / 1e9


async def _bare(url: str, at_once: int) -> tuple[list[float], float]:
    async with aiohttp.ClientSession() as session:

        async def call(number: int) -> None:
            async with session.get(f"{url}/orders/{number}") as answer:
                await answer.json()

        return await _timed(call, at_once)


async def _bare_mcp(url: str, at_once: int) -> tuple[list[float], float]:
    async with mcp.Client(url) as client:

        async def call(number: int) -> None:
            answer = await client.call_tool(mcp_tool.TOOL, {"number": number})
            assert answer.structured_content == {"done": "yes"}, answer

        return await _timed(call, at_once)


async def _timed(call: Callable[[int], Awaitable[None]], at_once: int) -> tuple[list[float], float]:
    took: list[float] = []

    async def caller() -> None:
        for number in range(CALLS):
            began = time.perf_counter()
            await call(number)
            took.append((time.perf_counter() - began) * 1_000)

    began = time.perf_counter()
    await asyncio.gather(*(caller() for _ in range(at_once)))
    return took, time.perf_counter() - began


def _figures(way: Way, all_seen: dict[str, _Seen]) -> Iterator[Figure]:
    seen = all_seen[way.name]
    latencies = [("a call, none beside it", seen.took), (f"a call, {AT_ONCE} in flight", seen.busy)]
    for measure, values in latencies:
        is_aim = values is seen.took and way.reference
        yield Figure(
            subject=way.name,
            measure=measure,
            unit="ms",
            values=samples.quantiles(values),
            samples=len(values[0]),
            repetitions=len(values),
            reference=way.reference,
            target={"p50": way.overhead_ms} if is_aim and not way.is_mcp else {},
        )
    if way.reference:
        bare = all_seen[way.reference].took
        added = [_median(ours) - _median(theirs) for ours, theirs in zip(seen.took, bare, strict=True)]
        yield Figure(
            subject=way.name,
            measure="overhead of a call, none beside it",
            unit="ms",
            values={"value": samples.spread([max(0.0, each) for each in added])},
            samples=len(seen.took[0]),
            repetitions=len(seen.took),
            target={"at most": way.overhead_ms},
        )
    yield Figure(
        subject=way.name,
        measure=f"calls, {AT_ONCE} in flight",
        unit="calls/s",
        values={"value": samples.spread(seen.rate)},
        samples=len(seen.busy[0]),
        repetitions=len(seen.rate),
        reference=way.reference,
        target={"at least": way.rate} if way.rate else {},
    )


def _median(values: list[float]) -> float:
    return samples.percentile(values, 0.5)
