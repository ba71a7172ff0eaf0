"""Who plays operator and runner? A run with their own identities, which appends what they would.

A third hand, `other`, writes as a gateway that is none of the running ones: with it a test makes a log that a gateway
finds, such as a model's reply or a claim whose owner is gone.
"""

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from nats.aio.client import Client

from keelstep.domain import canonical, contract, revision, unwind
from keelstep.domain.state import Place, State
from keelstep.events import clock, envelope, frame, registry, types
from keelstep.events import value as values
from keelstep.events.envelope import Cost
from keelstep.events.value import Value
from keelstep.kinds.contract import ToolContractSpec
from keelstep.kinds.strategy import AgentStrategySpec
from keelstep.log import ask, subjects
from keelstep.log.identities import Role
from keelstep.log.objects import Objects
from keelstep.log.reader import StreamReader
from keelstep.log.spine import Author, Log, Proposal
from keelstep.testing.broker import RunningBroker

NOBODY = "nobody"
"""An owner that no process has."""
ANSWER_SECONDS = 180.0

Spec = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """A gateway's final reply, and how often it said before that it was at it."""

    kind: ask.Reply
    payload: bytes
    heartbeats: int

    @property
    def refusal(self) -> ask.Refusal:
        """Why it refused."""
        assert self.kind is ask.Reply.REFUSED, f"{self.kind}: {self.payload[:300]!r}"
        return msgspec.json.decode(self.payload, type=ask.Refusal)

    @property
    def messages(self) -> list[frame.Stored]:
        """What is stored."""
        assert self.kind is ask.Reply.EVENTS, f"{self.kind}: {self.payload[:300]!r}"
        return list(frame.unpack(self.payload))


@dataclass(slots=True, kw_only=True)
class Stage:
    """The connections that runs share."""

    broker: RunningBroker
    operator: Client
    other: Client

    @classmethod
    async def open(cls, broker: RunningBroker) -> "Stage":
        """Connect as operator and as one more gateway."""
        return cls(
            broker=broker,
            operator=await broker.connect(Role.OPERATOR),
            other=await broker.connect(Role.GATEWAY),
        )


@dataclass(slots=True, kw_only=True)
class Run:
    """One execution."""

    stage: Stage
    tenant: str
    xid: str
    contracts: Mapping[str, ToolContractSpec]
    op: Log
    gw: Log
    runner: Log
    runner_nc: Client
    attempt: int = 1

    @classmethod
    async def start(
        cls,
        stage: Stage,
        tenant: str,
        strategy: Spec,
        contracts: Mapping[str, Spec],
        *,
        budget_micro_usd: int = 10_000_000,
        lasts_seconds: int = 3600,
        goal: Value | None = None,
        inputs: Value | None = None,
    ) -> "Run":
        """A started run with its first attempt."""
        xid = secrets.token_hex(16)
        objects = Objects(stage.operator)
        pins: dict[str, types.Pin] = {}
        specs: dict[str, ToolContractSpec] = {}
        for name, spec in contracts.items():
            specs[name] = ToolContractSpec.model_validate(spec)
            payload = revision.build("ToolContract", name, specs[name]).payload
            pins[name] = types.Pin(
                digest=await objects.put_revision(tenant, payload),
                tier=specs[name].consequence_tier,
                estimate_micro_usd=contract.estimate_micro_usd(specs[name]),
                builtin=specs[name].transport.builtin is not None,
                undo=getattr(specs[name].compensation, "contract", ""),
                ages=specs[name].freshness is not None,
                cached=specs[name].cache is not None,
            )
        agent = revision.build("AgentStrategy", "support-agent", AgentStrategySpec.model_validate(strategy))
        started = types.ExecStarted(
            name="run",
            goal=goal or seal(b"Order 1042 arrived with a chipped mug.", values.TEXT),
            inputs=inputs or seal(b"{}"),
            strategy="support-agent",
            strategy_version="1",
            strategy_digest=await objects.put_revision(tenant, agent.payload),
            contracts=pins,
            budget_micro_usd=budget_micro_usd,
            deadline=clock.text(clock.now() + lasts_seconds * clock.SECOND),
            requester="ann",
            spec_digest="0" * 64,
        )
        runner_nc = await cls._runner(stage, tenant, xid, 1)
        run = cls(
            stage=stage,
            tenant=tenant,
            xid=xid,
            contracts=specs,
            op=_log(stage, stage.operator, tenant, xid, Role.OPERATOR),
            gw=_log(stage, stage.other, tenant, xid, Role.GATEWAY),
            runner=_log(stage, runner_nc, tenant, xid, None, 1),
            runner_nc=runner_nc,
        )
        await run.append(run.op, started, trace_id=secrets.token_hex(16))
        await run.append(run.op, types.ExecAttempt(attempt=1, pod="run-a1", reason="Started"), attempt=1)
        return run

    async def next_attempt(self) -> None:
        """The operator begins another attempt; from now on the driver is its runner."""
        self.attempt += 1
        data = types.ExecAttempt(attempt=self.attempt, pod=f"run-a{self.attempt}", reason="RunnerCrashed")
        await self.append(self.op, data, attempt=self.attempt)
        self.runner_nc = await self._runner(self.stage, self.tenant, self.xid, self.attempt)
        self.runner = _log(self.stage, self.runner_nc, self.tenant, self.xid, None, self.attempt)

    async def append(
        self,
        log: Log,
        data: types.Data,
        *,
        type_name: str = "",
        cost: Cost = envelope.FREE,
        attempt: int | None = None,
        trace_id: str = "",
    ) -> envelope.Event:
        """Append an event as one of the hands."""
        await log.refresh()
        name = type_name or registry.NAMES[type(data)]

        def propose(state: State) -> Proposal:
            return Proposal(
                type=name,
                data=data,
                id=secrets.token_hex(16),
                actor="test",
                attempt=state.attempt if attempt is None else attempt,
                step=state.step,
                cost=cost,
                trace_id=trace_id,
            )

        event = await log.append(propose)
        assert event is not None
        return event

    async def replied(self, ordinal: int = 1) -> None:
        """A model call with a reply, as some gateway made it."""
        called = types.ModelCalled(
            ordinal=ordinal,
            model="openai/shop-scripted-1",
            request=seal(b"[]"),
            reserved_micro_usd=0,
            owner=NOBODY,
            deadline=clock.text(clock.now()),
            price_table="test",
        )
        await self.append(self.gw, called)
        reply = types.ModelReplied(
            ordinal=ordinal, status="ok", response=seal(b'{"role":"assistant","content":"x"}')
        )
        await self.append(self.gw, reply)

    async def plan(self, *calls: tuple[str, Mapping[str, Any]], ordinal: int = 1) -> int:
        """A plan of these calls, after a model's reply; its seq."""
        if ordinal > (await self.state()).ordinal:
            await self.replied(ordinal)
        steps = [
            types.PlannedCall(
                index=index, call_id=f"c{index}", tool=tool, args=seal(canonical.dumps(dict(args)))
            )
            for index, (tool, args) in enumerate(calls)
        ]
        for step, (_, args) in zip(steps, calls, strict=True):
            if step.args.ref is not None:
                objects = Objects(self.runner_nc)
                await objects.put(self.tenant, self.xid, step.args, canonical.dumps(dict(args)))
        return (await self.append(self.runner, types.PlanProposed(ordinal=ordinal, steps=steps))).seq

    async def claimed(self, plan_seq: int, index: int = 0, *, deadline_seconds: float = 30) -> int:
        """A claim by an owner that does not exist; its seq."""
        state = await self.state()
        planned = state.step_at((plan_seq, index))
        assert planned is not None
        spec = self.contracts[planned.tool]
        args = canonical.loads(values.open_inline(planned.args) or b"{}")
        pin = state.pins[planned.tool]
        data = types.ToolCalled(
            plan_seq=plan_seq,
            index=index,
            tool=planned.tool,
            args=planned.args,
            contract_digest=pin.digest,
            idempotency_key=contract.idempotency_key(self.xid, planned.tool, spec, args, (plan_seq, index)),
            estimate_micro_usd=pin.estimate_micro_usd,
            tier=pin.tier,
            owner=NOBODY,
            deadline=clock.text(clock.now() + int(deadline_seconds * clock.SECOND)),
        )
        return (await self.append(self.gw, data)).seq

    async def gate(self, plan_seq: int, index: int = 0) -> None:
        """The runner asks a person."""
        data = types.GateRequested(plan_seq=plan_seq, index=index, consequence_tier=3)
        await self.append(self.runner, data)

    async def decided(self, plan_seq: int, index: int = 0, **changed: Any) -> None:
        """The operator records the answer; an approval for exactly this call unless changed."""
        state = await self.state()
        place = (plan_seq, index)
        planned = state.step_at(place)
        assert planned is not None
        given = {
            "plan_seq": plan_seq,
            "index": index,
            "request_seq": state.gates[place].request_seq,
            "verdict": "approved",
            "args_digest": planned.args.digest,
            "contract_digest": state.pins[planned.tool].digest,
            "valid_until": clock.text(clock.now() + 60 * clock.SECOND),
        }
        await self.append(self.op, types.GateDecided(**{**given, **changed}))

    async def model(self, messages: Sequence[Any] | None = None, ordinal: int = 1) -> Said:
        """Ask for a model call."""
        payload = msgspec.json.encode(messages if messages is not None else conversation())
        request = seal(payload)
        if request.ref is not None:
            await Objects(self.runner_nc).put(self.tenant, self.xid, request, payload)
        after = self.runner.state.position
        return await self.ask("model", ask.AskModel(ordinal=ordinal, request=request, after=after))

    async def tool(self, plan_seq: int, index: int = 0, *, patience_seconds: float = 3.0) -> Said:
        """Ask for a planned call."""
        request = ask.AskTool(plan_seq=plan_seq, index=index, after=self.runner.state.position)
        return await self.ask("tool", request, patience_seconds=patience_seconds)

    async def heartbeat_of_tool(self, plan_seq: int, index: int = 0) -> bool:
        """Ask for a planned call; true once some gateway says that it is at it."""
        request = msgspec.json.encode(ask.AskTool(plan_seq=plan_seq, index=index, after=0))
        inbox = self.runner_nc.new_inbox()
        subscription = await self.runner_nc.subscribe(inbox)
        try:
            subject = subjects.call(0, self.tenant, self.xid, self.attempt, "tool")
            await self.runner_nc.publish(subject, request, reply=inbox)
            message = await subscription.next_msg(timeout=ask.PATIENCE_SECONDS)
            return (message.headers or {}).get(ask.HEADER) == ask.Reply.HEARTBEAT
        finally:
            await subscription.unsubscribe()

    async def result(self, plan_seq: int, index: int = 0) -> types.ToolResult:
        """Ask for a planned call until it has a result, as a runner would; the result."""
        return await self._result((plan_seq, index), lambda: self.tool(plan_seq, index, patience_seconds=1.0))

    async def undone(self, seq: int) -> types.ToolResult:
        """Ask for the undoing of what an event recorded until it has a result, as a runner would; the result."""
        return await self._result(unwind.place_of(seq), lambda: self.undo(seq))

    async def _result(self, place: Place, wish: Callable[[], Awaitable[Said]]) -> types.ToolResult:
        async with asyncio.timeout(ANSWER_SECONDS):
            while True:
                said = await wish()
                if said.kind is ask.Reply.EVENTS:
                    return (await self.state()).results[place].data
                assert said.refusal.is_transient, said.refusal
                await asyncio.sleep(0.1)

    async def undo(self, seq: int) -> Said:
        """Ask for the undoing of what an event recorded."""
        request = ask.AskUndo(undo=seq, after=self.runner.state.position)
        return await self.ask("undo", request, patience_seconds=1.0)

    async def cancelled(self) -> None:
        """A person cancels it, and an attempt begins that undoes."""
        data = types.Interruption(by="ann", reason="Cancelled")
        await self.append(self.op, data, type_name="exec.cancelled")
        await self.next_attempt()

    async def ask(self, verb: str, request: msgspec.Struct | bytes, *, patience_seconds: float = 3.0) -> Said:
        """Ask the gateways, again whenever nothing is heard for a while."""
        payload = request if isinstance(request, bytes) else msgspec.json.encode(request)
        subject = subjects.call(0, self.tenant, self.xid, self.attempt, verb)
        async with asyncio.timeout(ANSWER_SECONDS):
            while True:
                said = await self._once(subject, payload, patience_seconds)
                if said is not None:
                    return said
                await asyncio.sleep(0.1)

    async def state(self) -> State:
        """The fold of everything stored."""
        return await self.op.refresh()

    async def events(self) -> list[envelope.Event]:
        """Every valid event, in order."""
        found = []
        for stored in await StreamReader(self.stage.operator, 0).read(self.tenant, self.xid, 0):
            event = envelope.decode(stored.payload)
            assert isinstance(event, envelope.Event)
            found.append(event)
        assert [event.seq for event in found] == list(range(1, len(found) + 1)), "void events"
        return found

    async def types(self) -> list[str]:
        """The types of every event."""
        return [event.type for event in await self.events()]

    async def output(self, sealed: Value | None) -> Any:
        """The payload of a Value, as JSON."""
        assert sealed is not None
        return canonical.loads(await Objects(self.stage.operator).open(self.tenant, self.xid, sealed))

    async def _once(self, subject: str, payload: bytes, patience_seconds: float) -> Said | None:
        inbox = self.runner_nc.new_inbox()
        subscription = await self.runner_nc.subscribe(inbox)
        heartbeats = 0
        try:
            await self.runner_nc.publish(subject, payload, reply=inbox)
            while True:
                message = await subscription.next_msg(timeout=patience_seconds)
                headers = message.headers or {}
                if ask.HEADER not in headers:
                    return None  # nobody listens
                kind = ask.Reply(headers[ask.HEADER])
                if kind is not ask.Reply.HEARTBEAT:
                    return Said(kind=kind, payload=message.data, heartbeats=heartbeats)
                heartbeats += 1
        except TimeoutError:
            return None
        finally:
            await subscription.unsubscribe()

    @staticmethod
    async def _runner(stage: Stage, tenant: str, xid: str, attempt: int) -> Client:
        credentials = stage.broker.attempt(tenant, xid, attempt)
        return await stage.broker.connect_as(credentials, subjects.inbox(xid, attempt))


def conversation(goal: str = "Order 1042 arrived with a chipped mug.") -> list[dict[str, Any]]:
    """The first messages of a run."""
    return [{"role": "system", "content": "You help."}, {"role": "user", "content": goal}]


def seal(payload: bytes, media_type: str = values.JSON) -> Value:
    """A payload's Value."""
    return values.seal(payload, media_type=media_type, salt=secrets.token_hex(8))


def _log(stage: Stage, nc: Client, tenant: str, xid: str, role: Role | None, attempt: int = 0) -> Log:
    installed = stage.broker.installation
    writer = {Role.OPERATOR: "op", Role.GATEWAY: "gw"}.get(role, "") if role else subjects.attempt(attempt)
    return Log(
        nc=nc,
        reader=StreamReader(stage.operator, 0),
        author=Author(writer, 0, installed.signer(role) if role is not None else None),
        keyring=installed.keyring,
        tenant=tenant,
        xid=xid,
    )
