"""What happens to a call whose owner may be gone? Wait for it, take it over, or record that nobody knows.

    owner answers ──► wait for its result
    silent ──► decide ─► Retry ──► tool.retried{same key, new owner}, then perform
                               ├► Wait ──► look again later
                               └► Settle ──► what the contract's read says, else tool.result{unknown}
    a model call whose owner is silent ──► model.replied{lost}

Asked by runners who wait for a call, and by the sweep for those nobody waits for. Decided in `domain.call`.
"""

from dataclasses import dataclass

import structlog

from keelstep import errors
from keelstep.domain import reconcile, retry, takeover
from keelstep.domain.outcome import Judged
from keelstep.domain.reasons import classes
from keelstep.domain.state import Claim, ModelCall, State
from keelstep.events import clock, types
from keelstep.events.envelope import Cost
from keelstep.kinds.contract import ToolContractSpec
from keelstep.log.spine import Proposal
from keelstep_gateway.executions import Executions
from keelstep_gateway.hold import Hold
from keelstep_gateway.law import Law
from keelstep_gateway.perform import Performer
from keelstep_gateway.presence import Presence
from keelstep_gateway.reconcile import Reconciler
from keelstep_gateway.records import Scribe, Work

log = structlog.get_logger(__name__)

LOOK_SECONDS = 1.0
"""A call that is not ours is looked at again after so long, if nothing was heard."""


@dataclass(slots=True, kw_only=True)
class TakeOver:
    """Takes calls over whose owner is gone."""

    scribe: Scribe
    executions: Executions
    law: Law
    presence: Presence
    performer: Performer
    reconciler: Reconciler

    async def join_tool(self, hold: Hold, claim: Claim) -> None:
        """Wait for somebody else's result, or end the claim where nobody is there to report it; then look again."""
        if await self._is_owned(hold, claim.owner, claim.place):
            await hold.wait_change(LOOK_SECONDS)
            return
        wait = await self.take_tool(hold, claim)
        if wait:
            await hold.wait_change(min(wait, LOOK_SECONDS))

    async def join_model(self, hold: Hold, open_call: ModelCall) -> None:
        """The same for a model call."""
        if await self._is_owned(hold, open_call.owner, open_call.ordinal):
            await hold.wait_change(LOOK_SECONDS)
            return
        await self.settle_model(hold, open_call)

    async def sweep(self, hold: Hold) -> bool:
        """End what nobody owns on this execution; true where something is still open.

        Raises:
            errors.KeelstepError: it could not be done now.
        """
        state = hold.log.state
        if state.undecidable or state.started is None:
            return False
        for claim in state.claims.values():
            if not await self._is_owned(hold, claim.owner, claim.place):
                await self.take_tool(hold, claim)
        open_call = state.open_model_call
        if open_call is not None and not await self._is_owned(hold, open_call.owner, open_call.ordinal):
            await self.settle_model(hold, open_call)
        return bool(hold.log.state.claims) or hold.log.state.open_model_call is not None

    async def take_tool(self, hold: Hold, claim: Claim) -> float:
        """Take a silent owner's claim over, or settle it; otherwise how many seconds to wait."""
        pinned = await self.executions.pinned(hold, hold.log.state)
        spec = pinned.contracts[claim.tool]
        waits: list[float] = []

        def decide(state: State) -> tuple[Claim, takeover.Retry | takeover.Settle | takeover.Wait] | None:
            current = state.claims.get(claim.place)
            if current is None or current.owner != claim.owner or current.performances != claim.performances:
                return None
            stop = self.law.standing(state, claim.tool)
            return current, takeover.decide(state, current, spec, stop, self.law.now())

        async def apply() -> None:
            decided = decide(hold.log.state)
            found: Judged | None = None
            has_asked = decided is not None and isinstance(decided[1], takeover.Settle)
            if decided is not None and has_asked:
                found = await self._find_out(hold, spec, decided[0])
            output, shown = await self.executions.keep(
                hold, spec, found.output if found is not None else None
            )

            def propose(state: State) -> Proposal | None:
                nonlocal decided
                decided = decide(state)
                match decided:
                    case (_, takeover.Settle()) if not has_asked:
                        return None  # its time ran out just now: look again, and ask first
                    case (current, takeover.Retry()):
                        seconds = reconcile.claim_seconds(spec, pinned.contracts)
                        deadline = self.law.now() + seconds * clock.SECOND
                        return self.scribe.taken_over(state, current, deadline)
                    case (current, takeover.Settle()) if found is not None:
                        return self.scribe.settled(state, current, found, output, shown)
                    case (current, takeover.Settle(message=message)):
                        return self.scribe.given_up(state, current, message)
                    case (_, takeover.Wait(until=until)):
                        waits.append(max(0.05, (until - self.law.now()) / clock.SECOND))
                return None

            begun = clock.boot()
            event = await hold.append(propose)
            if event is None or decided is None:
                return
            how = "retried" if isinstance(decided[1], takeover.Retry) else "found" if found else "unknown"
            hold.metrics.ended.labels(how).inc()
            log.warning(
                "claim_taken_over" if isinstance(decided[1], takeover.Retry) else "claim_settled",
                execution=hold.xid,
                tool=claim.tool,
                former_owner=claim.owner,
            )
            if isinstance(decided[1], takeover.Retry):
                await self._perform(hold, decided[0], begun)

        await hold.fly(claim.place, apply)
        return waits[-1] if waits else 0.0

    async def _find_out(self, hold: Hold, spec: ToolContractSpec, claim: Claim) -> Judged | None:
        """What a read says of a call whose owner is gone and whose time is over."""
        if spec.failure_policy.reconcile is None or claim.args is None:
            return None
        args, problem = await self.executions.arguments(hold, claim.args)
        if problem:
            return None
        late = self.law.now() - clock.parse(claim.deadline)
        return await self.reconciler.find_out(
            hold, spec, args, claim.key, last_sent=clock.boot() - max(0, late)
        )

    async def settle_model(self, hold: Hold, open_call: ModelCall) -> None:
        """Record a model call as lost, at all that it reserved: whether it was billed is not known."""

        def propose(state: State) -> Proposal | None:
            current = state.open_model_call
            if current is None or current.ordinal != open_call.ordinal:
                return None
            error = types.Error(
                reason="OwnerLost", message="its gateway died during the call", error_class=classes.LOST
            )
            data = types.ModelReplied(
                ordinal=current.ordinal, status="lost", error=error, owner=self.scribe.owner
            )
            return self.scribe.model_replied(state, data, Cost(micro_usd=current.reserved_micro_usd))

        async def apply() -> None:
            if await hold.append(propose) is not None:
                hold.metrics.ended.labels("lost").inc()
                log.warning("model_call_lost", execution=hold.xid, former_owner=open_call.owner)

        await hold.fly(open_call.ordinal, apply)

    async def _perform(self, hold: Hold, claim: Claim, begun: int) -> None:
        """Perform a claim that is ours now."""
        state = hold.log.state
        pinned = await self.executions.pinned(hold, state)
        assert claim.args is not None  # every claim names them
        args, problem = await self.executions.arguments(hold, claim.args)
        if problem:
            raise errors.PayloadMissingError(f"arguments of an open claim of {claim.tool}: {problem}")
        pin, spec = state.pins[claim.tool], pinned.contracts[claim.tool]
        work = Work(
            place=claim.place,
            tool=claim.tool,
            spec=spec,
            args=claim.args,
            key=claim.key,
            tier=pin.tier,
            contract_digest=pin.digest,
            estimate_micro_usd=claim.estimate_micro_usd,
            claim_seq=claim.seq,
            undoes=claim.undoes,
            former_owner=claim.owner,
            boot_deadline=begun + retry.budget_seconds(spec) * clock.SECOND,
        )
        await self.performer.perform(hold, work, args)

    async def _is_owned(self, hold: Hold, owner: str, key: object) -> bool:
        """Is somebody at it? Of our own calls only those in flight."""
        if owner == self.scribe.owner:
            return key in hold.flights
        return await self.presence.is_alive(owner)
