"""Does the HTTP transport tell the truth about what left and what came back? Against a server of the test's own."""

import asyncio
import gzip
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web

from keelstep.domain.outcome import Answer, NoAnswer, Seen
from keelstep.kinds.contract import ToolContractSpec
from keelstep_gateway.transports.http import MAX_RESPONSE_BYTES, Http


def spec(url: str) -> ToolContractSpec:
    """A GET of this address."""
    return ToolContractSpec.model_validate(
        {
            "description": "x",
            "schema": {"input": {}, "output": {}},
            "sideEffect": "ReadOnly",
            "consequenceTier": 0,
            "transport": {"http": {"method": "GET", "url": url}},
        }
    )


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def server() -> AsyncIterator[str]:
    """A server that misbehaves by path."""

    async def large(_: web.Request) -> web.Response:
        return web.Response(body=b"x" * (MAX_RESPONSE_BYTES + 1))

    async def largest(_: web.Request) -> web.Response:
        return web.Response(body=b"x" * MAX_RESPONSE_BYTES)

    async def away(_: web.Request) -> web.Response:
        raise web.HTTPFound("/largest")

    async def bomb(_: web.Request) -> web.Response:
        headers = {"Content-Encoding": "gzip"}
        return web.Response(body=gzip.compress(b"x" * 50 * MAX_RESPONSE_BYTES), headers=headers)

    async def drip(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b"x")
            await asyncio.sleep(0.05)

    async def half(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "100"})
        await response.prepare(request)
        await response.write(b"x")
        assert request.transport is not None
        request.transport.abort()
        return response

    app = web.Application()
    app.add_routes([web.get(f"/{each.__name__}", each) for each in (large, largest, away, bomb, drip, half)])
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


async def seen(url: str, **options: Any) -> Seen:
    """What one call saw."""
    transport = Http()
    try:
        given: dict[str, Any] = {"key": "", "secret": None, "timeout_seconds": 5.0, **options}
        return await transport.call(spec(url), {}, **given)
    finally:
        await transport.close()


async def test_a_response_is_read_up_to_its_bound(server: str) -> None:
    """One byte more is cut off, and said to be."""
    whole = await seen(f"{server}/largest")
    assert isinstance(whole, Answer)
    assert (len(whole.body), whole.is_cut) == (MAX_RESPONSE_BYTES, False)
    cut = await seen(f"{server}/large")
    assert isinstance(cut, Answer)
    assert (cut.status, cut.body, cut.is_cut) == (200, b"", True)


async def test_a_redirect_is_not_followed(server: str) -> None:
    """It is an answer like any other."""
    found = await seen(f"{server}/away")
    assert isinstance(found, Answer)
    assert found.status == 302


async def test_a_compressed_response_is_not_unpacked(server: str) -> None:
    """None was asked for; fifty times the bound must not arise in memory."""
    found = await seen(f"{server}/bomb")
    assert isinstance(found, Answer)
    assert len(found.body) < MAX_RESPONSE_BYTES


@pytest.mark.parametrize(("path", "reason"), [("drip", "Timeout"), ("half", "ConnectionFailed")])
async def test_an_answer_that_never_ends_well_is_none_after_the_first_byte(
    server: str, path: str, reason: str
) -> None:
    """The time counts to the last byte; half a body is no body."""
    found = await seen(f"{server}/{path}", timeout_seconds=1.0)
    assert isinstance(found, NoAnswer)
    assert (found.reason, found.was_sent) == (reason, True)


async def test_a_connection_that_is_refused_sent_nothing() -> None:
    """Nobody listens there."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        found = await seen(f"http://127.0.0.1:{taken.getsockname()[1]}/")
    assert isinstance(found, NoAnswer)
    assert (found.reason, found.was_sent) == ("ConnectionFailed", False)


async def test_a_name_that_does_not_resolve_sent_nothing() -> None:
    """No address, no byte."""
    found = await seen("http://nowhere.invalid/")
    assert isinstance(found, NoAnswer)
    assert (found.reason, found.was_sent) == ("ConnectionFailed", False)


async def test_a_connection_that_does_not_open_in_time_sent_nothing() -> None:
    """A full backlog answers nobody; the first byte never left."""
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(0)
        port = deaf.getsockname()[1]
        callers = [socket.socket() for _ in range(8)]
        try:
            for caller in callers:
                caller.setblocking(False)
                caller.connect_ex(("127.0.0.1", port))
            found = await seen(f"http://127.0.0.1:{port}/", timeout_seconds=0.5)
        finally:
            for caller in callers:
                caller.close()
    assert isinstance(found, NoAnswer)
    assert (found.reason, found.was_sent) == ("Timeout", False)
