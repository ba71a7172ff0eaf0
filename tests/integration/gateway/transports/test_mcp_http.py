"""What if an MCP server that is reached by HTTP misbehaves? The same truth as of any other call."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web

from keelstep.domain import canonical, outcome
from keelstep.kinds.contract import ToolContractSpec
from keelstep.testing import eventually, ports
from keelstep_gateway.transports import mcp_http, mcp_sessions
from tests.integration.gateway.transports.caller import Caller, contract

LARGE = 50 * 1024 * 1024
SESSION = "Mcp-Session-Id"


@dataclass(slots=True)
class McpServer:
    """Speaks the protocol of 2025 as far as it wants to."""

    url: str = ""
    mode: str = "plain"
    """What it does with a call."""
    opening: str = "plain"
    """What it does with a handshake."""
    sessions: int = 0
    methods: list[str] = field(default_factory=list)
    messages: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    called: asyncio.Event = field(default_factory=asyncio.Event)
    asked: dict[str, Any] = field(default_factory=dict)
    """The call whose answer it broke off."""

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Any request."""
        if request.method != "POST":
            return await self._listened(request)
        message = await request.json()
        method = str(message.get("method"))
        self.methods.append(method)
        self.messages.append(message)
        self.headers.append(dict(request.headers))
        if "id" not in message:
            return web.Response(status=202)
        if method == "initialize":
            if self.opening != "plain":
                return await self._fault(request, self.opening, message)
            self.sessions += 1
            result = {
                "protocolVersion": message["params"]["protocolVersion"],
                "capabilities": {},
                "serverInfo": {"name": "bad", "version": "1"},
            }
            return web.json_response(_result(message, result), headers={SESSION: f"s{self.sessions}"})
        if method != "tools/call":
            error = {"code": -32601, "message": "no such method"}
            return web.json_response({"jsonrpc": "2.0", "id": message["id"], "error": error})
        self.called.set()
        return await self._fault(request, self.mode, message)

    async def _fault(self, request: web.Request, mode: str, message: dict[str, Any]) -> web.StreamResponse:
        plain = _result(message, {"content": [{"type": "text", "text": "fine"}]})
        assert request.transport is not None
        match mode:
            case "dies":
                request.transport.abort()
            case "silent":
                await asyncio.Event().wait()
            case "large":
                return web.Response(body=b" " * LARGE, content_type="application/json")
            case "html":
                return web.Response(text="<h1>hello</h1>", content_type="text/html")
            case "half":
                response = web.StreamResponse(
                    headers={"Content-Type": "application/json", "Content-Length": "100"}
                )
                await response.prepare(request)
                await response.write(b'{"jsonrpc"')
                request.transport.abort()
            case "drip":
                return await self._drip(request)
            case "forgotten":
                return web.Response(status=404)
            case "busy" | "down" | "secret":
                return web.Response(status={"busy": 429, "down": 503, "secret": 401}[mode])
            case "twice":
                again = _result(message, {"content": [{"type": "text", "text": "again"}]})
                return await self._stream(request, plain, again)
            case "progress":
                token = message["params"]["_meta"]["progressToken"]
                params = {"progressToken": token, "progress": 1, "total": 2}
                told = {"jsonrpc": "2.0", "method": "notifications/progress", "params": params}
                return await self._stream(request, told, plain)
            case "endless":
                return await self._stream(request)
            case "resumed" | "broken off":
                self.asked = message
                return await self._break_off(request)
            case "nothing":
                return web.Response(status=202)
            case "redirect":
                return web.Response(status=307, headers={"Location": "http://169.254.169.254/"})
        return web.json_response(plain)

    async def _listened(self, request: web.Request) -> web.StreamResponse:
        """A request for what comes without being asked for, or for the rest of an answer."""
        self.methods.append(request.method)
        if "Last-Event-ID" not in request.headers:
            return await self._break_off(request) if request.method == "GET" else web.Response(status=405)
        if self.mode == "broken off":
            return await self._break_off(request)
        fine = _result(self.asked, {"content": [{"type": "text", "text": "fine"}]})
        return await self._stream(request, fine)

    async def _break_off(self, request: web.Request) -> web.StreamResponse:
        """Nothing yet; ask again at once."""
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        await response.write(b"id: 1\nretry: 0\ndata:\n\n")
        return response

    async def _drip(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        while True:
            await response.write(b": still there\n\n")
            await asyncio.sleep(0.05)  # how slowly it answers, not what the test waits for

    async def _stream(self, request: web.Request, *messages: dict[str, Any]) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for message in messages:
            await response.write(b"event: message\ndata: " + canonical.dumps(message) + b"\n\n")
        while not messages:
            await response.write(b"event: message\ndata: " + b"x" * 65536)
        return response


def _result(request: dict[str, Any], result: dict[str, Any]) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": request["id"], "result": result}


@contextlib.asynccontextmanager
async def serving(port: int = 0) -> AsyncIterator[McpServer]:
    """A server while the context lasts."""
    found = McpServer()
    app = web.Application()
    app.router.add_route("*", "/mcp", found.answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", port).start()
        found.url = f"http://127.0.0.1:{runner.addresses[0][1]}/mcp"
        yield found
    finally:
        await runner.cleanup()


@pytest_asyncio.fixture(loop_scope="session")
async def bad() -> AsyncIterator[McpServer]:
    """A server of this test's own."""
    async with serving() as found:
        yield found


def tool(url: str, **fields: Any) -> ToolContractSpec:
    """A contract of a tool there that shows something to somebody."""
    given = {"sideEffect": "Visible", "consequenceTier": 2, **fields}
    return contract({"mcp": {"tool": "t", "http": {"url": url}}}, **given)


FAULTS: dict[str, tuple[str, str]] = {
    "dies": ("ConnectionFailed", "unknown"),
    "silent": ("Timeout", "unknown"),
    "drip": ("Timeout", "unknown"),
    "large": ("ResponseTooLarge", "unknown"),
    "endless": ("ResponseTooLarge", "unknown"),
    "half": ("ConnectionFailed", "unknown"),
    "broken off": ("ConnectionFailed", "unknown"),
    "html": ("OutputInvalid", "unknown"),
    "nothing": ("ToolFailed", "unknown"),
    "redirect": ("RedirectRefused", "unknown"),
    "forgotten": ("ConnectionFailed", "unknown"),
    "busy": ("RateLimited", "unknown"),
    "down": ("Unavailable", "unknown"),
    "secret": ("Refused", "unknown"),
}


@pytest.mark.parametrize(("mode", "expected"), FAULTS.items(), ids=FAULTS.keys())
async def test_during_a_call_a_server_is(
    calls: Caller, bad: McpServer, mode: str, expected: tuple[str, str]
) -> None:
    """Nobody knows what it did."""
    bad.mode = mode
    spec = tool(bad.url)
    found = await calls.none(spec, timeout_seconds=3.0 if expected[0] == "Timeout" else 30.0)
    assert (found.reason, found.was_sent) == (expected[0], True)
    assert outcome.judge(spec, found).status == expected[1]


OPENING: dict[str, str] = {
    "dies": "ConnectionFailed",
    "silent": "Timeout",
    "large": "ResponseTooLarge",
    "down": "Unavailable",
    "busy": "RateLimited",
    "secret": "Refused",
    "html": "OutputInvalid",
}


@pytest.mark.parametrize(("mode", "reason"), OPENING.items(), ids=OPENING.keys())
async def test_in_the_handshake_a_server_is(calls: Caller, bad: McpServer, mode: str, reason: str) -> None:
    """Nothing was sent, and the next call tries anew."""
    bad.opening = mode
    found = await calls.none(tool(bad.url), timeout_seconds=3.0 if reason == "Timeout" else 30.0)
    assert (found.reason, found.was_sent) == (reason, False)
    bad.opening = "plain"
    await calls.answer(tool(bad.url), timeout_seconds=30.0)


async def test_a_server_that_answers_twice_is_answered_once(calls: Caller, bad: McpServer) -> None:
    """What comes behind the answer is not read."""
    bad.mode = "twice"
    for _ in range(3):
        found = await calls.answer(tool(bad.url))
        assert b"fine" in found.body
        assert b"again" not in found.body


async def test_the_rest_of_an_answer_that_broke_off_is_asked_for(calls: Caller, bad: McpServer) -> None:
    """As the protocol allows a server that thinks for long; but not for ever."""
    bad.mode = "resumed"
    assert b"fine" in (await calls.answer(tool(bad.url))).body
    assert bad.methods.count("GET") == 1
    bad.methods.clear()
    bad.mode = "broken off"
    found = await calls.none(tool(bad.url))
    assert "again and again" in found.message
    assert bad.methods.count("GET") == mcp_http.MOST_RESUMED


async def test_a_server_may_tell_how_far_it_is(calls: Caller, bad: McpServer) -> None:
    """It is given a token to tell it by; what it tells is no answer."""
    bad.mode = "progress"
    assert b"fine" in (await calls.answer(tool(bad.url))).body


@pytest.mark.parametrize("effect", [{"sideEffect": "ReadOnly", "consequenceTier": 0}, {}])
async def test_a_call_that_is_given_up_is_cancelled_at_the_server(
    effect: dict[str, Any], calls: Caller, bad: McpServer
) -> None:
    """It is told which, in a session that others share and in one of the call's own."""
    bad.mode = "silent"
    await calls.none(tool(bad.url, **effect), timeout_seconds=3.0)
    told = await eventually.true(
        lambda: [each for each in bad.messages if each.get("method") == "notifications/cancelled"],
        "the server is told",
    )
    [call] = [each for each in bad.messages if each.get("method") == "tools/call"]
    assert [each["params"]["requestId"] for each in told] == [call["id"]]


async def test_a_server_is_not_listened_to_between_calls(calls: Caller, bad: McpServer) -> None:
    """Each idle session would hold a connection, and a server that breaks off be asked again without end."""
    read = tool(bad.url, sideEffect="ReadOnly", consequenceTier=0)
    for _ in range(3):
        await calls.answer(read)
    await asyncio.gather(*(calls.answer(tool(bad.url)) for _ in range(5)))
    assert "GET" not in bad.methods


async def test_sessions_that_nobody_uses_are_few(
    calls: Caller, bad: McpServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each tenant and each secret has its own: the one that was opened first makes room."""
    monkeypatch.setattr(mcp_sessions, "MOST_IDLE", 2)
    read = tool(bad.url, sideEffect="ReadOnly", consequenceTier=0)
    for tenant in ("a", "b", "c"):
        await calls.answer(read, tenant=tenant)
    assert bad.sessions == 3
    await calls.answer(read, tenant="c")
    assert bad.sessions == 3
    await calls.answer(read, tenant="a")
    assert bad.sessions == 4


async def test_a_server_that_is_not_there_was_sent_nothing(calls: Caller) -> None:
    """Nobody listens."""
    found = await calls.none(tool(f"http://127.0.0.1:{ports.one()}/mcp"))
    assert (found.reason, found.was_sent) == ("ConnectionFailed", False)


async def test_a_read_uses_a_session_again_and_a_write_its_own(calls: Caller, bad: McpServer) -> None:
    """A kept session may end at the very moment of use, which a call that may not be repeated should not risk."""
    read = tool(bad.url, sideEffect="ReadOnly", consequenceTier=0)
    for _ in range(3):
        await calls.answer(read)
    assert bad.sessions == 1
    for _ in range(2):
        await calls.answer(tool(bad.url))
    assert bad.sessions == 3


async def test_a_session_that_the_server_forgot_is_opened_anew(calls: Caller, bad: McpServer) -> None:
    """The call that finds out has failed, and may be repeated; the next has a session."""
    read = tool(bad.url, sideEffect="ReadOnly", consequenceTier=0)
    await calls.answer(read)
    bad.mode = "forgotten"
    found = await calls.none(read)
    assert (found.reason, found.error_class) == ("ConnectionFailed", "ConnectionFailed")
    bad.mode = "plain"
    await calls.answer(read)
    assert bad.sessions == 2


async def test_a_kept_session_to_a_server_that_went_away_was_sent_nothing(calls: Caller) -> None:
    """The connection for the call could not be made: that is known, also within a session."""
    port = ports.one()
    async with serving(port) as bad:
        read = tool(bad.url, idempotency={"mode": "Keyed"})
        await calls.answer(read)
    found = await calls.none(read)
    assert (found.reason, found.was_sent) == ("ConnectionFailed", False)


async def test_every_request_carries_the_credential_and_the_contracts_headers(
    calls: Caller, bad: McpServer
) -> None:
    """The handshake, too."""
    described = {
        "mcp": {"tool": "t", "http": {"url": bad.url, "headers": [{"name": "X-Shop", "value": "berlin"}]}}
    }
    spec = contract(described, credentials={"bearer": {"key": "k"}})
    await calls.answer(spec, secrets={"k": "of-this-test"})
    assert set(bad.methods) >= {"initialize", "tools/call"}
    assert all(each["Authorization"] == "Bearer of-this-test" for each in bad.headers)
    assert all(each["X-Shop"] == "berlin" for each in bad.headers)
    await calls.answer(spec, secrets={"k": "rotated-since"})
    assert bad.headers[-1]["Authorization"] == "Bearer rotated-since"
