"""Which events does a gateway write, and with what in them?

Pure builders: a state and what happened in, a proposal out. Whether it may be appended is decided before.
"""

from dataclasses import dataclass

from keelstep.domain import call
from keelstep.domain.outcome import Judged
from keelstep.domain.state import Claim, Place, State
from keelstep.events import clock, envelope, types
from keelstep.events.envelope import Cost
from keelstep.events.value import Value
from keelstep.kinds.contract import ToolContractSpec
from keelstep.log.spine import Proposal


@dataclass(frozen=True, slots=True)
class Work:
    """One tool call this gateway performs."""

    place: Place
    tool: str
    spec: ToolContractSpec
    args: Value
    key: str
    tier: int
    contract_digest: str
    estimate_micro_usd: int
    claim_seq: int | None
    """None for a free read."""
    boot_deadline: int
    """Boot-time nanoseconds after which nothing is sent any more."""


@dataclass(frozen=True, slots=True)
class Scribe:
    """Builds this gateway's proposals."""

    owner: str

    def claimed(self, state: State, verdict: call.Perform, place: Place, deadline: int) -> Proposal:
        """`tool.called`."""
        gate = verdict.gate
        decided = gate.decided if gate is not None else None
        data = types.ToolCalled(
            plan_seq=place[0],
            index=place[1],
            tool=verdict.planned.tool,
            args=verdict.planned.args,
            contract_digest=state.pins[verdict.planned.tool].digest,
            idempotency_key=verdict.key,
            estimate_micro_usd=verdict.estimate_micro_usd,
            tier=verdict.tier,
            owner=self.owner,
            deadline=clock.text(deadline),
            gate_seq=gate.decided_seq if gate is not None else None,
            valid_until=decided.valid_until if decided is not None else "",
        )
        return self._proposal(state, data, (*place, self.owner), step=state.step + 1)

    def retried(self, state: State, claim: Claim, deadline: int) -> Proposal:
        """`tool.retried`: the claim is ours now."""
        data = types.ToolRetried(
            claim_seq=claim.seq,
            plan_seq=claim.plan_seq,
            index=claim.index,
            owner=self.owner,
            deadline=clock.text(deadline),
            reason="OwnerLost",
            attempt_number=claim.performances + 1,
        )
        return self._proposal(state, data, (*claim.place, self.owner, data.attempt_number))

    def denied(self, state: State, verdict: call.Deny, place: Place, tool: str) -> Proposal:
        """`tool.result{denied}`."""
        error = types.Error(reason=verdict.reason, message=verdict.message[:300])
        pin = state.pins.get(tool)
        data = types.ToolResult(
            plan_seq=place[0],
            index=place[1],
            tool=tool,
            status="denied",
            error=error,
            contract_digest=pin.digest if pin is not None else "",
            tier=pin.tier if pin is not None else 0,
        )
        return self._proposal(state, data, place, step=state.step + 1)

    def replayed(self, state: State, verdict: call.Replay, place: Place, tool: str) -> Proposal:
        """`tool.result` that repeats an equal earlier call's."""
        earlier = next(result.data for result in state.results.values() if result.seq == verdict.seq)
        data = types.ToolResult(
            plan_seq=place[0],
            index=place[1],
            tool=tool,
            status="ok",
            output=earlier.output,
            idempotency_key=verdict.key,
            contract_digest=earlier.contract_digest,
            tier=earlier.tier,
            replayed_seq=verdict.seq,
        )
        return self._proposal(state, data, place, step=state.step + 1)

    def performed(
        self, state: State, work: Work, judged: Judged, output: Value | None, attempts: int, latency_ms: int
    ) -> Proposal | None:
        """`tool.result` of a call we made; None where the log does not want it any more."""
        claim = state.claims.get(work.place)
        if work.place in state.results:
            return None
        status = judged.status
        if work.claim_seq is not None:
            if claim is None or claim.seq != work.claim_seq:
                return None
            if claim.owner != self.owner and status != "ok":
                return None  # the new owner's word is better than "ours did not succeed"
            if claim.performances > 1 and status == "failed":
                status = "unknown"  # an earlier owner may have performed it
        elif claim is not None:
            return None
        data = types.ToolResult(
            plan_seq=work.place[0],
            index=work.place[1],
            tool=work.tool,
            status=status,
            claim_seq=work.claim_seq,
            output=output,
            error=judged.error,
            latency_ms=latency_ms,
            attempts=attempts,
            idempotency_key=work.key,
            contract_digest=work.contract_digest,
            tier=work.tier,
        )
        cost = Cost(micro_usd=0 if status == "failed" else work.estimate_micro_usd)
        step = state.step + (0 if work.claim_seq is not None else 1)
        return self._proposal(state, data, work.place, step=step, cost=cost)

    def given_up(self, state: State, claim: Claim, message: str) -> Proposal:
        """`tool.result{unknown}` of a claim whose owner is gone; it costs what it reserved."""
        pin = state.pins.get(claim.tool)
        data = types.ToolResult(
            plan_seq=claim.plan_seq,
            index=claim.index,
            tool=claim.tool,
            status="unknown",
            claim_seq=claim.seq,
            error=types.Error(reason="OwnerLost", message=message),
            attempts=claim.performances,
            idempotency_key=claim.key,
            contract_digest=pin.digest if pin is not None else "",
            tier=pin.tier if pin is not None else 0,
        )
        return self._proposal(state, data, claim.place, cost=Cost(micro_usd=claim.estimate_micro_usd))

    def model_called(
        self,
        state: State,
        *,
        model: str,
        request: Value,
        ordinal: int,
        reserved: int,
        deadline: int,
        price_table: str,
    ) -> Proposal:
        """`model.called`."""
        data = types.ModelCalled(
            ordinal=ordinal,
            model=model,
            request=request,
            reserved_micro_usd=reserved,
            owner=self.owner,
            deadline=clock.text(deadline),
            price_table=price_table,
        )
        return self._proposal(state, data, (ordinal, self.owner), step=state.step + 1)

    def model_replied(self, state: State, data: types.ModelReplied, cost: Cost) -> Proposal:
        """`model.replied`."""
        return self._proposal(state, data, (data.ordinal,), cost=cost)

    def _proposal(
        self,
        state: State,
        data: types.Data,
        identity: tuple[object, ...],
        *,
        step: int | None = None,
        cost: Cost = envelope.FREE,
    ) -> Proposal:
        name = types.NAMES[type(data)]
        return Proposal(
            type=name,
            data=data,
            id=envelope.identifier(state.xid, name, *identity),
            actor=f"gateway/{self.owner}",
            attempt=state.attempt,
            step=state.step if step is None else step,
            cost=cost,
        )
