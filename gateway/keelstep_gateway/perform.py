"""How is one tool call performed, from a stored claim to its stored result?

    may I send? ──no──► result{failed}: it was not sent          (silent where the claim is somebody else's by now)
        │ yes
        ▼
    send ──► judge ──may it be tried again?──► wait ──► may I send? …
        ▼
    tool.result, appended until it is stored: it happened

Trying again under one claim appends nothing in between: the claim's deadline covers every attempt, its key is the same,
and only the last word is a fact. What may be sent, tried again and said is decided in `domain.call` and `domain.outcome`.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import structlog

from keelstep import errors, points
from keelstep.domain import call, outcome
from keelstep.domain.outcome import Judged
from keelstep.domain.state import State
from keelstep.events import clock, types
from keelstep.kinds.contract import ToolContractSpec
from keelstep_gateway.credentials import CredentialSource
from keelstep_gateway.executions import Executions
from keelstep_gateway.hold import Hold
from keelstep_gateway.law import Law
from keelstep_gateway.records import Scribe, Work
from keelstep_gateway.transports import authorization
from keelstep_gateway.transports.transport import Call, Transport

log = structlog.get_logger(__name__)

_PAUSE_SECONDS = 0.5
_SILENT = ("ClaimClosed", "ClaimTakenOver")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tried:
    """What all attempts came to."""

    judged: Judged
    attempts: int


@dataclass(slots=True, kw_only=True)
class Performer:
    """Performs tool calls that were decided and claimed."""

    scribe: Scribe
    executions: Executions
    law: Law
    transport: Transport
    credentials: CredentialSource

    async def perform(self, hold: Hold, work: Work, args: Mapping[str, Any]) -> None:
        """Perform it and record what came of it; nothing is recorded of a claim that is no longer ours.

        Raises:
            errors.KeelstepError: the result could not be recorded; whoever finds the claim open goes on.
        """
        begun = clock.boot()
        secrets = await self._secrets(hold, work)
        if isinstance(secrets, Judged):
            tried: _Tried | None = _Tried(judged=secrets, attempts=0)
        else:
            tried = await self._try(hold, work, args, secrets)
        if tried is None:
            return
        latency_ms = (clock.boot() - begun) // 1_000_000
        await self._record(hold, work, tried, latency_ms)

    async def prepare(self, tenant: str, spec: ToolContractSpec) -> None:
        """Read the credentials before anything is claimed, so that only a missing one can stop a claimed call.

        Raises:
            errors.KeelstepError: they cannot be read now.
        """
        for key in authorization.keys(spec):
            await self.credentials.get(tenant, key)

    async def _try(
        self, hold: Hold, work: Work, args: Mapping[str, Any], secrets: Mapping[str, str]
    ) -> _Tried | None:
        """Send it, again where that is allowed and can help; None where it is not ours to report."""
        attempts, is_earlier_unknown = 0, False
        judged: Judged | None = None
        while True:
            why = await self._why_not(hold, work)
            if why in _SILENT or (why and judged is None and work.claim_seq is None):
                log.info("call_left", execution=hold.xid, tool=work.tool, reason=why, attempts=attempts)
                return None
            if why:
                judged = judged or _failed(why, "the call was not sent")
                break
            attempts += 1
            judged = await self._send(hold.tenant, work, args, secrets)
            if not outcome.may_try_again(work.spec, judged, attempts):
                break
            is_earlier_unknown |= judged.status == "unknown"
            log.info("call_tried_again", execution=hold.xid, tool=work.tool, attempts=attempts)
            await asyncio.sleep(outcome.backoff_seconds(work.spec, attempts))
        return _Tried(judged=outcome.altogether(work.spec, is_earlier_unknown, judged), attempts=attempts)

    async def _send(
        self, tenant: str, work: Work, args: Mapping[str, Any], secrets: Mapping[str, str]
    ) -> Judged:
        left = (work.boot_deadline - clock.boot()) / clock.SECOND
        points.reached("gateway.before.send")
        seen = await self.transport.call(
            Call(
                tenant=tenant,
                spec=work.spec,
                args=args,
                key=work.key,
                secrets=secrets,
                timeout_seconds=max(0.001, min(float(work.spec.timeout_seconds), left)),
            )
        )
        points.reached("gateway.after.send")
        return outcome.judge(work.spec, seen)

    async def _secrets(self, hold: Hold, work: Work) -> dict[str, str] | Judged:
        """The credentials the contract names, by key; or the failure it means not to have one."""
        found: dict[str, str] = {}
        for key in authorization.keys(work.spec):
            try:
                secret = await self.credentials.get(hold.tenant, key)
            except errors.KeelstepError as error:
                return _failed(
                    "CredentialsUnavailable", f"the credential {key} cannot be read: {error.reason}"
                )
            if not secret:
                return _failed("CredentialsMissing", f"the tenant's credentials have no key {key}")
            found[key] = secret
        return found

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

    async def _record(self, hold: Hold, work: Work, tried: _Tried, latency_ms: int) -> None:
        """Append the result until it is stored, or another one is."""
        judged = tried.judged
        output = await self.executions.seal(hold, judged.output) if judged.output is not None else None
        event = await hold.append(
            lambda state: self.scribe.performed(state, work, judged, output, tried.attempts, latency_ms),
            has_happened=True,
        )
        log.info(
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


def _reason(stop: call.Stop | call.Unknowable) -> str:
    return stop.reason if isinstance(stop, call.Unknowable) else "Killed"


def _failed(reason: str, message: str) -> Judged:
    error = types.Error(reason=reason, message=message[:300], error_class=outcome.INVALID)
    return Judged(status="failed", error=error, was_sent=False)
