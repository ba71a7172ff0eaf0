"""How does a call go wrong on its way? By a proxy of ours between gateway and tool, on this machine.

    Pass          to the tool and back
    CutBefore     the connection ends before anything reaches the tool
    CutAfter      the tool is asked and has answered, then the connection ends
    HangBefore    nothing reaches the tool, and nothing comes back
    HangAfter     the tool is asked and has answered, and nothing comes back
    a status      the proxy answers so itself; nothing reaches the tool

What reaches the tool leaves by the gateway's own egress, under the same rules as a direct call. It is for the test's own
calls, which carry a token: others on this machine must not borrow the client certificate that it shows.
"""

import asyncio
import contextlib
import json
import re
import secrets
import ssl
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import multidict
import yarl
from aiohttp import web

from keelstep.kinds.contract import ToolContractSpec
from keelstep.kinds.transport import Header, Http, McpHttp
from keelstep_gateway.transports import egress
from keelstep_gateway.transports.egress import Egress, Request
from keelstep_gateway.transports.transport import CallError, Sent

TOKEN = "X-Keelstep-Test"  # noqa: S105 a header's name
_ORIGIN = re.compile(r"^https?://[^/?#]+")
_HOP = frozenset(
    (
        *("connection", "content-encoding", "content-length", "host", "keep-alive", "transfer-encoding"),
        *("upgrade", TOKEN.lower()),
    )
)


class Fault(StrEnum):
    """What becomes of a call."""

    CUT_BEFORE = "CutBefore"
    CUT_AFTER = "CutAfter"
    HANG_BEFORE = "HangBefore"
    HANG_AFTER = "HangAfter"


@dataclass(slots=True)
class Proxy:
    """A running proxy in front of one contract's tool."""

    origin: str
    tls: ssl.SSLContext | None
    egress: Egress
    port: int = 0
    token: str = field(default_factory=lambda: secrets.token_hex(16), repr=False)
    faults: deque[Fault | int] = field(default_factory=deque)
    """What becomes of the next calls, a status is answered at once; after these all pass."""

    def before(self, spec: ToolContractSpec) -> ToolContractSpec:
        """The same contract by way of this proxy."""
        way = spec.transport
        if way.http is not None:
            http = way.http.model_copy(update=self._led(way.http))
            return spec.model_copy(update={"transport": way.model_copy(update={"http": http})})
        assert way.mcp is not None
        assert way.mcp.http is not None
        server = way.mcp.http.model_copy(update=self._led(way.mcp.http))
        mcp = way.mcp.model_copy(update={"http": server})
        return spec.model_copy(update={"transport": way.model_copy(update={"mcp": mcp})})

    def _led(self, described: Http | McpHttp) -> dict[str, Any]:
        """Address and headers of a way that leads here."""
        here = f"http://127.0.0.1:{self.port}"
        token = Header(name=TOKEN, value=self.token)
        return {"url": _ORIGIN.sub(here, described.url), "headers": [*described.headers, token]}

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """One request."""
        if request.headers.get(TOKEN) != self.token:
            return web.Response(status=403)
        if request.method == "GET" and "text/event-stream" in request.headers.get("Accept", ""):
            return web.Response(status=405)  # MCP's own stream is not needed for a call
        body = await request.read()
        fault = self.faults.popleft() if self.faults and _is_call(body, request) else None
        match fault:
            case int():
                return web.json_response({"error": "by the test"}, status=fault)
            case Fault.CUT_BEFORE:
                return _cut(request)
            case Fault.HANG_BEFORE:
                await asyncio.Event().wait()
        answer = await self._forward(request, body)
        match fault:
            case Fault.CUT_AFTER:
                return _cut(request)
            case Fault.HANG_AFTER:
                await asyncio.Event().wait()
        return answer

    async def _forward(self, request: web.Request, body: bytes) -> web.Response:
        headers = multidict.CIMultiDict(
            (name, value) for name, value in request.headers.items() if name.lower() not in _HOP
        )
        there = Request(
            method=request.method,
            url=yarl.URL(self.origin + request.raw_path, encoded=True),
            headers=headers,
            content=body,
            tls=self.tls,
            is_fresh=True,
        )
        try:
            async with self.egress.open(there, Sent()) as response:
                content = await egress.read(response)
                kept = [(name, value) for name, value in response.headers.items() if name.lower() not in _HOP]
                return web.Response(status=response.status, body=content, headers=multidict.CIMultiDict(kept))
        except CallError:
            return _cut(request)


@contextlib.asynccontextmanager
async def between(spec: ToolContractSpec, egress: Egress, tls: ssl.SSLContext | None) -> AsyncIterator[Proxy]:
    """A proxy in front of a contract's tool, on a free port of this machine."""
    address = _address(spec)
    origin = _ORIGIN.match(address)
    assert origin is not None
    proxy = Proxy(origin[0], tls, egress)
    app = web.Application(client_max_size=8 * 1024 * 1024)
    app.router.add_route("*", "/{rest:.*}", proxy.answer)
    # a handler that hangs ends with its caller
    runner = web.AppRunner(app, handler_cancellation=True, access_log=None, shutdown_timeout=0)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        proxy.port = runner.addresses[0][1]
        yield proxy
    finally:
        await runner.cleanup()


def can_stand_between(spec: ToolContractSpec) -> bool:
    """Is the tool reached by HTTP?"""
    return bool(_address(spec))


def _address(spec: ToolContractSpec) -> str:
    if spec.transport.http is not None:
        return spec.transport.http.url
    if spec.transport.mcp is not None and spec.transport.mcp.http is not None:
        return spec.transport.mcp.http.url
    return ""


def _is_call(body: bytes, request: web.Request) -> bool:
    """Of MCP's requests only those that call a tool."""
    if "mcp-protocol-version" not in request.headers and b'"jsonrpc"' not in body:
        return True
    try:
        return bool(json.loads(body)["method"] == "tools/call")
    except (ValueError, KeyError, TypeError):
        return False


def _cut(request: web.Request) -> web.Response:
    if request.transport is not None:
        request.transport.abort()
    return web.Response()
