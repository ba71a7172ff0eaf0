"""How does a test get a log? Its programs write it: operator and gateway sign, the runner has a token of its own.

Every method appends one event through the fence; what a log says reads as the run it tells of.
"""

import itertools
import secrets
from dataclasses import dataclass, field
from typing import Literal

from nats.aio.client import Client

from keelstep.events import clock, envelope, signing, types, value
from keelstep.log import jetstream, names, reader, subjects
from keelstep.log.identities import Role
from keelstep.log.spine import Author, Log, Proposal
from keelstep.testing.broker import RunningBroker

DIGEST = "c" * 64
CONTRACTS = {
    "orders.get": types.Pin(digest=DIGEST, tier=0),
    "credit.grant": types.Pin(digest=DIGEST, tier=1),
    "refund.issue": types.Pin(digest=DIGEST, tier=3),
}


def sealed(text: str) -> value.Value:
    """A payload as events carry it."""
    return value.seal(text.encode(), media_type=value.JSON, salt=secrets.token_hex(8))


@dataclass(frozen=True, slots=True)
class Writers:
    """The connections of operator and gateway, shared by every log of a test run."""

    broker: RunningBroker
    operator: Client
    gateway: Client

    @classmethod
    async def of(cls, broker: RunningBroker) -> "Writers":
        """Connect as both."""
        return cls(broker, await broker.connect(Role.OPERATOR), await broker.connect(Role.GATEWAY))

    async def bound(self, tenant: str, name: str) -> "Written":
        """An empty log under a name."""
        binding = await names.Names(self.operator).bind(tenant, name, secrets.token_hex(16), "d" * 64)
        return Written(self, tenant, name, binding.xid)


@dataclass(slots=True)
class Written:
    """One execution's log and the programs that write it."""

    writers: Writers
    tenant: str
    name: str
    xid: str
    _runner: Client | None = None
    _ids: "itertools.count[int]" = field(default_factory=itertools.count)
    _logs: dict[str, Log] = field(default_factory=dict)

    async def write(
        self, writer: str, kind: str, data: types.Data, cost: envelope.Cost = envelope.FREE
    ) -> int:
        """Append one event; its seq."""
        log = self._log(writer)
        await log.refresh()

        def propose(state: object) -> Proposal:
            return Proposal(
                type=kind,
                data=data,
                id=f"{next(self._ids):032x}",
                actor="test",
                attempt=log.state.attempt or 0,
                step=log.state.step,
                cost=cost,
                trace_id="7f" * 16,
            )

        stored = await log.append(propose)
        assert stored is not None
        return stored.seq

    async def forge(self, writer: str, payload: bytes, signature: str = "") -> int:
        """Put any bytes on a writer's subject with that writer's own credentials; their position."""
        headers = {signing.HEADER: signature} if signature else None
        return await jetstream.publish(self._client(writer), self.subject(writer), payload, headers)

    def subject(self, writer: str) -> str:
        """A writer's subject of this log."""
        return subjects.spine(0, self.tenant, self.xid, writer)

    async def start(self, *, budget: int = 500_000) -> None:
        """The run is asked for and its first attempt begins."""
        data = types.ExecStarted(
            name=self.name,
            goal=sealed('"Order 1042 arrived broken."'),
            inputs=sealed("{}"),
            strategy="refund-agent",
            strategy_version="1.4.0",
            strategy_digest=DIGEST,
            contracts=CONTRACTS,
            budget_micro_usd=budget,
            deadline=clock.text(clock.now() + 3600 * clock.SECOND),
            requester="ada@shop.example",
            spec_digest="d" * 64,
        )
        await self.write("op", "exec.started", data)
        attempt = types.ExecAttempt(attempt=1, pod=f"{self.name}-a1", reason="Started")
        await self.write("op", "exec.attempt", attempt)
        token = self.writers.broker.attempt(self.tenant, self.xid)
        self._runner = await self.writers.broker.connect_as(token, subjects.inbox(self.xid, 1))

    async def turn(self, ordinal: int, *tools: str) -> int:
        """The model is called and answers; the runner plans these calls. The plan's seq, or 0."""
        called = types.ModelCalled(
            ordinal=ordinal,
            model="scripted/model-1",
            request=sealed("[]"),
            reserved_micro_usd=2_000,
            owner="gw-1",
            deadline=clock.text(clock.now() + 60 * clock.SECOND),
            price_table="2026-11",
        )
        await self.write("gw", "model.called", called)
        replied = types.ModelReplied(
            ordinal=ordinal,
            status="ok",
            response=sealed('{"role": "assistant"}'),
            model="scripted/model-1",
            latency_ms=40,
            price_table="2026-11",
        )
        cost = envelope.Cost(tokens_in=900, tokens_out=100, micro_usd=1_250)
        await self.write("gw", "model.replied", replied, cost)
        if not tools:
            return 0
        calls = [
            types.PlannedCall(index=index, call_id=f"call-{index}", tool=tool, args=sealed('{"order": 1042}'))
            for index, tool in enumerate(tools)
        ]
        plan = types.PlanProposed(ordinal=ordinal, steps=calls)
        return await self.write("a1", "plan.proposed", plan)

    async def read_only(self, plan: int, index: int, tool: str = "orders.get") -> None:
        """A free call: its result is all there is."""
        result = types.ToolResult(
            plan_seq=plan, index=index, tool=tool, status="ok", output=sealed("{}"), latency_ms=12, attempts=1
        )
        await self.write("gw", "tool.result", result)

    async def ask(
        self, plan: int, index: int, verdict: Literal["approved", "rejected"] | None = "approved"
    ) -> int:
        """A call needs a person, who answers, if they do. The decision's seq, or 0."""
        request = types.GateRequested(plan_seq=plan, index=index, consequence_tier=3)
        asked = await self.write("a1", "gate.requested", request)
        if verdict is None:
            return 0
        decided = types.GateDecided(
            plan_seq=plan,
            index=index,
            request_seq=asked,
            verdict=verdict,
            args_digest=await self._args(plan, index),
            contract_digest=DIGEST,
            approvers=[types.Approver(user="grace@shop.example", verdict=verdict)],
            reason="photo shows the damage",
        )
        return await self.write("op", "gate.decided", decided)

    async def call(self, plan: int, index: int, tool: str, *, gate: int = 0, micro_usd: int = 2_000) -> None:
        """A claimed call, performed."""
        await self.claim(plan, index, tool, gate=gate, micro_usd=micro_usd)
        await self.settle(plan, index, "ok")

    async def claim(self, plan: int, index: int, tool: str, *, gate: int = 0, micro_usd: int = 2_000) -> None:
        """A call is claimed."""
        log = self._log("gw")
        await log.refresh()
        planned = log.state.step_at((plan, index))
        assert planned is not None
        claim = types.ToolCalled(
            plan_seq=plan,
            index=index,
            tool=tool,
            args=planned.args,
            contract_digest=DIGEST,
            idempotency_key=f"{plan:032x}{index:032x}",
            estimate_micro_usd=micro_usd,
            tier=CONTRACTS[tool].tier,
            owner="gw-1",
            deadline=clock.text(clock.now() + 60 * clock.SECOND),
            gate_seq=gate or None,
        )
        await self.write("gw", "tool.called", claim)

    async def settle(
        self, plan: int, index: int, status: Literal["ok", "failed", "unknown"], error_class: str = ""
    ) -> None:
        """A claimed call ends."""
        claim = self._log("gw").state.claims[plan, index]
        result = types.ToolResult(
            plan_seq=plan,
            index=index,
            tool=claim.tool,
            status=status,
            claim_seq=claim.seq,
            output=sealed("{}") if status == "ok" else None,
            error=types.Error(reason=error_class, error_class=error_class) if error_class else None,
            latency_ms=30,
            attempts=1,
            idempotency_key=claim.key,
            tier=CONTRACTS[claim.tool].tier,
        )
        await self.write("gw", "tool.result", result, envelope.Cost(micro_usd=claim.estimate_micro_usd))

    async def hold(self, times: int) -> None:
        """The run is held and let go: two events each time."""
        for number in range(times):
            held = types.Interruption(by="ada@shop.example", reason=f"held {number}")
            await self.write("op", "exec.suspended", held)
            await self.write("op", "exec.resumed", held)

    async def finish(self, output: str = "{}", *, stored: str | None = None) -> None:
        """The run ends well. An output that is too large for the event is stored first, or something else in its place."""
        answer = sealed(output)
        if answer.ref is not None:
            payload = (output if stored is None else stored).encode()
            address = subjects.obj(self.tenant, self.xid, answer.digest)
            await jetstream.publish(self.writers.operator, address, payload)
        ended = types.ExecFinished(outcome="succeeded", reason="CriteriaMet", output=answer)
        await self.write("a1", "exec.finished", ended)

    async def refund(self) -> "Written":
        """The whole story: look, ask, refund, answer. 16 events."""
        await self.start()
        plan = await self.turn(1, "orders.get")
        await self.read_only(plan, 0)
        plan = await self.turn(2, "refund.issue")
        gate = await self.ask(plan, 0)
        await self.call(plan, 0, "refund.issue", gate=gate)
        await self.turn(3)
        await self.finish()
        return self

    async def _args(self, plan: int, index: int) -> str:
        log = self._log("op")
        await log.refresh()
        planned = log.state.step_at((plan, index))
        assert planned is not None
        return planned.args.digest

    def _client(self, writer: str) -> Client:
        if writer == "op":
            return self.writers.operator
        if writer == "gw":
            return self.writers.gateway
        assert self._runner is not None
        return self._runner

    def _log(self, writer: str) -> Log:
        if writer not in self._logs:
            self._logs[writer] = self._new_log(writer)
        return self._logs[writer]

    def _new_log(self, writer: str) -> Log:
        installed = self.writers.broker.installation
        roles = {"op": Role.OPERATOR, "gw": Role.GATEWAY}
        signer = installed.signer(roles[writer]) if writer in roles else None
        return Log(
            nc=self._client(writer),
            reader=reader.StreamReader(self.writers.operator, 0),
            author=Author(writer, 0, signer),
            keyring=installed.keyring,
            tenant=self.tenant,
            xid=self.xid,
        )
