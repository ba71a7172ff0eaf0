"""Who takes the spans? A receiver that speaks OTLP over HTTP, and what its answers mean.

    2xx                       taken, but for those that it says it refused
    400, 413                  one of them is too much for it: halved, until that one is known and given up, and counted;
                              if it refuses an empty request as well it is no receiver, and nothing is given up
    429, 502 … 504, silence   later, when it says
    anything else             later: a person must give us a right, or another address

Nothing here knows what a span means, or how far they are sent.
"""

import re
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import structlog

from keelstep import errors
from keelstep.store.otlp import wire
from keelstep.store.otlp.span import Span

log = structlog.get_logger(__name__)

PATH = "/v1/traces"
ANSWER_SECONDS = 10.0
RETRY_SECONDS = 1.0
MOST_SECONDS = 300.0
"""How long a receiver may tell us to stay away."""
_TOO_MUCH = (400, 413)
_LATER = (429, 502, 503, 504)
_HEADER = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+): *(.*\S)")
_MOST_ANSWER_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """A receiver, and what it wants to hear."""

    endpoint: str
    """`http://host:4318` or `https://…`; the path of traces comes after it."""
    headers: Mapping[str, str] = field(default_factory=dict)
    trusted: ssl.SSLContext = field(default_factory=ssl.create_default_context)
    """Whose certificates count."""

    @property
    def url(self) -> str:
        """Where traces go."""
        return self.endpoint.rstrip("/") + PATH


def address(endpoint: str, headers_file: Path | None, ca_file: Path | None) -> Address:
    """The address as it is configured.

    Raises:
        errors.SettingsError: a file cannot be read, or is not what it should be.
    """
    try:
        trusted = ssl.create_default_context(cafile=ca_file)
    except OSError as error:
        raise errors.SettingsError(f"KEELSTEP_OTLP_CA_FILE: {error}") from error
    try:
        text = headers_file.read_text() if headers_file is not None else ""
    except (OSError, ValueError) as error:
        raise errors.SettingsError(f"KEELSTEP_OTLP_HEADERS_FILE: {error}") from error
    headers = {}
    for number, line in enumerate(text.splitlines(), start=1):
        match = _HEADER.fullmatch(line.strip())
        if match is None and line.strip():  # not the line itself: it may be a token
            raise errors.SettingsError(f"KEELSTEP_OTLP_HEADERS_FILE: line {number} is not `name: value`")
        if match is not None:
            headers[match[1]] = match[2]
    return Address(endpoint=endpoint, headers=headers, trusted=trusted)


@dataclass(slots=True)
class Receiver:
    """A receiver, spoken to over one session."""

    address: Address
    session: aiohttp.ClientSession

    async def take(self, spans: Sequence[Span]) -> int:
        """Hand over spans; how many of them it refused for good.

        Raises:
            errors.Waiting: not now (`TracesNotTaken`); some of them may have been taken.
        """
        if not spans:
            return 0
        status, answer, delay_seconds = await self._post(wire.encode(spans))
        if 200 <= status < 300:
            refused, why = wire.refused(answer)
            if refused:
                log.warning("spans_refused", spans=refused, why=why[:200])
            return refused
        if status not in _TOO_MUCH or not await self._is_receiver():
            raise _not_taken(f"{self.address.url} answered {status}", delay_seconds)
        if len(spans) == 1:
            log.warning("spans_refused", spans=1, why=f"{status}", trace_id=spans[0].trace_id.hex())
            return 1
        middle = len(spans) // 2
        return await self.take(spans[:middle]) + await self.take(spans[middle:])

    async def _is_receiver(self) -> bool:
        """It takes a request that brings nothing."""
        status, _, _ = await self._post(wire.encode(()))
        return 200 <= status < 300

    async def _post(self, payload: bytes) -> tuple[int, bytes, float]:
        """Status, answer, and how many seconds it wants to be left alone."""
        try:
            async with self.session.post(
                self.address.url,
                data=payload,
                headers={"Content-Type": wire.MEDIA_TYPE},
                allow_redirects=False,
            ) as response:
                answer = await response.content.read(_MOST_ANSWER_BYTES)
                asked = response.headers.get("Retry-After", "") if response.status in _LATER else ""
                return response.status, answer, _delay_seconds(asked)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            why = str(error) or type(error).__name__
            raise _not_taken(f"{self.address.url}: {why}", RETRY_SECONDS) from error


def connect(address: Address) -> aiohttp.ClientSession:
    """A session with a receiver; whoever has it closes it."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(ssl=address.trusted),
        headers=address.headers,
        timeout=aiohttp.ClientTimeout(total=ANSWER_SECONDS),
    )


def _not_taken(message: str, delay_seconds: float) -> errors.Waiting:
    return errors.Waiting("TracesNotTaken", message, delay_seconds)


def _delay_seconds(asked: str) -> float:
    """A Retry-After in seconds; one that is a date, or nothing, means as usual."""
    return min(float(asked), MOST_SECONDS) if asked.isascii() and asked.isdigit() else RETRY_SECONDS
