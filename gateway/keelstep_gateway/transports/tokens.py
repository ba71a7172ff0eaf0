"""Where does an OAuth2 access token come from? From its issuer, by the client credentials grant, through our own egress.

    held and not about to expire ─► it
    being fetched by somebody ─► wait for that one
    else ─► ask the issuer

One token per issuer, client, secret, scopes and audience. A token lives as long as its issuer says, less a margin; one
without a stated life is used once. Client libraries bring their own way out, past the rules for addresses, so the one
request there is to make is made here.
"""

import asyncio
import base64
import ssl
from collections import OrderedDict
from dataclasses import dataclass
from urllib.parse import quote_plus, urlencode

import msgspec
import multidict
import yarl

from keelstep.domain import outcome
from keelstep.events import clock
from keelstep.kinds.credentials import OAuth2
from keelstep.kinds.failure import ErrorClass
from keelstep_gateway.transports import egress
from keelstep_gateway.transports.egress import Egress, Request
from keelstep_gateway.transports.transport import CallError, Sent

MOST = 4096
"""Tokens that are held."""
MARGIN_SECONDS = 30.0
"""A token is not used in the last of its life: it must still be good when it arrives."""
LONGEST_SECONDS = 3600.0
"""However long its issuer lets it live."""
ISSUER_SECONDS = 20.0
_MOST_ANSWER_BYTES = 64 * 1024

_Key = tuple[str, str]


class _Answer(msgspec.Struct, frozen=True):
    """What an issuer answers (RFC 6749, 5.1)."""

    access_token: str
    token_type: str = "bearer"  # noqa: S105 a kind, not a token
    expires_in: float | None = None


@dataclass(frozen=True, slots=True)
class _Held:
    """A token, and when on the boot-time clock it is not used any more."""

    token: str
    until: int

    def __repr__(self) -> str:
        return f"_Held(until={self.until})"


class Tokens:
    """The access tokens in use."""

    def __init__(self, egress: Egress) -> None:
        self._egress = egress
        self._held: OrderedDict[_Key, _Held] = OrderedDict()
        self._asking: dict[_Key, asyncio.Task[_Held]] = {}

    async def get(self, client: OAuth2, secret: str, tls: ssl.SSLContext | None = None) -> str:
        """A token that is good for now.

        Raises:
            CallError: the issuer gave none.
        """
        key = _key(client, secret)
        held = self._held.get(key)
        if held is not None and clock.boot() < held.until:
            self._held.move_to_end(key)
            return held.token
        task = self._asking.get(key)
        if task is None:
            task = self._asking[key] = asyncio.create_task(self._ask(key, client, secret, tls))
            task.add_done_callback(lambda done: self._asked(key, done))
        # one caller that gives up takes nothing from the others
        return (await asyncio.shield(task)).token

    def forget(self, client: OAuth2, secret: str) -> None:
        """The token was not accepted."""
        self._held.pop(_key(client, secret), None)

    async def close(self) -> None:
        """Ask no more."""
        tasks = list(self._asking.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _asked(self, key: _Key, task: asyncio.Task[_Held]) -> None:
        self._asking.pop(key, None)
        if not task.cancelled():
            task.exception()  # whoever still waits has it; nobody else needs to hear

    async def _ask(self, key: _Key, client: OAuth2, secret: str, tls: ssl.SSLContext | None) -> _Held:
        begun = clock.boot()
        sent = Sent()
        try:
            async with (
                asyncio.timeout(ISSUER_SECONDS),
                self._egress.open(_request(client, secret, tls), sent) as got,
            ):
                status, body = got.status, await egress.read(got, _MOST_ANSWER_BYTES)
        except TimeoutError:
            raise CallError(
                "TokenUnavailable", "the issuer of the token did not answer in time", ErrorClass.TIMEOUT
            ) from None
        except CallError as error:
            if error.reason not in ("ConnectionFailed", "ResponseTooLarge", "OutputInvalid"):
                raise
            raise CallError(
                "TokenUnavailable", "the issuer of the token cannot be asked", ErrorClass.CONNECTION_FAILED
            ) from error
        held = _held(status, body, begun)
        self._held[key] = held
        if len(self._held) > MOST:
            self._held.popitem(last=False)
        return held


def _key(client: OAuth2, secret: str) -> _Key:
    return client.model_dump_json(), secret


def _request(client: OAuth2, secret: str, tls: ssl.SSLContext | None) -> Request:
    fields = {"grant_type": "client_credentials"}
    if client.scopes:
        fields["scope"] = " ".join(client.scopes)
    if client.audience is not None:
        fields["audience"] = client.audience
    if client.resource is not None:
        fields["resource"] = client.resource
    headers = multidict.CIMultiDict(
        {
            "Accept": "application/json",
            "Accept-Encoding": "identity",
            "Content-Type": "application/x-www-form-urlencoded",
            "User-Agent": "keelstep-gateway",
        }
    )
    if client.authentication == "Basic":
        # RFC 6749, 2.3.1: each of the two is form-encoded before they are joined
        pair = f"{quote_plus(client.client_id)}:{quote_plus(secret)}"
        headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
    else:
        fields |= {"client_id": client.client_id, "client_secret": secret}
    return Request(
        method="POST",
        url=yarl.URL(client.token_url, encoded=True),
        headers=headers,
        content=urlencode(fields).encode(),
        tls=tls,
    )


def _held(status: int, body: bytes, begun: int) -> _Held:
    if status != 200:
        error_class = outcome.class_of(status)
        reason = "TokenRefused" if error_class == outcome.REFUSED else "TokenUnavailable"
        raise CallError(reason, f"the issuer of the token answered {status}", error_class)
    try:
        answer = msgspec.json.decode(body, type=_Answer)
    except msgspec.DecodeError as error:
        raise CallError("TokenRefused", "what the issuer answered is no token") from error
    is_sendable = answer.access_token.isascii() and answer.access_token.isprintable()
    if answer.token_type.lower() != "bearer" or not is_sendable:
        raise CallError("TokenRefused", "what the issuer answered is no bearer token")
    life = min(answer.expires_in or 0.0, LONGEST_SECONDS)
    # of a short life a tenth is margin enough
    usable = life - min(MARGIN_SECONDS, life / 10)
    return _Held(answer.access_token, begun + int(usable * clock.SECOND))
