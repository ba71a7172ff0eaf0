"""How does a bench get agents at work without Kubernetes? A broker, a gateway, a scripted model, and runs begun by hand.

The broker, the gateway and the model are the real programs, each a process. A run is begun as the operator would, and
the bench's own process is then its runner: the runner's own loop, on a connection with the identity of its attempt. That
loop keeps no state of its own, so one process may run many.
"""

import asyncio
import contextlib
import itertools
import os
import secrets
import sys
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import yaml
from nats.aio.client import Client

from examples.refund import testing
from hack.bench import stage
from keelstep.domain import contract, revision
from keelstep.domain.state import State
from keelstep.events import clock, registry, types, value
from keelstep.events.frame import Stored
from keelstep.kinds.contract import ToolContractSpec
from keelstep.kinds.strategy import AgentStrategySpec
from keelstep.log import subjects
from keelstep.log.client import Connection
from keelstep.log.identities import Role
from keelstep.log.objects import Objects
from keelstep.log.reader import StreamReader
from keelstep.log.spine import Author, Log, Proposal
from keelstep.testing import eventually
from keelstep.testing.broker import RunningBroker
from keelstep_runner.ask import Gateway
from keelstep_runner.loop import Loop

TENANT = "bench"
MODEL = "openai/bench-1"
START_SECONDS = 60.0
_LASTS_SECONDS = 3_600
_PRICES = {"inputUSDPerMillionTokens": "1.00", "outputUSDPerMillionTokens": "1.00"}

Spec = Mapping[str, Any]


def strategy(tools: Sequence[str], **changed: Any) -> Spec:
    """An agent that may call these as often as it likes."""
    most = 100_000
    return {
        "version": "1",
        "model": {"name": MODEL, "parameters": {"maxTokens": 64}},
        "prompt": {"template": "You are measured."},
        "tools": [{"contract": name} for name in tools],
        "limits": {
            "steps": most,
            "modelCalls": most,
            "toolCalls": most,
            "tokens": most * 10_000,
            "costUSD": "100",
        },
        "autonomy": {"maxTier": 1},
        **changed,
    }


@dataclass(slots=True, kw_only=True)
class Hands:
    """Connections and files that every run of one broker shares."""

    broker: RunningBroker
    operator: Client
    gateway: Client
    """One more gateway, which only records what was replied before a measurement."""

    @classmethod
    async def open(cls, broker: RunningBroker) -> "Hands":
        """Connect as operator and as one more gateway."""
        return cls(
            broker=broker,
            operator=await broker.connect(Role.OPERATOR),
            gateway=await broker.connect(Role.GATEWAY),
        )

    async def begin(
        self, agent: Spec, contracts: Mapping[str, Spec], *, goal: str = "Go through the plan."
    ) -> "Run":
        """A started run with its first attempt, whose runner is connected."""
        xid, objects = secrets.token_hex(16), Objects(self.operator)
        pins: dict[str, types.Pin] = {}
        for name, spec in contracts.items():
            loaded = ToolContractSpec.model_validate(spec)
            built = revision.build("ToolContract", name, loaded)
            pins[name] = types.Pin(
                digest=await objects.put_revision(TENANT, built.payload),
                tier=loaded.consequence_tier,
                estimate_micro_usd=contract.estimate_micro_usd(loaded),
                builtin=loaded.transport.builtin is not None,
            )
        strategy = revision.build("AgentStrategy", "measured", AgentStrategySpec.model_validate(agent))
        started = types.ExecStarted(
            name="measured",
            goal=seal(goal.encode(), value.TEXT),
            inputs=seal(b"{}"),
            strategy="measured",
            strategy_version="1",
            strategy_digest=await objects.put_revision(TENANT, strategy.payload),
            contracts=pins,
            budget_micro_usd=100_000_000,
            deadline=clock.text(clock.now() + _LASTS_SECONDS * clock.SECOND),
            requester="ann",
            spec_digest="0" * 64,
        )
        inbox = subjects.inbox(xid, 1)
        runner = await self.broker.connect_as(self.broker.attempt(TENANT, xid), inbox)
        run = Run(hands=self, xid=xid, runner=runner)
        await run.append("op", started, trace_id=secrets.token_hex(16))
        await run.append("op", types.ExecAttempt(attempt=1, pod="measured-a1", reason="Started"), attempt=1)
        return run


@dataclass(slots=True, kw_only=True)
class Run:
    """One execution."""

    hands: Hands
    xid: str
    runner: Connection
    _logs: dict[str, Log] = field(default_factory=dict)

    def log(self, writer: str) -> Log:
        """The log, in the hands of `op`, `gw` or `a1`."""
        if writer not in self._logs:
            installed = self.hands.broker.installation
            nc, signer = {
                "op": (self.hands.operator, installed.signer(Role.OPERATOR)),
                "gw": (self.hands.gateway, installed.signer(Role.GATEWAY)),
                "a1": (self.runner, None),
            }[writer]
            self._logs[writer] = Log(
                nc=nc,
                reader=StreamReader(self.hands.operator, 0),  # for what comes before the measurement
                author=Author(writer, 0, signer),
                keyring=installed.keyring,
                tenant=TENANT,
                xid=self.xid,
            )
        return self._logs[writer]

    async def append(
        self, writer: str, data: types.Data, *, attempt: int | None = None, trace_id: str = ""
    ) -> int:
        """Append an event as one of the hands; its seq."""
        log, name = self.log(writer), registry.NAMES[type(data)]
        await log.refresh()

        def propose(state: State) -> Proposal:
            return Proposal(
                type=name,
                data=data,
                id=secrets.token_hex(16),
                actor="bench",
                attempt=state.attempt if attempt is None else attempt,
                step=state.step,
                trace_id=trace_id,
            )

        stored = await log.append(propose)
        assert stored is not None
        return stored.seq

    async def replied(self, calls: Sequence[tuple[str, Mapping[str, Any]]], ordinal: int = 1) -> None:
        """The model's reply, recorded: it wants these calls, by its own names of tools."""
        tool_calls = [
            {
                "id": f"call_{index}",
                "type": "function",
                "function": {"name": name, "arguments": msgspec.json.encode(arguments).decode()},
            }
            for index, (name, arguments) in enumerate(calls)
        ]
        said = {"role": "assistant", "content": None, "tool_calls": tool_calls}
        response = seal(msgspec.json.encode(said), inline_limit_bytes=1_024)
        if response.ref is not None:
            objects = Objects(self.hands.operator)
            await objects.put(TENANT, self.xid, response, msgspec.json.encode(said))
        called = types.ModelCalled(
            ordinal=ordinal,
            model=MODEL,
            request=seal(b"[]"),
            reserved_micro_usd=0,
            owner="bench",
            deadline=clock.text(clock.now() + 60 * clock.SECOND),
            price_table="bench",
        )
        await self.append("gw", called)
        await self.append(
            "gw", types.ModelReplied(ordinal=ordinal, status="ok", response=response, model=MODEL)
        )

    def asking(self) -> Gateway:
        """The way its runner asks gateways."""
        return Gateway(nc=self.runner, shard=0, tenant=TENANT, xid=self.xid, attempt=1)

    def loop(self, gateway: Gateway | None = None) -> Loop:
        """Its runner's loop, as a runner's process makes it."""
        gateway = gateway or self.asking()
        spine = Log(
            nc=self.runner,
            reader=gateway,
            author=Author("a1", 0),
            keyring=self.hands.broker.installation.keyring,
            tenant=TENANT,
            xid=self.xid,
        )
        return Loop(spine=spine, gateway=gateway, objects=Objects(self.runner), attempt=1)

    async def stored(self) -> list[tuple[str, Stored]]:
        """Every event's type and what is stored of it."""
        read = await StreamReader(self.hands.operator, 0).read(TENANT, self.xid, 0)
        return [(msgspec.json.decode(each.payload, type=_Head).type, each) for each in read]


class _Head(msgspec.Struct, frozen=True):
    type: str


def seal(
    payload: bytes, media_type: str = value.JSON, inline_limit_bytes: int = value.INLINE_LIMIT_BYTES
) -> value.Value:
    """A payload's Value."""
    return value.seal(
        payload, media_type=media_type, salt=secrets.token_hex(16), inline_limit_bytes=inline_limit_bytes
    )


def steps_of(stored: Sequence[tuple[str, Stored]]) -> list[float]:
    """Milliseconds from each durable step to the next: the plan, then every result, by the broker's own clock."""
    moments = [each.stored_at for name, each in stored if name in ("plan.proposed", "tool.result")]
    return [(later - earlier) / 1e6 for earlier, later in itertools.pairwise(moments)]


@contextlib.asynccontextmanager
async def running(folder: Path, *, does_think: bool = True, gateways: int = 1) -> AsyncIterator[Hands]:
    """A broker, a scripted model and a gateway, or several, in a folder that is there, ended with the block.

    Where nothing thinks, the gateway does not load its model client.
    """
    async with (
        testing.running_model(stage.SCRIPT) as model,
        RunningBroker(folder / "broker") as broker,
        contextlib.AsyncExitStack() as stack,
    ):
        for number in range(gateways):
            home = folder / f"gateway-{number}"
            home.mkdir()
            await stack.enter_async_context(_gateway(broker, home, model, does_think))
        yield await Hands.open(broker)


@contextlib.asynccontextmanager
async def running_tool(module: str = "hack.bench.tool") -> AsyncIterator[str]:
    """The address of a tool that answers at once."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", module), stdout=asyncio.subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        async with asyncio.timeout(START_SECONDS):
            line = (await process.stdout.readline()).decode().strip()
        yield line.removeprefix("listening on ")
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


@contextlib.asynccontextmanager
async def _gateway(broker: RunningBroker, folder: Path, model: str, does_think: bool) -> AsyncIterator[None]:
    environment, log = _settings(broker, folder, model, does_think), folder / "gateway.log"
    with log.open("wb") as sink:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", "from keelstep_gateway.main import main; main()"),
            env=environment,
            stdout=sink,
            stderr=sink,
        )
    try:
        await eventually.true(
            lambda: b'"event": "ready"' in log.read_bytes() or process.returncode is not None,
            "the gateway to be ready",
            within_seconds=START_SECONDS,
        )
        assert process.returncode is None, log.read_text()[-2_000:]
        yield
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


def _settings(broker: RunningBroker, folder: Path, model: str, does_think: bool) -> dict[str, str]:
    """Write what the gateway reads; its environment."""
    installed = broker.installation
    (folder / "credentials").mkdir()
    (folder / "prices.yaml").write_text(yaml.safe_dump({"version": "bench", "models": {MODEL: _PRICES}}))
    known = {"models": [{"match": "openai/*", "baseURL": f"{model}/v1"}]}
    (folder / "providers.yaml").write_text(yaml.safe_dump(known))
    return {
        **{name: text for name, text in os.environ.items() if not name.startswith("KEELSTEP_")},
        "KEELSTEP_NATS_URL": broker.url,
        "KEELSTEP_NATS_CREDENTIALS": str(installed.credentials_file(Role.GATEWAY)),
        "KEELSTEP_SIGNING_KEY": str(installed.folder / "gateway" / "signing.key"),
        "KEELSTEP_KEYRING": str(installed.folder / "public" / "keyring.json"),
        "KEELSTEP_PRICE_TABLE": str(folder / "prices.yaml"),
        "KEELSTEP_PROVIDERS": str(folder / "providers.yaml"),
        "KEELSTEP_CREDENTIALS_SOURCE": "directory",
        "KEELSTEP_CREDENTIALS_DIR": str(folder / "credentials"),
        "KEELSTEP_PRELOAD_MODELS": str(does_think).lower(),
    }


async def warm_up(hands: Hands) -> None:
    """One run to its end that counts for nothing: the gateway loads its model client at the first call."""
    run = await hands.begin(strategy([]), {}, goal="Say so.")
    await run.loop().run()
    assert any(name == "exec.finished" for name, _ in await run.stored()), "the first run did not end"


async def all_at_once(loops: Sequence[Loop]) -> float:
    """Run these loops to their ends in this process; when they were begun, nanoseconds since 1970."""
    began = time.time_ns()
    async with asyncio.TaskGroup() as group:
        for loop in loops:
            group.create_task(loop.run())
    return began
