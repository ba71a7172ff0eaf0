"""How is one tool call performed, from a stored claim to its stored result?

    its turn (`limits`), and may I send? ──no──► result{failed}: it was not sent   (silent where it is another's by now)
        │ yes
        ▼
    send ──► judge ──may it be tried again?──► tool.retried ──► wait ──► may I send? …
        ▼
    nobody knows? ──► the contract's read may (`reconcile`)
        ▼
    tool.result, appended until it is stored: it happened

Each further attempt is in the log before it is sent, so that neither the count nor a doubt is lost with this process; a
free read has no claim, and its attempts are counted in its result alone. What may be sent, tried again and said is
decided in `domain.call`, `domain.retry` and `domain.outcome`; how it is sent, in `send`.
"""

import asyncio
import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import structlog

from keelstep import errors
from keelstep.domain import call, freshness, retry
from keelstep.domain.outcome import Judged
from keelstep.domain.state import State
from keelstep.events import clock, envelope, registry, types
from keelstep.events.envelope import Event
from keelstep.kinds.contract import ToolContractSpec
from keelstep.log.spine import Proposal
from keelstep_gateway.cache import Cache
from keelstep_gateway.executions import Executions
from keelstep_gateway.hold import Hold
from keelstep_gateway.law import Law
from keelstep_gateway.limits.admission import Admitted
from keelstep_gateway.limits.limiter import Asked, Limiter, Pass
from keelstep_gateway.reconcile import Reconciler
from keelstep_gateway.records import Scribe, Work
from keelstep_gateway.send import Sender, unsent

log = structlog.get_logger(__name__)

_PAUSE_SECONDS = 0.5
_SILENT = ("ClaimClosed", "ClaimTakenOver")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tried:
    """What all attempts came to."""

    judged: Judged
    attempts: int
    waited_ms: int = 0
    """For its turns, since it began."""


@dataclass(slots=True, kw_only=True)
class Performer:
    """Performs tool calls that were decided and claimed."""

    scribe: Scribe
    executions: Executions
    law: Law
    sender: Sender
    reconciler: Reconciler
    cache: Cache
    limiter: Limiter

    async def perform(
        self, hold: Hold, work: Work, args: Mapping[str, Any], admitted: Admitted | None = None
    ) -> None:
        """Perform it and record what came of it; nothing is recorded of a claim that is no longer ours.

        Raises:
            errors.KeelstepError: the result could not be recorded; whoever finds the claim open goes on.
        """
        begun = clock.boot()
        secrets = await self.sender.secrets(hold.tenant, work.spec)
        turn = admitted.turn if admitted is not None else None
        try:
            if isinstance(secrets, Judged):
                tried: _Tried | None = _Tried(judged=secrets, attempts=0)
            else:
                tried = await self._try(hold, work, args, secrets, turn)
        finally:
            if turn is not None:
                turn.leave()
        if tried is None:
            return
        found = await self._found_out(hold, work, args, tried.judged)
        latency_ms = (clock.boot() - begun) // 1_000_000
        event = await self._record(hold, work, args, dataclasses.replace(tried, judged=found), latency_ms)
        # of a call that another gateway reports nobody here knows what it cost: it stays spent
        if admitted is not None and event is not None:
            admitted.settle(event.envelope.cost.micro_usd)

    async def _try(
        self,
        hold: Hold,
        work: Work,
        args: Mapping[str, Any],
        secrets: Mapping[str, str],
        turn: Pass | None,
    ) -> _Tried | None:
        """Send it, again where that is allowed and can help; None where it is not ours to report."""
        claim = hold.log.state.claims.get(work.place) if work.claim_seq is not None else None
        before, attempts = claim.performances - 1 if claim is not None else 0, 0
        judged: Judged | None = None
        waited_ms = turn.waited_ms if turn is not None and work.claim_seq is None else 0
        while True:
            mine = turn or await self._turn(hold, work, is_first=judged is None)
            turn = None
            if isinstance(mine, Pass):
                waited_ms += mine.waited_ms if judged is not None else 0
                why = await self._why_not(hold, work)
            else:
                why = mine
            if why and isinstance(mine, Pass):
                mine.leave()
            if why in _SILENT or (why and judged is None and work.claim_seq is None):
                log.info("call_left", execution=hold.xid, tool=work.tool, reason=why, attempts=attempts)
                return None
            if why:
                judged = judged or unsent(why, "the call was not sent")
                break
            assert isinstance(mine, Pass)
            attempts += 1
            left = (work.boot_deadline - clock.boot()) / clock.SECOND
            try:
                judged = await self.sender.send(hold.tenant, work.spec, args, work.key, secrets, left)
            finally:
                mine.leave()
            await mine.end(judged)
            again = self._again(hold, work, judged, before + attempts)
            if again is None or not await self._is_retried(hold, work, judged, again):
                break
            log.info(
                "call_tried_again",
                execution=hold.xid,
                tool=work.tool,
                attempts=before + attempts,
                wait_ms=again.wait_ms,
            )
            await hold.rest(again.wait_ms / 1000)
        return _Tried(judged=judged, attempts=before + attempts, waited_ms=waited_ms)

    async def _turn(self, hold: Hold, work: Work, *, is_first: bool) -> Pass | str:
        """Its turn for another attempt, or why it does not come; who was taken over waits for a tool that is left alone."""
        asked = Asked(
            hold=hold,
            tool=work.tool,
            spec=work.spec,
            boot_deadline=work.boot_deadline,
            is_patient=is_first or work.is_approved or work.undoes is not None,
            is_begun=True,
            heir_of=work.former_owner if is_first else "",
        )
        try:
            found = await self.limiter.enter(asked)
        except (errors.Waiting, errors.BrokerError) as error:
            return error.reason
        return found if isinstance(found, Pass) else "BreakerOpen"

    def _again(self, hold: Hold, work: Work, judged: Judged, attempts: int) -> retry.Again | None:
        """Another attempt after so many, where it is allowed and can help."""
        if judged.error is None:
            return None
        claim = hold.log.state.claims.get(work.place)
        identity = envelope.identifier(hold.xid, registry.NAMES[types.ToolResult], *work.place)
        return retry.decide(
            work.spec,
            judged,
            attempts=attempts,
            seed=claim.event_id if claim is not None else identity,
            left_seconds=(work.boot_deadline - clock.boot()) / clock.SECOND,
            now=self.law.now(),
        )

    async def _is_retried(self, hold: Hold, work: Work, judged: Judged, again: retry.Again) -> bool:
        """Record the next attempt of a claim before it is made; false where it may not be. A free read needs no record."""
        if work.claim_seq is None:
            return True

        def propose(state: State) -> Proposal | None:
            claim = state.claims.get(work.place)
            if claim is None or claim.seq != work.claim_seq or claim.owner != self.scribe.owner:
                return None
            if retry.why_not(state, claim, self.law.standing(state, work.tool), self.law.now()):
                return None
            return self.scribe.retried(state, claim, judged, again)

        try:
            return await hold.append(propose) is not None
        except errors.LogFullError:
            return False  # then what came of it is recorded as it is, for as long as that takes

    async def _found_out(self, hold: Hold, work: Work, args: Mapping[str, Any], judged: Judged) -> Judged:
        """What came of it: where its own answer leaves that open, what the contract's read says."""
        claim = hold.log.state.claims.get(work.place)
        is_doubtful = claim is not None and claim.is_doubtful
        if judged.status == "ok" or (judged.status == "failed" and not is_doubtful):
            return judged
        found = await self.reconciler.find_out(hold, work.spec, args, work.key, last_sent=clock.boot())
        return found or judged

    async def _why_not(self, hold: Hold, work: Work) -> str:
        """Why nothing may be sent now, or nothing where it may."""
        await self.law.wait_known((work.boot_deadline - clock.boot()) / clock.SECOND)
        state = await self._fresh(hold, work)
        if clock.boot() >= work.boot_deadline:
            return "DeadlineExceeded"
        stop = self.law.standing(state, work.tool)
        if work.claim_seq is None:
            return "RunEnded" if state.is_over else "" if stop is None else _reason(stop)
        return call.may_send(state, work.claim_seq, work.place, self.scribe.owner, stop)

    async def _fresh(self, hold: Hold, work: Work) -> State:
        claim = hold.log.state.claims.get(work.place)
        while True:
            try:
                if claim is not None and claim.valid_until:
                    await hold.log.confirm()  # the broker's own time of the claim decides
                return await hold.fresh()
            except errors.BrokerUnavailableError:
                if clock.boot() > work.boot_deadline:
                    return hold.log.state
                await asyncio.sleep(_PAUSE_SECONDS)

    async def _record(
        self, hold: Hold, work: Work, args: Mapping[str, Any], tried: _Tried, latency_ms: int
    ) -> Event | None:
        """Append the result until it is stored, or another one is; then it may answer other runs, if it may."""
        judged, answered = tried.judged, self.law.now()
        as_of = await self._as_of(work.spec, judged, answered)
        output, shown = await self.executions.keep(hold, work.spec, judged.output)
        event = await hold.append(
            lambda state: self.scribe.performed(
                state, work, judged, output, tried.attempts, latency_ms, shown, as_of, tried.waited_ms
            ),
            has_happened=True,
        )
        if work.spec.cache is not None and event is not None and output is not None:
            origin = types.Origin(execution=hold.xid, seq=event.seq, answered=clock.text(answered))
            await self.cache.keep(hold, work.contract_digest, args, output, as_of, origin)
        # of what went well the log itself tells; at hundreds of calls a second a line for each would hide the others
        tell = log.debug if judged.status == "ok" else log.info
        tell(
            "tool_called",
            execution=hold.xid,
            trace_id=hold.log.state.trace_id,
            tool=work.tool,
            status=judged.status,
            reason=judged.error.reason if judged.error is not None else "",
            attempts=tried.attempts,
            latency_ms=latency_ms,
            is_recorded=event is not None,
        )
        return event

    async def _as_of(self, spec: ToolContractSpec, judged: Judged, answered: int) -> str:
        """Since when an output is true, where somebody may ask."""
        if judged.output is None or (spec.freshness is None and spec.cache is None):
            return ""
        # half a second at worst, in which others' calls go on
        return await asyncio.to_thread(freshness.as_of, spec, judged.output, answered)


def _reason(stop: call.Stop | call.Unknowable) -> str:
    return stop.reason if isinstance(stop, call.Unknowable) else "Killed"
