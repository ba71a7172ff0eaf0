"""How does a test call a tool? As the gateway does: the same transports, the same egress, the same reading of answers."""

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from keelstep.domain import canonical, egress, outcome
from keelstep.domain.outcome import Answer, Judged, Seen
from keelstep.kinds.contract import ToolContractSpec
from keelstep_gateway.conformance.cases import Contract
from keelstep_gateway.transports import authorization
from keelstep_gateway.transports.commands import Commands
from keelstep_gateway.transports.egress import Egress
from keelstep_gateway.transports.router import Router
from keelstep_gateway.transports.transport import Call

TENANT = "conformance"
_CRASHES = frozenset({"Timeout", "ConnectionFailed"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """One call and what came of it."""

    contract: str
    args: Mapping[str, Any]
    seen: Seen
    judged: Judged
    seconds: float

    @property
    def is_ok(self) -> bool:
        """Answered as the contract says."""
        return self.judged.status == "ok"

    @property
    def output(self) -> Any:
        """What was answered, where it is ok."""
        return None if self.judged.output is None else canonical.loads(self.judged.output)

    @property
    def is_crash(self) -> bool:
        """Did the tool break down rather than refuse?"""
        if isinstance(self.seen, Answer):
            return self.seen.status >= 500
        return self.seen.was_sent and self.seen.reason in _CRASHES

    @property
    def was_sent(self) -> bool:
        """Did the tool get to see it?"""
        return isinstance(self.seen, Answer) or self.seen.was_sent

    @property
    def told(self) -> str:
        """In a few words, without the tool's own."""
        if self.judged.error is None:
            return "ok"
        return f"{self.judged.error.reason}: {self.judged.error.message}"


class _Every(Commands):
    """A person who tests a contract runs the commands in it, on their own machine."""

    def allow(self, command: Sequence[str], variables: Sequence[str]) -> bool:
        """Always."""
        return True


@dataclass(slots=True)
class Caller:
    """Makes calls and remembers them."""

    router: Router
    secrets: Mapping[str, str] = field(repr=False)
    observed: list[Observed] = field(default_factory=list)

    async def call(
        self,
        contract: Contract,
        args: Mapping[str, Any],
        *,
        key: str = "",
        spec: ToolContractSpec | None = None,
        timeout_seconds: float = 0.0,
    ) -> Observed:
        """One call; by another way where `spec` says so."""
        clock = asyncio.get_running_loop()
        spec = spec or contract.spec
        begun = clock.time()
        seen = await self.router.call(
            Call(
                tenant=TENANT,
                spec=spec,
                args=args,
                key=key or fresh_key(),
                timeout_seconds=timeout_seconds or float(spec.timeout_seconds),
                secrets={name: self.secrets[name] for name in authorization.keys(spec)},
            )
        )
        found = Observed(
            contract=contract.name,
            args=args,
            seen=seen,
            judged=outcome.judge(spec, seen),
            seconds=clock.time() - begun,
        )
        self.observed.append(found)
        return found


def fresh_key() -> str:
    """An idempotency key that nobody has used: as long as the gateway's own."""
    return secrets.token_hex(32)


@contextlib.asynccontextmanager
async def calling(rules: egress.Rules, credentials: Mapping[str, str]) -> AsyncIterator[Caller]:
    """A caller, and the end of its connections."""
    router = Router(Egress(rules), _Every())
    try:
        yield Caller(router, credentials)
    finally:
        await router.close()
