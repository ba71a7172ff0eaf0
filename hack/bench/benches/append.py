"""What does one durable event cost its writer? Fenced, fsynced, one after the other, from the writer's side.

Each round tells real turns of one run, so every event is valid and of the usual size:

    gateway (account CORE, signs)      claims and results of a plan with effects
    runner  (account RUN, no key)      results of a plan of builtin calls
    bare nats publish (account CORE)   the same bytes, acknowledged, without fence, signature or fold: the reference

The three take turns within a round, so that whatever else the machine does meets all of them alike.
"""

import asyncio
import secrets
import time
from collections.abc import Awaitable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import uvloop
from nats.aio.client import Client

from hack.bench import samples
from hack.bench.place import Place
from hack.bench.result import Figure, Result
from keelstep.domain.state import State
from keelstep.events import envelope, types
from keelstep.log import subjects
from keelstep.log.identities import Role
from keelstep.log.reader import StreamReader
from keelstep.log.spine import Author, Log, Proposal
from keelstep.testing import builders
from keelstep.testing.broker import RunningBroker

T = TypeVar("T")

TENANT = "bench"
CALLS = 20
"""Of one plan with effects: two events each."""
BUILTINS = 40
"""Of one plan of builtin calls: an event each."""
GATEWAY, RUNNER, BARE = "keelstep gateway", "keelstep runner", "bare nats publish"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """How much is appended, how often."""

    rounds: int
    """Of 40 appends by each writer, in one log."""
    repetitions: int


FULL = Sizes(rounds=50, repetitions=5)
SMOKE = Sizes(rounds=1, repetitions=2)


def run(place: Place) -> Result:
    """Append to logs of a broker of its own."""
    sizes = place.choose(FULL, SMOKE)
    folder = place.folder / "append"
    folder.mkdir()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        measured = runner.run(_measure(place, sizes, folder))
    cpu = [each.cpu_milliseconds for each in measured]
    figures = [
        Figure(
            subject=subject,
            measure="append",
            unit="ms",
            values=samples.quantiles([each.took[subject] for each in measured]),
            samples=len(measured[0].took[subject]),
            repetitions=len(measured),
            reference="" if subject == BARE else BARE,
            target={} if subject == BARE else {"p50": 0.8},
        )
        for subject in (BARE, RUNNER, GATEWAY)
    ]
    figures += [
        Figure(
            subject=subject,
            measure="append, CPU of the writer",
            unit="ms",
            values={"value": samples.spread([each[subject] for each in cpu])},
            samples=len(measured[0].took[subject]),
            repetitions=len(measured),
            reference="" if subject == BARE else BARE,
        )
        for subject in (BARE, RUNNER, GATEWAY)
    ]
    bytes_each = round(measured[0].mean_bytes)
    return Result(
        figures=figures,
        sizes={
            "appends": sizes.rounds * BUILTINS,
            "event_bytes_mean": bytes_each,
            "repetitions": sizes.repetitions,
        },
        notes=[
            "one writer at a time; sync_interval: always, so every append waits for an fsync; uvloop as in the programs"
        ],
    )


@dataclass(slots=True)
class _Measured:
    """One repetition, in milliseconds."""

    took: dict[str, list[float]] = field(default_factory=lambda: {who: [] for who in (BARE, RUNNER, GATEWAY)})
    cpu: dict[str, float] = field(default_factory=lambda: dict.fromkeys((BARE, RUNNER, GATEWAY), 0.0))
    bytes: list[int] = field(default_factory=list)

    @property
    def cpu_milliseconds(self) -> dict[str, float]:
        """CPU time of this process for one append."""
        return {who: spent * 1_000 / len(self.took[who]) for who, spent in self.cpu.items()}

    @property
    def mean_bytes(self) -> float:
        """Of the events."""
        return sum(self.bytes) / len(self.bytes)


async def _measure(place: Place, sizes: Sizes, folder: Path) -> list[_Measured]:
    found: list[_Measured] = []
    async with RunningBroker(folder) as broker:
        for repetition in range(sizes.repetitions):
            place.step.update(f"repetition {repetition + 1} of {sizes.repetitions}")
            place.calm.wait()
            writers = await _Writers.connect(broker)
            found.append(await writers.measure(sizes.rounds))
    return found


@dataclass(slots=True, kw_only=True)
class _Writers:
    """Everybody who writes one run's log."""

    xid: str
    operator: Log
    gateway: Log
    runner: Log
    bare: Client
    measured: _Measured = field(default_factory=_Measured)

    @classmethod
    async def connect(cls, broker: RunningBroker) -> "_Writers":
        """A new run."""
        xid, installed = secrets.token_hex(16), broker.installation
        operator, gateway = await broker.connect(Role.OPERATOR), await broker.connect(Role.GATEWAY)
        runner = await broker.connect_as(broker.attempt(TENANT, xid), subjects.inbox(xid, 1))

        def log(nc: Client, author: Author) -> Log:
            # a runner reads through the gateway; here that is never timed
            reader = StreamReader(gateway, 0)
            return Log(nc=nc, reader=reader, author=author, keyring=installed.keyring, tenant=TENANT, xid=xid)

        return cls(
            xid=xid,
            operator=log(operator, Author("op", 0, installed.signer(Role.OPERATOR))),
            gateway=log(gateway, Author("gw", 0, installed.signer(Role.GATEWAY))),
            runner=log(runner, Author("a1", 0)),
            bare=gateway,
        )

    async def measure(self, rounds: int) -> _Measured:
        """Begin the run and tell so many rounds of it."""
        begun = builders.log(self.xid, TENANT).started().attempt()
        for event in begun.events:
            await _append(self.operator, event.type, event.data)
        for number in range(rounds):
            await self._effects(number)
            await self._builtins(number)
            await self._bare()
        return self.measured

    async def _effects(self, number: int) -> None:
        """A plan of calls with effects: the gateway claims and settles each."""
        told = await self._turn(number, ["credit.grant"] * CALLS)
        assert told.plan is not None
        for index, call in enumerate(told.plan.steps):
            claim = types.ToolCalled(
                plan_seq=told.plan.seq,
                index=index,
                tool=call.tool,
                args=call.args,
                contract_digest=told.pins[call.tool].digest,
                idempotency_key=secrets.token_hex(16),
                estimate_micro_usd=0,
                tier=1,
                owner="gw-bench",
                deadline="2100-01-01T00:00:00Z",
            )
            claimed = await self._timed(GATEWAY, _append(self.gateway, "tool.called", claim))
            settled = types.ToolResult(
                plan_seq=told.plan.seq,
                index=index,
                tool=call.tool,
                status="ok",
                claim_seq=claimed.seq,
                output=builders.value({"credit_id": f"cr-{index}", "status": "granted"}),
            )
            await self._timed(GATEWAY, _append(self.gateway, "tool.result", settled))

    async def _builtins(self, number: int) -> None:
        """A plan of builtin calls: the runner records each."""
        told = await self._turn(number, ["math.add"] * BUILTINS)
        assert told.plan is not None
        for index in range(BUILTINS):
            done = types.ToolResult(
                plan_seq=told.plan.seq,
                index=index,
                tool="math.add",
                status="ok",
                output=builders.value({"sum": index}),
            )
            event = await self._timed(RUNNER, _append(self.runner, "tool.result", done))
            self.measured.bytes.append(len(envelope.encode(event.envelope)))

    async def _bare(self) -> None:
        """The same bytes again, by nothing but the client library."""
        subject = subjects.spine(0, TENANT, f"{self.xid}-bare", "gw")
        payload = bytes(round(self.measured.mean_bytes))
        for _ in range(BUILTINS):
            await self._timed(BARE, self.bare.request(subject, payload, timeout=5))

    async def _turn(self, number: int, tools: list[str]) -> State:
        """A model's reply and the plan made of it, not timed; the state after it, as everybody knows it."""
        ordinal = (await self.gateway.refresh()).ordinal + 1
        called = types.ModelCalled(
            ordinal=ordinal,
            model="scripted",
            request=builders.value([{"role": "user", "content": f"turn {number}"}]),
            reserved_micro_usd=0,
            owner="gw-bench",
            deadline="2100-01-01T00:00:00Z",
            price_table="bench",
        )
        await _append(self.gateway, "model.called", called)
        replied = types.ModelReplied(
            ordinal=ordinal, status="ok", response=builders.value({"role": "assistant"}), model="scripted"
        )
        await _append(self.gateway, "model.replied", replied)
        steps = [
            types.PlannedCall(
                index=index, call_id=f"c{index}", tool=tool, args=builders.value({"n": [number, index]})
            )
            for index, tool in enumerate(tools)
        ]
        await self.runner.refresh()
        await _append(self.runner, "plan.proposed", types.PlanProposed(ordinal=ordinal, steps=steps))
        return await self.gateway.refresh()

    async def _timed(self, who: str, work: Awaitable[T]) -> T:
        spent, began = time.process_time(), time.perf_counter()
        done = await work
        self.measured.took[who].append((time.perf_counter() - began) * 1_000)
        self.measured.cpu[who] += time.process_time() - spent
        return done


async def _append(log: Log, name: str, data: types.Data) -> envelope.Event:
    def propose(state: State) -> Proposal:
        attempt = data.attempt if isinstance(data, types.ExecAttempt) else state.attempt
        return Proposal(
            type=name,
            data=data,
            id=envelope.identifier(state.xid, name, state.seq + 1),
            actor="bench",
            attempt=attempt,
            step=state.step,
            trace_id="7" * 32,
        )

    if log.state.started is None or name == "plan.proposed":
        await log.refresh()
    stored = await log.append(propose)
    assert stored is not None
    return stored
