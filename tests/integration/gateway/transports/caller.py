"""How does a test make a call of a contract? Through the gateway's own router, with secrets of the test's own."""

import contextlib
from collections.abc import AsyncIterator, Mapping
from typing import Any

from keelstep.domain.outcome import Answer, NoAnswer, Seen
from keelstep.kinds.contract import ToolContractSpec
from keelstep_gateway.transports.commands import Commands
from keelstep_gateway.transports.egress import Egress
from keelstep_gateway.transports.router import Router
from keelstep_gateway.transports.transport import Call


def contract(transport: Mapping[str, Any], **fields: Any) -> ToolContractSpec:
    """A read by this transport, unless the test says otherwise."""
    given: dict[str, Any] = {
        "description": "x",
        "schema": {"input": {"type": "object"}, "output": {}},
        "sideEffect": "ReadOnly",
        "consequenceTier": 0,
        "transport": transport,
    }
    return ToolContractSpec.model_validate({**given, **fields})


def http(url: str, method: str = "GET", **fields: Any) -> dict[str, Any]:
    """An HTTP transport."""
    return {"http": {"method": method, "url": url, **fields}}


class Caller:
    """Makes calls."""

    def __init__(self, router: Router) -> None:
        self.router = router

    async def call(
        self,
        spec: ToolContractSpec,
        args: Mapping[str, Any] | None = None,
        *,
        secrets: Mapping[str, str] | None = None,
        timeout_seconds: float = 30.0,
        tenant: str = "shop",
    ) -> Seen:
        """What one call saw."""
        call = Call(
            tenant=tenant,
            spec=spec,
            args=args or {},
            key="k-1",
            secrets=secrets or {},
            timeout_seconds=timeout_seconds,
        )
        return await self.router.call(call)

    async def answer(
        self, spec: ToolContractSpec, args: Mapping[str, Any] | None = None, **options: Any
    ) -> Answer:
        """The same, where there is an answer."""
        seen = await self.call(spec, args, **options)
        assert isinstance(seen, Answer), seen
        return seen

    async def none(
        self, spec: ToolContractSpec, args: Mapping[str, Any] | None = None, **options: Any
    ) -> NoAnswer:
        """The same, where there is none."""
        seen = await self.call(spec, args, **options)
        assert isinstance(seen, NoAnswer), seen
        return seen


@contextlib.asynccontextmanager
async def calling(
    egress: Egress | None = None, commands: Commands | None = None, processes: int = 16
) -> AsyncIterator[Caller]:
    """A router of the test's own."""
    router = Router(egress or Egress(), commands, processes)
    try:
        yield Caller(router)
    finally:
        await router.close()
