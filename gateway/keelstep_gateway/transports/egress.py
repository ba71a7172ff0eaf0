"""How does a byte leave the gateway? By HTTP to a host that the contract lists, at an address that was looked at.

    may this host be asked? ─► resolve once ─► may each address be? ─► connect to one of exactly these ─► send

The name is resolved when a connection is opened, and that connection goes to an address of that answer; Host, SNI and
the certificate's check keep the name. No redirect is followed here, no proxy of the environment used, no cookie kept,
nothing unpacked, and what comes back is read up to a bound.
"""

import asyncio
import contextlib
import functools
import ipaddress
import socket
import ssl
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import aiohttp.abc
import multidict
import yarl

from keelstep.domain import egress
from keelstep_gateway.transports import transport
from keelstep_gateway.transports.transport import CallError, Sent

MAX_RESPONSE_BYTES = 1024 * 1024
"""More of a response is not read."""
CONNECTIONS = 256
CONNECTIONS_TO_ONE = 128
"""To one host and port: none can take every place by answering slowly."""
HOSTS = 4096
"""Hosts of which it is remembered whether they may be asked for."""
KEPT_SECONDS = 15.0
"""An idle connection older than this is not used again: servers close theirs sooner or later."""
_UNPACKED = {"gzip": 16 + zlib.MAX_WBITS, "x-gzip": 16 + zlib.MAX_WBITS, "deflate": zlib.MAX_WBITS}

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""The addresses of a host and port."""


@dataclass(slots=True, kw_only=True)
class Request:
    """One request, before it is bytes."""

    method: str
    url: yarl.URL
    headers: multidict.CIMultiDict[str]
    content: bytes = field(default=b"", repr=False)
    tls: ssl.SSLContext | None = None
    """Whom to trust and what to show; None is what the web trusts."""
    is_fresh: bool = False
    """True where no kept connection may be used, as the other side may close one at the very moment of use, and whether
    a call was performed is then unknown; and where nothing may be sent a second time."""


@dataclass(slots=True)
class _Dial:
    """What the request that is being made may connect to, and whether it has left."""

    target: egress.Target
    looked_at: set[str]
    sent: Sent
    is_once: bool
    is_gone: bool = False


_DIAL: ContextVar[_Dial] = ContextVar("dial")


class _Request(aiohttp.ClientRequest):
    """A request as the library sends it; PUT and DELETE it would send once more when a connection breaks."""

    async def send(self, conn: Any) -> aiohttp.ClientResponse:
        """Send it; from here on the first byte may be gone."""
        dial = _DIAL.get()
        if dial.is_gone and dial.is_once:
            raise aiohttp.ServerDisconnectedError
        dial.is_gone = dial.sent.was_sent = True
        return await super().send(conn)


class _RefusedError(OSError):
    """An address that may not be connected to."""


async def resolve(host: str, port: int) -> Sequence[str]:
    """Ask the system."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(each[4][0]) for each in found]


class Egress:
    """Pooled connections that lead only where the rules allow."""

    def __init__(self, rules: egress.Rules | None = None, resolve: Resolve = resolve) -> None:
        self.rules = rules or egress.Rules()
        self._host_problem = functools.lru_cache(maxsize=HOSTS)(self.rules.host_problem)
        self._resolve = resolve
        self._web: ssl.SSLContext | None = None
        self._pooled: aiohttp.ClientSession | None = None
        self._fresh: aiohttp.ClientSession | None = None

    @contextlib.asynccontextmanager
    async def open(self, request: Request, sent: Sent) -> AsyncIterator[aiohttp.ClientResponse]:
        """The response to a request, its body not read yet.

        Raises:
            CallError: it may not be made, or there is no connection any more.
        """
        target = self.admit(str(request.url))
        literal = {str(target.literal)} if target.literal is not None else set[str]()
        _DIAL.set(_Dial(target, literal, sent, request.is_fresh))
        try:
            async with self._session(request).request(
                request.method,
                request.url,
                headers=request.headers,
                data=request.content or None,
                allow_redirects=False,
                ssl=self._tls(request),
            ) as response:
                yield response
        except (aiohttp.ClientError, OSError) as error:
            if isinstance(error, TimeoutError):
                raise
            raise _told(error, sent) from error

    def admit(self, url: str) -> egress.Target:
        """The host an address names, where it may be asked.

        Raises:
            CallError: it may not.
        """
        try:
            target = egress.target(url)
        except egress.AddressError as error:
            raise CallError("AddressInvalid", f"the address is not one we accept: {error}") from error
        problem = self._host_problem(target)
        if problem:
            raise CallError("EgressRefused", problem)
        return target

    async def close(self) -> None:
        """Close every connection."""
        for session in (self._pooled, self._fresh):
            if session is not None:
                await session.close()

    async def lookup(self, host: str, port: int) -> list[str]:
        """The addresses a host has at this moment, each of which may be connected to.

        Raises:
            OSError: there are none, or one of them may not.
        """
        dial = _DIAL.get()
        found = list(dict.fromkeys(await self._resolve(host, port)))
        for each in found:
            problem = self.rules.address_problem(dial.target, ipaddress.ip_address(each))
            if problem:
                raise _RefusedError(problem)
        if not found:
            raise OSError("the host has no address")
        dial.looked_at |= set(found)
        return found

    def _session(self, request: Request) -> aiohttp.ClientSession:
        if request.is_fresh:
            if self._fresh is None:
                self._fresh = self._client(force_close=True)
            return self._fresh
        if self._pooled is None:
            self._pooled = self._client(keepalive_timeout=KEPT_SECONDS)
        return self._pooled

    def _client(self, **options: Any) -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(
            limit=CONNECTIONS,
            limit_per_host=CONNECTIONS_TO_ONE,
            resolver=_Resolver(self),
            use_dns_cache=False,
            socket_factory=_socket,
            **options,
        )
        return aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(),  # none: ours is around the whole call
            auto_decompress=False,
            request_class=_Request,
        )

    def _tls(self, request: Request) -> ssl.SSLContext:
        if request.tls is not None:
            return request.tls
        if self._web is None:
            self._web = ssl.create_default_context()
        return self._web


class _Resolver(aiohttp.abc.AbstractResolver):
    """Resolves for the library, which asks whenever it opens a connection to a name."""

    def __init__(self, egress: Egress) -> None:
        self._egress = egress

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[aiohttp.abc.ResolveResult]:
        """What the library asks."""
        return [
            {
                "hostname": host,
                "host": address,
                "port": port,
                "family": socket.AF_INET6 if ":" in address else socket.AF_INET,
                "proto": socket.IPPROTO_TCP,
                "flags": socket.AI_NUMERICHOST,
            }
            for address in await self._egress.lookup(host, port)
        ]

    async def close(self) -> None:
        """Nothing is held."""


def _socket(info: aiohttp.AddrInfoType) -> socket.socket:
    """A socket for exactly an address that was looked at for this request: the last step before connecting."""
    family, kind, protocol, _, address = info
    if str(address[0]) not in _DIAL.get().looked_at:
        raise _RefusedError("an address that nobody looked at")
    return socket.socket(family=family, type=kind, proto=protocol)


def _told(error: Exception, sent: Sent) -> CallError:
    """A library's error in our words."""
    refused = getattr(error, "os_error", error)
    if isinstance(refused, _RefusedError):
        return CallError("EgressRefused", str(refused))
    if isinstance(error, aiohttp.ClientConnectorCertificateError | aiohttp.ClientSSLError | ssl.SSLError):
        return CallError("TlsFailed", f"the tool's TLS could not be verified ({type(error).__name__})")
    return transport.disconnected(error, was_sent=sent.was_sent)


async def read(response: aiohttp.ClientResponse, most_bytes: int = MAX_RESPONSE_BYTES) -> bytes:
    """The whole body, unpacked where it is packed.

    Raises:
        CallError: see `parts`.
    """
    return b"".join([part async for part in parts(response, most_bytes)])


async def parts(
    response: aiohttp.ClientResponse, most_bytes: int = MAX_RESPONSE_BYTES
) -> AsyncIterator[bytes]:
    """The body as it comes, unpacked where it is packed.

    Raises:
        CallError: it is larger than allowed, packed or unpacked, or packed in a way we do not know.
    """
    unpack = _unpacker(response.headers)
    left = packed_left = most_bytes
    async for packed in response.content.iter_any():
        # one byte more than is allowed is all that a bomb may grow to
        part = packed if unpack is None else _unpacked(unpack, packed, left + 1)
        left -= len(part)
        packed_left -= len(packed)  # packed bytes may become nothing at all
        if left < 0 or packed_left < 0:
            response.close()  # what is left of it is not read
            raise transport.too_large()
        if part:
            yield part
    if unpack is not None and not unpack.eof:
        raise CallError("OutputInvalid", "the tool's answer ends within its compression")


def _unpacker(headers: Mapping[str, str]) -> Any:
    coding = headers.get("Content-Encoding", "identity").strip().lower()
    if coding in ("", "identity"):
        return None
    if coding not in _UNPACKED:
        raise CallError("OutputInvalid", "the tool's answer is compressed in a way that nobody asked for")
    return zlib.decompressobj(_UNPACKED[coding])


def _unpacked(unpack: Any, part: bytes, most_bytes: int) -> bytes:
    try:
        unpacked = bytes(unpack.decompress(part, most_bytes))
    except zlib.error as error:
        raise CallError("OutputInvalid", "the tool's answer is not compressed as it says") from error
    if unpack.unused_data:
        raise CallError("OutputInvalid", "the tool's answer goes on after the end of its compression")
    return unpacked
