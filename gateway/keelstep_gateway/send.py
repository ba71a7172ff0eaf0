"""How does one call leave the gateway and come back judged? With the credentials its contract names, within its time.

Whether it may be sent, and whether it is sent again, is asked by whoever sends it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from keelstep import errors, points
from keelstep.domain import outcome
from keelstep.domain.outcome import Judged, NoAnswer, Seen
from keelstep.domain.reasons import classes
from keelstep.events import types
from keelstep.kinds.contract import ToolContractSpec
from keelstep.log.drifts import Notes
from keelstep_gateway import evaluator
from keelstep_gateway.credentials import CredentialSource
from keelstep_gateway.evaluator import Evaluator
from keelstep_gateway.transports import authorization
from keelstep_gateway.transports.transport import Call, Transport


@dataclass(slots=True, kw_only=True)
class Sender:
    """Sends calls."""

    transport: Transport
    credentials: CredentialSource
    evaluator: Evaluator
    drifts: Notes

    async def prepare(self, tenant: str, spec: ToolContractSpec) -> None:
        """Read the credentials before anything is claimed, so that only a missing one can stop a claimed call.

        Raises:
            errors.KeelstepError: they cannot be read now.
        """
        for key in authorization.keys(spec):
            await self.credentials.get(tenant, key)

    async def secrets(self, tenant: str, spec: ToolContractSpec) -> dict[str, str] | Judged:
        """The credentials the contract names, by key; or the failure it means not to have one."""
        found: dict[str, str] = {}
        for key in authorization.keys(spec):
            try:
                secret = await self.credentials.get(tenant, key)
            except errors.KeelstepError as error:
                return unsent(
                    "CredentialsUnavailable", f"the credential {key} cannot be read: {error.reason}"
                )
            if not secret:
                return unsent("CredentialsMissing", f"the tenant's credentials have no key {key}")
            found[key] = secret
        return found

    async def send(
        self,
        tenant: str,
        spec: ToolContractSpec,
        args: Mapping[str, Any],
        key: str,
        secrets: Mapping[str, str],
        left_seconds: float,
    ) -> Judged:
        """Send it once; what came of it."""
        points.reached("gateway.before.send")
        seen = await self.transport.call(
            Call(
                tenant=tenant,
                spec=spec,
                args=args,
                key=key,
                secrets=secrets,
                timeout_seconds=max(0.001, min(float(spec.timeout_seconds), left_seconds)),
                evaluator=self.evaluator,
            )
        )
        points.reached("gateway.after.send")
        self._note_drift(tenant, spec, seen)
        if evaluator.is_quick(len(seen.body), outcome.expressions(spec)):
            return outcome.judge(spec, seen, self.evaluator.evaluate)
        return await self.evaluator.apart(outcome.judge, spec, seen, self.evaluator.evaluate)

    def _note_drift(self, tenant: str, spec: ToolContractSpec, seen: Seen) -> None:
        """Tell people what was met of a tool that is pinned: another one, or the one that was reviewed."""
        mcp = spec.transport.mcp
        if mcp is None or mcp.pinned is None:
            return
        if isinstance(seen, NoAnswer) and seen.reason == "Drifted":
            self.drifts.tell(tenant, mcp, seen.message)
        elif not isinstance(seen, NoAnswer) or seen.was_sent:
            self.drifts.tell(tenant, mcp, "")


def unsent(reason: str, message: str) -> Judged:
    """A call that failed before anything left."""
    error = types.Error(reason=reason, message=message[:300], error_class=classes.NOT_SENT)
    return Judged(status="failed", error=error, was_sent=False)
