"""Which events does a gateway write, and with what in them?

Pure builders: a state and what happened in, a proposal out. Whether it may be appended is decided before.
"""

from dataclasses import dataclass

from keelstep.domain import call, retry
from keelstep.domain.outcome import Judged
from keelstep.domain.reasons import classes
from keelstep.domain.state import Claim, KeyState, Place, State
from keelstep.events import clock, envelope, registry, types
from keelstep.events.envelope import Cost
from keelstep.events.value import Value
from keelstep.kinds.contract import ToolContractSpec
from keelstep.log.spine import Proposal
from keelstep_gateway import cache


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
    policy: types.PolicyVerdict | None = None
    """What the rules said about a free read; of a claim its own event says it."""
    undoes: int | None = None
    """The result whose call it undoes."""
    is_approved: bool = False
    """True where a person said yes to it."""
    former_owner: str = ""
    """The gateway from which it was taken over."""


@dataclass(frozen=True, slots=True)
class Scribe:
    """Builds this gateway's proposals."""

    owner: str

    def claimed(
        self,
        state: State,
        verdict: call.Perform,
        place: Place,
        deadline: int,
        *,
        undoes: int | None = None,
        waited_ms: int = 0,
    ) -> Proposal:
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
            policy=verdict.policy,
            undoes=undoes,
            waited_ms=waited_ms,
        )
        return self._proposal(state, data, (*_identity(state, place), self.owner), step=state.step + 1)

    def taken_over(self, state: State, claim: Claim, deadline: int) -> Proposal:
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
        return self._proposal(state, data, (*_identity(state, claim.place), self.owner, data.attempt_number))

    def retried(self, state: State, claim: Claim, judged: Judged, again: retry.Again) -> Proposal:
        """`tool.retried`: its owner, this gateway, tries once more, in the same time."""
        assert judged.error is not None
        data = types.ToolRetried(
            claim_seq=claim.seq,
            plan_seq=claim.plan_seq,
            index=claim.index,
            owner=self.owner,
            deadline=claim.deadline,
            reason=judged.error.reason,
            attempt_number=claim.performances + 1,
            error=judged.error,
            is_certain=judged.status == "failed",
            wait_ms=again.wait_ms,
        )
        return self._proposal(state, data, (*_identity(state, claim.place), self.owner, data.attempt_number))

    def ruled(self, state: State, verdict: call.AskGate, place: Place, tool: str) -> Proposal:
        """`policy.evaluated`: what the rules say about a call that a person will be asked about."""
        assert verdict.policy is not None
        data = types.PolicyEvaluated(plan_seq=place[0], index=place[1], tool=tool, verdict=verdict.policy)
        return self._proposal(state, data, place)

    def denied(
        self, state: State, verdict: call.Deny, place: Place, tool: str, *, undoes: int | None = None
    ) -> Proposal:
        """`tool.result{denied}`."""
        error = types.Error(reason=verdict.reason, message=verdict.message[:300], error_class=classes.DENIED)
        pin = state.pins.get(tool)
        data = types.ToolResult(
            plan_seq=place[0],
            index=place[1],
            tool=tool,
            status="denied",
            error=error,
            policy=verdict.policy,
            contract_digest=pin.digest if pin is not None else "",
            tier=pin.tier if pin is not None else 0,
            undoes=undoes,
        )
        return self._proposal(state, data, _identity(state, place), step=state.step + 1)

    def replayed(self, state: State, verdict: call.Replay, place: Place, tool: str) -> Proposal:
        """`tool.result` that repeats an equal earlier call's."""
        earlier, pin = state.answer_of(verdict.seq), state.pins[tool]
        assert earlier is not None
        data = types.ToolResult(
            plan_seq=place[0],
            index=place[1],
            tool=tool,
            status="ok",
            output=earlier.output,
            shown=earlier.shown,
            as_of=earlier.as_of if isinstance(earlier, types.ToolResult) else "",
            idempotency_key=verdict.key,
            contract_digest=pin.digest,
            tier=pin.tier,
            replayed_seq=verdict.seq,
            policy=verdict.policy,
        )
        return self._proposal(state, data, _identity(state, place), step=state.step + 1)

    def cached(
        self,
        state: State,
        verdict: call.Perform,
        place: Place,
        output: Value | None,
        shown: types.Shown | None,
        hit: cache.Hit,
    ) -> Proposal:
        """`tool.result` that a result of another run gives."""
        tool = verdict.planned.tool
        data = types.ToolResult(
            plan_seq=place[0],
            index=place[1],
            tool=tool,
            status="ok",
            output=output,
            idempotency_key=verdict.key,
            contract_digest=state.pins[tool].digest,
            tier=verdict.tier,
            policy=verdict.policy,
            shown=shown,
            as_of=hit.as_of,
            cached=hit.origin,
        )
        return self._proposal(state, data, _identity(state, place), step=state.step + 1)

    def performed(
        self,
        state: State,
        work: Work,
        judged: Judged,
        output: Value | None,
        attempts: int,
        latency_ms: int,
        shown: types.Shown | None = None,
        as_of: str = "",
        waited_ms: int = 0,
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
            if claim.is_doubtful and status == "failed" and not judged.via:
                status = "unknown"  # an earlier attempt may have done it
        elif claim is not None:
            return None
        data = types.ToolResult(
            plan_seq=work.place[0],
            index=work.place[1],
            tool=work.tool,
            status=status,
            claim_seq=work.claim_seq,
            output=output,
            shown=shown,
            as_of=as_of,
            policy=work.policy,
            error=judged.error,
            latency_ms=latency_ms,
            attempts=attempts,
            via=judged.via,
            via_ms=judged.via_ms,
            undoes=work.undoes,
            waited_ms=waited_ms,
            idempotency_key=work.key,
            contract_digest=work.contract_digest,
            tier=work.tier,
        )
        cost = Cost(micro_usd=0 if status == "failed" else work.estimate_micro_usd)
        step = state.step + (0 if work.claim_seq is not None else 1)
        return self._proposal(state, data, _identity(state, work.place), step=step, cost=cost)

    def settled(
        self, state: State, claim: Claim, judged: Judged, output: Value | None, shown: types.Shown | None
    ) -> Proposal:
        """`tool.result` of a claim whose owner is gone: what is known of it by now."""
        pin = state.pins.get(claim.tool)
        data = types.ToolResult(
            plan_seq=claim.plan_seq,
            index=claim.index,
            tool=claim.tool,
            status=judged.status,
            claim_seq=claim.seq,
            output=output,
            shown=shown,
            error=judged.error,
            attempts=claim.performances,
            via=judged.via,
            via_ms=judged.via_ms,
            undoes=claim.undoes,
            idempotency_key=claim.key,
            contract_digest=pin.digest if pin is not None else "",
            tier=pin.tier if pin is not None else 0,
        )
        cost = Cost(micro_usd=0 if judged.status == "failed" else claim.estimate_micro_usd)
        return self._proposal(state, data, _identity(state, claim.place), cost=cost)

    def reconciled(
        self,
        state: State,
        place: Place,
        known: KeyState,
        judged: Judged,
        output: Value | None,
        shown: types.Shown | None,
    ) -> Proposal:
        """`tool.reconciled`: a read found out about a call whose outcome was unknown."""
        result = state.results[place]
        data = types.ToolReconciled(
            plan_seq=place[0],
            index=place[1],
            tool=known.tool,
            result_seq=result.seq,
            idempotency_key=result.data.idempotency_key,
            status="ok" if judged.status == "ok" else "failed",
            via=judged.via,
            output=output,
            shown=shown,
            latency_ms=judged.via_ms,
        )
        return self._proposal(state, data, (result.seq,))

    def given_up(self, state: State, claim: Claim, message: str) -> Proposal:
        """`tool.result{unknown}` of a claim whose owner is gone; it costs what it reserved."""
        error = types.Error(reason="OwnerLost", message=message, error_class=classes.LOST)
        return self.settled(state, claim, Judged(status="unknown", error=error), None, None)

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
        name = registry.NAMES[type(data)]
        return Proposal(
            type=name,
            data=data,
            id=envelope.identifier(state.xid, name, *identity),
            actor=f"gateway/{self.owner}",
            attempt=state.attempt,
            step=state.step if step is None else step,
            cost=cost,
        )


def _identity(state: State, place: Place) -> tuple[int, ...]:
    """What tells a call from every other, and from itself before a person let it be made again."""
    gate = state.gates.get(place)
    return (*place, gate.decided_seq) if gate is not None and gate.kind == "exhausted" else place
