"""How does a program hold its connection to the broker?

One connection per program, which reconnects for ever until the broker refuses the identity itself. What the client
library would get wrong by default is set here and nowhere else. Nothing here publishes or subscribes.
"""

import asyncio
import base64
import contextlib
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec
import nats.errors
import structlog
from nats.aio.client import Client

from keelstep import errors
from keelstep.events import clock
from keelstep.log import client, jetstream, subjects
from keelstep.log.tokens import Credentials, Key

log = structlog.get_logger(__name__)

PING_SECONDS = 10
MISSED_PINGS = 2
RECONNECT_PAUSE_SECONDS = 0.25
CONNECT_TIMEOUT_SECONDS = 5
BUFFER_BYTES = 16 * 1024 * 1024
"""What may wait to be sent: two of the largest objects."""
MAX_SKEW_SECONDS = 5
_SCHEMES = ("nats", "tls")

Callback = Callable[[], Awaitable[None]]
ErrorCallback = Callable[[Exception], Awaitable[None]]


async def connect(
    url: str,
    credentials: Credentials | Path,
    name: str,
    *,
    inbox_prefix: str = "_INBOX",
    tls_ca: Path | None = None,
    within_seconds: float = 10,
    on_error: ErrorCallback | None = None,
    on_disconnect: Callback | None = None,
    on_reconnect: Callback | None = None,
    on_closed: Callback | None = None,
) -> client.Connection:
    """A connection that reconnects for ever; a credentials file is read again each time, as it may hold new ones.

    `url` may name several servers of one cluster, separated by commas: any of them will do, and when one goes the
    connection moves to another. A closed connection is closed for good: the identity was revoked or has expired.

    Raises:
        errors.SettingsError: `url` names no server.
        errors.IdentityRefusedError: the broker does not accept these credentials.
        errors.BrokerUnavailableError: no connection within `within_seconds`.
    """
    addresses = servers(url)
    _current(credentials, name)  # a missing or broken file is a person's mistake, not a broker that is away
    opened = client.Connection()
    refused: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    watcher = _Watcher(name, refused, on_error, opened if isinstance(credentials, Credentials) else None)
    jwt, sign = _proof(credentials, name)
    attempt = opened.connect(
        servers=addresses,
        name=name,
        user_jwt_cb=jwt,
        signature_cb=sign,
        inbox_prefix=inbox_prefix,
        tls=ssl.create_default_context(cafile=tls_ca) if tls_ca else None,
        connect_timeout=CONNECT_TIMEOUT_SECONDS,
        max_reconnect_attempts=-1,  # the default gives up after 60 tries and closes
        reconnect_time_wait=RECONNECT_PAUSE_SECONDS,  # type: ignore[arg-type]  # any number will do
        ping_interval=PING_SECONDS,
        max_outstanding_pings=MISSED_PINGS,
        pending_size=BUFFER_BYTES,
        error_cb=watcher.on_error,
        disconnected_cb=watcher.reporting("disconnected", on_disconnect),
        reconnected_cb=watcher.reporting("reconnected", on_reconnect),
        closed_cb=watcher.reporting("closed", on_closed),
    )
    opening = asyncio.create_task(attempt)
    either: list[asyncio.Future[Any]] = [opening, refused]
    await asyncio.wait(either, timeout=within_seconds, return_when=asyncio.FIRST_COMPLETED)
    if opening.done() and not refused.done():
        opening.result()
        watcher.is_open = True
        refused.cancel()
        return opened
    opening.cancel()
    with contextlib.suppress(asyncio.CancelledError, nats.errors.Error, OSError):
        await opening
    await opened.close()
    if refused.done():
        raise errors.IdentityRefusedError(
            f"the broker at {url} refused the identity of {name}: {refused.result()}"
        )
    refused.cancel()
    raise errors.BrokerUnavailableError(
        f"no broker at {url} within {within_seconds:g} s: {watcher.last or 'no answer'}"
    )


def servers(url: str) -> list[str]:
    """The addresses in a setting that separates them by commas.

    Raises:
        errors.SettingsError: there is none, or one is no address of a NATS server.
    """
    found = [each.strip() for each in url.split(",") if each.strip()]
    for each in found:
        try:
            parts = urlsplit(each)
            is_address = parts.scheme in _SCHEMES and bool(parts.hostname) and parts.port != 0
        except ValueError:
            is_address = False
        if not is_address:
            raise errors.SettingsError(
                f"{each} is no address of a NATS server; write nats://host:port, several separated by commas"
            )
    if not found:
        raise errors.SettingsError("there is no address of a NATS server; write nats://host:port")
    return found


async def broker_time(nc: Client) -> int:
    """The broker's clock, nanoseconds since 1970; only programs of the account CORE may ask.

    Raises:
        errors.BrokerError: it did not answer.
    """
    reply = await jetstream.call(nc, f"STREAM.INFO.{subjects.CONTROL_STREAM}", type=_Timed)
    return clock.parse(reply.ts)


async def check_clock(nc: Client, now: Callable[[], int]) -> None:
    """Make sure that this machine's clock is the broker's, within five seconds.

    Raises:
        errors.ClockSkewError: it is not.
        errors.BrokerError: the broker did not answer.
    """
    before = now()
    theirs = await broker_time(nc)
    after = now()
    limit = MAX_SKEW_SECONDS * clock.SECOND
    if not before - limit <= theirs <= after + limit:
        off = (before - theirs) / clock.SECOND
        raise errors.ClockSkewError(
            f"this clock is {abs(off):.1f} s {'ahead of' if off > 0 else 'behind'} the broker's; "
            f"at most {MAX_SKEW_SECONDS} s are allowed"
        )


class _Timed(msgspec.Struct, frozen=True):
    ts: str


class _Watcher:
    """Reports what happens to a connection, each different error once until it is open again."""

    def __init__(
        self,
        name: str,
        refused: "asyncio.Future[str]",
        also: ErrorCallback | None,
        ends: Client | None,
    ) -> None:
        self._name = name
        self._refused = refused
        self._also = also
        self._ends = ends
        self._ending: asyncio.Task[None] | None = None
        self._told: set[str] = set()
        self.last = ""
        self.is_open = False

    async def on_error(self, error: Exception) -> None:
        """The client library met an error; most of them it goes on from by itself."""
        self.last = str(error) or type(error).__name__
        if "authorization violation" in self.last.lower():
            self._on_refusal()
        if self.last not in self._told:
            self._told.add(self.last)
            log.warning("broker_error", connection=self._name, error=self.last)
        if self._also is not None:
            await self._also(error)

    def _on_refusal(self) -> None:
        """The library ends a connection whose refusal it reads, and tries for ever where a reset swallowed it."""
        if not self.is_open:
            if not self._refused.done():
                self._refused.set_result(self.last)
        elif self._ends is not None and self._ending is None:
            self._ending = asyncio.create_task(self._ends.close())

    def reporting(self, what: str, also: Callback | None) -> Callback:
        """A callback that logs the change, then tells whoever wanted to know."""

        async def changed() -> None:
            if self.is_open:
                log.info(f"broker_{what}", connection=self._name)
            self._told.clear()
            if also is not None:
                await also()

        return changed


def _proof(credentials: Credentials | Path, name: str) -> tuple[Callable[[], bytes], Callable[[str], bytes]]:
    """The token to show, and the answer to the broker's challenge."""

    def jwt() -> bytes:
        return _current(credentials, name).jwt.encode()

    def sign(nonce: str) -> bytes:
        return base64.b64encode(Key.parse(_current(credentials, name).seed).sign(nonce.encode()))

    return jwt, sign


def _current(credentials: Credentials | Path, name: str) -> Credentials:
    if isinstance(credentials, Credentials):
        return credentials
    try:
        return Credentials.parse(credentials.read_text())
    except (OSError, ValueError) as error:
        raise errors.IdentityRefusedError(
            f"the credentials of {name} in {credentials} cannot be read: {error}"
        ) from error
