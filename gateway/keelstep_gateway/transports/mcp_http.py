"""How do an MCP session's HTTP requests leave the gateway? Through the same egress as every other call.

The library makes the requests and reads the streams; this carries them, adds the credential, and bounds the answers. The
stream on which a server may ask and tell things of its own is not opened: nobody here would answer, and each would hold a
connection.
"""

import contextlib
import ssl
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import httpx2
import multidict
import yarl
from mcp.client.streamable_http import streamable_http_client

from keelstep.kinds.failure import ErrorClass
from keelstep.kinds.transport import RESERVED_HEADERS, McpHttp
from keelstep_gateway.transports import egress, transport, wire
from keelstep_gateway.transports.authorization import Authorization
from keelstep_gateway.transports.egress import Egress, Request
from keelstep_gateway.transports.transport import CallError
from keelstep_gateway.transports.wire import Wire

_ANSWERS = ("application/json", "text/event-stream")
_UNPACKED = ("content-encoding", "content-length", "transfer-encoding")
_RESUMED = "last-event-id"
"""The header of a request for the rest of an answer that broke off."""
MOST_RESUMED = 8
"""An answer may break off so often: the library would ask on for as long as the server likes."""


@contextlib.asynccontextmanager
async def connect(described: McpHttp, carrier: "Carrier") -> AsyncIterator[Any]:
    """The streams of a session with a server."""
    async with (
        httpx2.AsyncClient(transport=carrier, timeout=None, trust_env=False) as client,
        streamable_http_client(
            described.url, http_client=client, max_sse_event_size=egress.MAX_RESPONSE_BYTES
        ) as streams,
    ):
        yield streams


def _resume(noted: Wire) -> None:
    noted.resumed += 1
    if noted.resumed > MOST_RESUMED:
        noted.problem = CallError(
            "ConnectionFailed",
            "the MCP server broke its answer off again and again",
            ErrorClass.CONNECTION_FAILED,
        )
        raise httpx2.ConnectError("not carried")


class Carrier(httpx2.AsyncBaseTransport):
    """Carries the requests of one session."""

    def __init__(
        self,
        egress: Egress,
        authorization: Authorization,
        described: McpHttp,
        tls: ssl.SSLContext | None,
        *,
        is_fresh: bool,
    ) -> None:
        self._egress = egress
        self._authorization = authorization
        self._described = described
        self._tls = tls
        self._is_fresh = is_fresh

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send one request; its response is read as it comes."""
        noted = wire.CURRENT.get()
        if request.method == "GET" and _RESUMED not in request.headers:
            return httpx2.Response(405)  # what a server says unasked is for nobody here
        if request.method == "GET":
            _resume(noted)
        headers = multidict.CIMultiDict(
            {
                each.name: each.value
                for each in self._described.headers
                if each.name.lower() not in RESERVED_HEADERS
            }
        )
        headers.update(
            {name: value for name, value in request.headers.items() if name.lower() not in RESERVED_HEADERS}
        )
        headers.update({"Accept-Encoding": "identity", "User-Agent": "keelstep-gateway"})
        open_until_read = contextlib.AsyncExitStack()
        try:
            headers.update(await self._authorization.headers(noted.call))
            built = Request(
                method=request.method,
                url=yarl.URL(str(request.url), encoded=True),
                headers=headers,
                content=await request.aread(),
                tls=self._tls,
                is_fresh=self._is_fresh and not noted.is_handshake,
            )
            response = await open_until_read.enter_async_context(self._egress.open(built, noted.sent))
        except CallError as error:
            noted.problem = error
            raise httpx2.ConnectError("not carried") from error
        self._note(response, noted)
        kept = [(name, value) for name, value in response.headers.items() if name.lower() not in _UNPACKED]
        return httpx2.Response(response.status, headers=kept, stream=_Body(response, open_until_read, noted))

    def _note(self, response: aiohttp.ClientResponse, noted: Wire) -> None:
        """What the library would tell in its own words only, should it find no answer in this."""
        if response.status == 401:
            self._authorization.forget(noted.call)
        if response.status >= 400:
            noted.status = response.status
            noted.retry_after = response.headers.get("Retry-After", "")
        elif response.status >= 300:
            noted.problem = CallError("RedirectRefused", "the MCP server redirected to another place")
        elif response.status == 200 and response.content_type not in _ANSWERS:
            noted.problem = CallError("OutputInvalid", "the MCP server answered neither JSON nor events")


class _Body(httpx2.AsyncByteStream):
    """A response's body, bounded."""

    def __init__(
        self, response: aiohttp.ClientResponse, opened: contextlib.AsyncExitStack, noted: Wire
    ) -> None:
        self._response = response
        self._opened = opened
        self._noted = noted

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for part in egress.parts(self._response):
                yield part
        except CallError as error:
            self._noted.problem = error
            raise httpx2.ReadError("not read") from error
        except (aiohttp.ClientError, OSError) as error:
            self._noted.problem = transport.disconnected(error, was_sent=True)
            raise httpx2.ReadError("broken off") from error

    async def aclose(self) -> None:
        """Let go of the connection; where the body is not read to its end, close it."""
        await self._opened.aclose()
