"""Who else writes to a run's log? Its runner and a gateway, played by the test, each with its real identity.

The runner's is the one that the operator put into the attempt's Secret; the gateway's is the installation's.
"""

import base64
import secrets
from dataclasses import dataclass
from typing import Any

import msgspec
from nats.aio.client import Client

from keelstep.domain import canonical
from keelstep.domain.state import State
from keelstep.events import clock, envelope, types, value
from keelstep.events.value import Value
from keelstep.log import reader, spine, subjects
from keelstep.log.identities import Role
from keelstep.log.tokens import Credentials
from tests.integration.kinds import api
from tests.integration.operator import manifests
from tests.integration.operator.stage import Stage


@dataclass(slots=True)
class Cast:
    """Everybody who writes to one run, but the operator."""

    stage: Stage
    name: str
    tenant: str
    xid: str
    core: Client
    """A gateway's connection."""

    @classmethod
    async def of(cls, stage: Stage, run: api.Object) -> "Cast":
        """The cast of an execution that has begun."""
        found = await stage.until(run, lambda one: one.get("status", {}).get("attempt"), "it has an attempt")
        core = await stage.broker.connect(Role.GATEWAY)
        metadata = found["metadata"]
        return cls(stage, metadata["name"], metadata["namespace"], found["status"]["executionID"], core)

    @classmethod
    async def begun(cls, stage: Stage, tenant: str = "", **spec: Any) -> "tuple[api.Object, Cast]":
        """An execution that somebody applied, in a tenant of its own unless one is named, and its cast."""
        run = manifests.execution(tenant or stage.tenant(), **spec)
        stage.create(run)
        return run, await cls.of(stage, run)

    async def state(self) -> State:
        """The fold of everything stored."""
        return await self._log("gw").refresh()

    async def model(self, cost: envelope.Cost = envelope.FREE) -> None:
        """A model call and its reply."""
        state = await self.state()
        ordinal = state.ordinal + 1
        called = types.ModelCalled(
            ordinal=ordinal,
            model="scripted/one",
            request=sealed([]),
            reserved_micro_usd=cost.micro_usd,
            owner="gw-test",
            deadline=soon(),
            price_table="test",
        )
        await self._gateway("model.called", called)
        replied = types.ModelReplied(
            ordinal=ordinal, status="ok", response=sealed({"role": "assistant"}), model="scripted/one"
        )
        await self._gateway("model.replied", replied, cost)

    async def plan(self, *calls: tuple[str, Any], summary: str = "") -> int:
        """The runner proposes exact calls; the plan's seq."""
        state = await self.state()
        steps = [
            types.PlannedCall(index=index, call_id=f"c{index}", tool=tool, args=sealed(args))
            for index, (tool, args) in enumerate(calls)
        ]
        said = value.seal(summary.encode(), media_type=value.TEXT, salt="aa") if summary else None
        data = types.PlanProposed(ordinal=state.ordinal, steps=steps, summary=said)
        return await self.runner("plan.proposed", data)

    async def ask(self, plan_seq: int, index: int = 0) -> int:
        """The runner asks a person, and parks; the request's seq."""
        data = types.GateRequested(plan_seq=plan_seq, index=index, consequence_tier=3)
        return await self.runner("gate.requested", data)

    async def ask_for_refund(self, order: str = "1042", summary: str = "It is broken.") -> int:
        """A whole turn that ends in a question to a person; the request's seq."""
        await self.model()
        plan = await self.plan(("refund.issue", {"order_id": order, "amount": "9.99"}), summary=summary)
        return await self.ask(plan)

    async def claim(self, tool: str, plan_seq: int, index: int = 0) -> int:
        """A gateway claims a planned call; the claim's seq."""
        state = await self.state()
        planned, pin = state.step_at((plan_seq, index)), state.pins[tool]
        assert planned is not None
        gate = state.gates.get((plan_seq, index))
        data = types.ToolCalled(
            plan_seq=plan_seq,
            index=index,
            tool=tool,
            args=planned.args,
            contract_digest=pin.digest,
            idempotency_key=secrets.token_hex(8),
            estimate_micro_usd=pin.estimate_micro_usd,
            tier=pin.tier,
            owner="gw-test",
            deadline=soon(),
            gate_seq=gate.decided_seq if gate else None,
        )
        return await self._gateway("tool.called", data)

    async def result(self, tool: str, plan_seq: int, claim_seq: int, index: int = 0) -> int:
        """A gateway records how a claim ended."""
        data = types.ToolResult(
            plan_seq=plan_seq, index=index, tool=tool, status="ok", claim_seq=claim_seq, output=sealed({})
        )
        return await self._gateway("tool.result", data, envelope.Cost(micro_usd=2_000))

    async def finish(self, reason: str = "OutputAccepted") -> None:
        """The runner ends the run with success."""
        await self.runner("exec.finished", types.ExecFinished(outcome="succeeded", reason=reason))

    async def runner(self, type_name: str, data: types.Data, attempt: int = 0) -> int:
        """The runner of the current attempt appends; the event's seq."""
        number = attempt or (await self.state()).attempt
        client = await self.connect(number)
        try:
            return await self._append(self._log(subjects.attempt(number), client), type_name, data)
        finally:
            await client.close()

    async def connect(self, attempt: int) -> Client:
        """The connection of an attempt's runner, with the identity in its Secret."""
        credentials = await self.credentials(attempt)
        return await self.stage.broker.connect_as(credentials, subjects.inbox(self.xid, attempt))

    async def credentials(self, attempt: int) -> Credentials:
        """The identity that the operator gave an attempt."""
        secret = manifests.core("Secret", self.tenant, f"{self.name}-a{attempt}-identity")
        found = await self.stage.until(secret, bool, "the attempt has its Secret")
        return Credentials.parse(base64.b64decode(found["data"]["identity.creds"]).decode())

    async def _gateway(self, type_name: str, data: types.Data, cost: envelope.Cost = envelope.FREE) -> int:
        return await self._append(self._log("gw"), type_name, data, cost)

    def _log(self, writer: str, client: Client | None = None) -> spine.Log:
        installation = self.stage.broker.installation
        signer = installation.signer(Role.GATEWAY) if writer == "gw" else None
        return spine.Log(
            nc=client or self.core,
            reader=reader.StreamReader(self.core, 0),
            author=spine.Author(writer=writer, shard=0, signer=signer),
            keyring=installation.keyring,
            tenant=self.tenant,
            xid=self.xid,
        )

    async def _append(
        self, log: spine.Log, type_name: str, data: types.Data, cost: envelope.Cost = envelope.FREE
    ) -> int:
        await log.refresh()
        stored = await log.append(
            lambda state: spine.Proposal(
                type=type_name,
                data=data,
                id=secrets.token_hex(16),
                actor="test",
                attempt=state.attempt,
                step=state.step,
                cost=cost,
            )
        )
        assert stored is not None
        return stored.seq


def sealed(content: Any) -> Value:
    """A Value with its payload inline, as canonical JSON."""
    return value.seal(canonical.dumps(content), media_type=value.JSON, salt=secrets.token_hex(8))


def soon() -> str:
    """A minute from now."""
    return clock.text(clock.now() + 60 * clock.SECOND)


def decision(verdict: str, approver: str, reason: str = "") -> api.Object:
    """One person's answer, as it stands in a gate."""
    return {"verdict": verdict, "approver": approver, "reason": reason}


def types_of(messages: list[bytes]) -> list[str]:
    """The types of stored events, in order."""
    return [str(msgspec.json.decode(payload)["type"]) for payload in messages]
