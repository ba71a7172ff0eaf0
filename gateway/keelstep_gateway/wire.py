"""What happened on the wire while a model was asked? Seen by a transport of our own under the client library's.

It bounds what is read and tells apart what the library's exceptions do not: whether anything was sent, and whether an
error is the provider's or the library's own. Knows nothing of models.
"""

import contextvars
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

import httpx

CONNECTIONS = 256
KEPT_SECONDS = 15.0


@dataclass(slots=True)
class Seen:
    """What happened on the wire during one call."""

    is_used: bool = False
    """True where the call went this way at all: of one that did not, nothing is known."""
    was_sent: bool = False
    is_broken: bool = False
    """True where something was sent and no whole answer came."""
    status: int | None = None
    is_cut: bool = False

    async def trace(self, name: str, _: Mapping[str, Any]) -> None:
        """Called by the HTTP library at each of its own steps."""
        if name.endswith(".send_request_headers.started"):
            self.was_sent = True


current: contextvars.ContextVar[Seen | None] = contextvars.ContextVar("seen", default=None)
"""The call whose requests are made in this context."""


class TooLargeError(httpx.HTTPError):
    """More came back than is read."""


class Bounded(httpx.AsyncBaseTransport):
    """Sees what happens on the wire, and reads no more than is allowed."""

    def __init__(self, inner: httpx.AsyncBaseTransport, max_bytes: int) -> None:
        self._inner = inner
        self._max_bytes = max_bytes

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """One request, one response."""
        seen = current.get() or Seen()
        if seen.is_broken:
            raise httpx.ConnectError("what was sent is not sent again")  # the library would try
        seen.is_used, seen.status = True, None
        request.headers["Accept-Encoding"] = "identity"
        request.extensions = {**request.extensions, "trace": seen.trace}
        try:
            response = await self._inner.handle_async_request(request)
        except httpx.HTTPError:
            seen.is_broken = seen.was_sent
            raise
        seen.status = response.status_code
        assert isinstance(response.stream, httpx.AsyncByteStream)
        headers = response.headers.copy()
        headers.pop(
            "Content-Encoding", None
        )  # it is not unpacked: what is counted is what it becomes in memory
        return httpx.Response(
            response.status_code,
            headers=headers,
            stream=_Counted(response.stream, seen, self._max_bytes),
            extensions=response.extensions,
        )

    async def aclose(self) -> None:
        """Close every connection."""
        await self._inner.aclose()


class _Counted(httpx.AsyncByteStream):
    def __init__(self, inner: httpx.AsyncByteStream, seen: Seen, max_bytes: int) -> None:
        self._inner = inner
        self._seen = seen
        self._max_bytes = max_bytes

    async def __aiter__(self) -> AsyncIterator[bytes]:
        size = 0
        try:
            async for part in self._inner:
                size += len(part)
                if size > self._max_bytes:
                    self._seen.is_cut = True
                    raise TooLargeError(f"more than {self._max_bytes} bytes")
                yield part
        except httpx.HTTPError:
            self._seen.is_broken = True
            raise

    async def aclose(self) -> None:
        await self._inner.aclose()


def transport(max_bytes: int) -> Bounded:
    """A way to a provider on which calls are seen and bounded."""
    limits = httpx.Limits(max_connections=CONNECTIONS, keepalive_expiry=KEPT_SECONDS)
    return Bounded(httpx.AsyncHTTPTransport(limits=limits), max_bytes)


def client(max_bytes: int) -> httpx.AsyncClient:
    """A client whose calls are seen and bounded."""
    return httpx.AsyncClient(transport=transport(max_bytes))
