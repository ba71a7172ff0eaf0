"""Which transport makes a call? The one that the contract names; and no answer leaves here with a secret in it."""

import asyncio
import dataclasses
import traceback
from typing import TYPE_CHECKING

import structlog

from keelstep.domain.outcome import Seen
from keelstep.kinds.contract import ToolContractSpec
from keelstep_gateway.transports import authorization, tls, transport
from keelstep_gateway.transports.authorization import Authorization
from keelstep_gateway.transports.commands import Commands
from keelstep_gateway.transports.egress import Egress
from keelstep_gateway.transports.http import Http
from keelstep_gateway.transports.tokens import Tokens
from keelstep_gateway.transports.transport import Call, CallError, Transport

if TYPE_CHECKING:
    from keelstep_gateway.transports.mcp import Mcp

log = structlog.get_logger(__name__)


class Router:
    """Every transport there is."""

    def __init__(self, egress: Egress, commands: Commands | None = None, processes: int = 16) -> None:
        self._egress = egress
        self._commands = commands or Commands()
        self._processes = processes
        self._contexts = tls.Contexts()
        self._tokens = Tokens(egress)
        self._authorization = Authorization(self._tokens, self._contexts)
        self._http = Http(egress, self._authorization, self._contexts)
        self._mcp: Mcp | None = None
        self._loading = asyncio.Lock()

    async def call(self, call: Call) -> Seen:
        """Make one call."""
        call.redaction.add(
            *(call.secrets[key] for key in authorization.told(call.spec) if key in call.secrets)
        )
        try:
            seen = await self._call(call)
            body = call.redaction.clean(seen.body)
            return seen if body is seen.body else dataclasses.replace(seen, body=body)
        except Exception as fault:  # noqa: BLE001 outermost: what left must be told, whatever a library makes of the answer
            # the place, not the words: they may quote what was sent or answered
            stack = "".join(traceback.format_tb(fault.__traceback__))
            log.error("transport_failed", kind=type(fault).__name__, stack=stack)
            return CallError("Fault", "the gateway met a fault of its own during the call").seen(
                was_sent=True
            )

    async def prepare(self, spec: ToolContractSpec) -> None:
        """Load what calls of a contract need, so that none of them waits for that."""
        if spec.transport.mcp is not None:
            await self._load()

    async def close(self) -> None:
        """Close everything."""
        if self._mcp is not None:
            await self._mcp.close()
        await self._tokens.close()
        await self._egress.close()

    async def _call(self, call: Call) -> Seen:
        if call.spec.transport.http is not None:
            return await self._http.call(call)
        if call.spec.transport.mcp is None:
            return CallError("RequestInvalid", "the contract names no transport of a gateway").seen(
                was_sent=False
            )
        if self._mcp is not None:
            return await self._mcp.call(call)
        clock = asyncio.get_running_loop()
        begun = clock.time()
        try:
            async with asyncio.timeout(call.timeout_seconds):
                loaded: Transport = await self._load()
        except TimeoutError:
            return transport.timed_out(call.timeout_seconds).seen(was_sent=False)
        left = max(0.001, call.timeout_seconds - (clock.time() - begun))
        return await loaded.call(dataclasses.replace(call, timeout_seconds=left))

    async def _load(self) -> "Mcp":
        """The MCP transport: its library takes more than a second to load, so only where it is used, and in no one's way."""
        async with self._loading:
            if self._mcp is None:
                loaded = await asyncio.to_thread(_mcp)
                self._mcp = loaded(
                    egress=self._egress,
                    authorization=self._authorization,
                    contexts=self._contexts,
                    commands=self._commands,
                    processes=self._processes,
                )
            return self._mcp


def _mcp() -> "type[Mcp]":
    from keelstep_gateway.transports.mcp import Mcp

    return Mcp
