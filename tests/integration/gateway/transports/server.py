"""Who misbehaves? An HTTP server whose paths say how, and which remembers what it was asked."""

import asyncio
import contextlib
import gzip
import ssl
import zlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from keelstep_gateway.transports.egress import MAX_RESPONSE_BYTES

_DRIP_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Received:
    """One request as it arrived."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass(slots=True)
class Server:
    """A running server."""

    url: str = ""
    received: list[Received] = field(default_factory=list)
    away: str = ""
    """Where `/away` redirects to."""

    @property
    def last(self) -> Received:
        """What it was asked last."""
        return self.received[-1]

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Any request: the first part of its path says what becomes of it."""
        body = await request.read()
        self.received.append(Received(request.method, request.path_qs, dict(request.headers), body))
        return await getattr(self, f"_{request.match_info['how']}", self._echo)(request)

    async def _echo(self, request: web.Request) -> web.StreamResponse:
        last = self.last
        return web.json_response(
            {
                "method": last.method,
                "path": last.path,
                "headers": last.headers,
                "body": last.body.decode("latin-1"),
            }
        )

    async def _status(self, request: web.Request) -> web.StreamResponse:
        return web.json_response(
            {"headers": self.last.headers},
            status=int(request.match_info["rest"]),
            headers={"Retry-After": "1"},
        )

    async def _large(self, _: web.Request) -> web.StreamResponse:
        return web.Response(body=b"x" * (MAX_RESPONSE_BYTES + 1))

    async def _largest(self, _: web.Request) -> web.StreamResponse:
        return web.Response(body=b"x" * MAX_RESPONSE_BYTES)

    async def _away(self, request: web.Request) -> web.StreamResponse:
        status = int(request.match_info["rest"] or 302)
        return web.Response(status=status, headers={"Location": self.away or f"{self.url}/echo/there"})

    async def _loop(self, _: web.Request) -> web.StreamResponse:
        return web.Response(status=307, headers={"Location": "/loop"})

    async def _packed(self, request: web.Request) -> web.StreamResponse:
        coding = request.match_info["rest"]
        pack = gzip.compress if coding == "gzip" else zlib.compress
        return web.Response(body=pack(b'{"a": 1}'), headers={"Content-Encoding": coding})

    async def _bomb(self, _: web.Request) -> web.StreamResponse:
        payload = gzip.compress(b'"' + b"x" * 50 * MAX_RESPONSE_BYTES + b'"')
        return web.Response(body=payload, headers={"Content-Encoding": "gzip"})

    async def _trailing(self, _: web.Request) -> web.StreamResponse:
        payload = gzip.compress(b'{"a": 1}') + b"x" * 3 * MAX_RESPONSE_BYTES
        return web.Response(body=payload, headers={"Content-Encoding": "gzip"})

    async def _hollow(self, _: web.Request) -> web.StreamResponse:
        packer = zlib.compressobj()
        begin = packer.compress(b'{"a": 1}') + packer.flush(zlib.Z_FULL_FLUSH)
        nothing = b"\x00\x00\x00\xff\xff" * MAX_RESPONSE_BYTES  # blocks of no bytes
        return web.Response(body=begin + nothing + packer.flush(), headers={"Content-Encoding": "deflate"})

    async def _html(self, _: web.Request) -> web.StreamResponse:
        return web.Response(text="<h1>hello</h1>", content_type="text/html")

    async def _drip(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b" ")
            await asyncio.sleep(_DRIP_SECONDS)  # how slowly it answers, not what the test waits for

    async def _half(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "100"})
        await response.prepare(request)
        await response.write(b"x")
        assert request.transport is not None
        request.transport.abort()
        return response

    async def _cut(self, request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    async def _silent(self, _: web.Request) -> web.StreamResponse:
        await asyncio.Event().wait()
        raise AssertionError


@contextlib.asynccontextmanager
async def running(host: str = "127.0.0.1", tls: ssl.SSLContext | None = None) -> AsyncIterator[Server]:
    """A server while the context lasts."""
    found = Server()
    app = web.Application()
    app.router.add_route("*", "/{how:[^/]*}{slash:/?}{rest:.*}", found.answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, 0, ssl_context=tls).start()
        port: Any = runner.addresses[0][1]
        found.url = f"{'https' if tls else 'http'}://{host}:{port}"
        yield found
    finally:
        await runner.cleanup()
