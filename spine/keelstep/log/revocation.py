"""How is a runner's identity ended before it expires?

The account RUN names the users it no longer answers for; the broker closes their connections within milliseconds and
keeps the list across restarts. The list lives in the account's token and nowhere else: each change reads it from the
broker, adds, drops what has expired, signs and stores it. Each entry's time is the identity's own expiry, so the list
itself says when an entry may go.

Of several servers each keeps the list; one that was away has it seconds after it is back. The newest token wins there,
so a change that began from an old one would drop what it did not know: what is read comes from a majority of servers,
what is stored is confirmed by one, and any two majorities share a server.

The broker takes tokens up to one MiB: about 11,000 identities that are revoked and have not yet expired. Beyond that a
change is refused, and said so; old attempts' events stay void all the same.

Two operators that change the list at once could lose an entry: whoever works mends the list now and then. Within one, a
lock keeps changes in order, and those that wait for it travel together.
"""

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec
import nats.errors
import structlog
from nats.aio.client import Client
from nats.aio.msg import Msg

from keelstep import errors
from keelstep.events import clock
from keelstep.log import identities, jetstream, tokens
from keelstep.log.tokens import Key

log = structlog.get_logger(__name__)

_GRACE_SECONDS = 60
"""Kept this long after the expiry: the broker's clock may be behind ours."""
MAX_TOKEN_BYTES = 1024 * 1024
"""The broker's own limit."""
_PING = "$SYS.REQ.SERVER.PING.STATSZ"
_LOOKUP = "$SYS.REQ.ACCOUNT.{account}.CLAIMS.LOOKUP"
_UPDATE = "$SYS.REQ.CLAIMS.UPDATE"
_OTHERS_SECONDS = 0.25
"""After a majority's answers, how long for the next: one that is away compares its list when it is back."""


class _Refusal(msgspec.Struct, frozen=True):
    code: int = 0
    description: str = ""


class _Answer(msgspec.Struct, frozen=True):
    data: dict[str, Any] = {}
    error: _Refusal | None = None


class _Meta(msgspec.Struct, frozen=True):
    quorum_needed: int = 1


class _JetStream(msgspec.Struct, frozen=True):
    meta: _Meta = _Meta()


class _Statsz(msgspec.Struct, frozen=True):
    active_servers: int = 1
    jetstream: _JetStream = _JetStream()


class _Stats(msgspec.Struct, frozen=True):
    statsz: _Statsz = _Statsz()


@dataclass(slots=True)
class Revoker:
    """Ends runner identities, through a connection to the system account."""

    nc: Client
    """As `identities.Role.SYSTEM`."""
    account: str
    """RUN's public name."""
    operator_key: Key
    now: Callable[[], int] = clock.now
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    _waiting: dict[str, int] = field(default_factory=dict)
    _known: dict[str, int] = field(default_factory=dict)

    @property
    def held(self) -> int:
        """How many revoked identities that have not expired the broker held when it last said so."""
        oldest = self.now() // clock.SECOND
        return sum(expiry > oldest for expiry in self._known.values())

    async def revoke(self, public_key: str, expires_at: int) -> None:
        """End one identity, which would have expired at `expires_at` (nanoseconds since 1970).

        Raises:
            errors.BrokerError: it may still be valid; ask again.
            errors.Stalled: the broker cannot keep more; it is still valid.
        """
        await self.revoke_many({public_key: expires_at})

    async def revoke_many(self, expiries: Mapping[str, int]) -> None:
        """End identities by public key, each with its expiry; confirmed by the broker when it returns.

        Raises:
            errors.BrokerError: they may still be valid; ask again.
            errors.Stalled: the broker cannot keep more; they are still valid.
        """
        self._waiting.update({key: -(-expiry // clock.SECOND) for key, expiry in expiries.items()})
        async with self._lock:
            if not any(key in self._waiting for key in expiries):
                return  # another's change carried ours
            batch = dict(self._waiting)
            await self._push(batch)
            for key in batch:
                self._waiting.pop(key, None)

    async def revoked(self) -> dict[str, int]:
        """What the broker holds: expiry in seconds since 1970 by public key.

        Raises:
            errors.BrokerError: it did not answer.
        """
        held = _revocations(tokens.read(await self._token()))
        self._known |= held
        return held

    async def mend(self) -> None:
        """Put back what this process revoked and somebody else's change of the list dropped.

        Raises:
            errors.BrokerError: it may still be missing; ask again.
            errors.Stalled: the broker cannot keep more.
        """
        async with self._lock:
            held = await self.revoked()
            now = self.now() // clock.SECOND
            lost = {key: expiry for key, expiry in self._known.items() if key not in held and expiry > now}
            if lost:
                log.warning("revocations_lost", lost=len(lost))
                await self._push(lost)

    async def _push(self, batch: Mapping[str, int]) -> None:
        token = await self._token()
        # what we stored before counts too: the server that answers may not have heard of it yet
        held = _revocations(tokens.read(token)) | self._known
        oldest = self.now() // clock.SECOND - _GRACE_SECONDS
        wanted = {key: expiry for key, expiry in {**held, **batch}.items() if expiry > oldest}
        renewed = identities.with_revocations(token, wanted, self.operator_key, self.now())
        if len(renewed) > MAX_TOKEN_BYTES:
            raise errors.Stalled(
                "RevocationsFull",
                f"{len(wanted)} revoked identities have not expired yet, more than the broker keeps; "
                "shorten the deadlines of executions, or wait until some expire",
            )
        await self._ask(_UPDATE, renewed.encode())
        self._known = wanted
        log.info("identities_revoked", revoked=len(batch), held=len(wanted))

    async def _token(self) -> str:
        """The account's newest token, with what any server of the broker holds revoked: one may have been away."""
        found: list[tuple[int, str]] = []
        held: dict[str, int] = {}
        for answer in await self._everybody(_LOOKUP.format(account=self.account), b""):
            token = answer.data.decode()
            try:
                claims = tokens.read(token)
            except ValueError as error:
                raise errors.BrokerError("the broker answered with no token of the account RUN") from error
            if claims["iss"] != self.operator_key.public or claims["sub"] != self.account:
                raise errors.BrokerError("the broker's token of the account RUN is not of our making")
            found.append((int(claims["iat"]), token))
            held |= _revocations(claims)
        issued, newest = max(found)
        if _revocations(tokens.read(newest)) == held:
            return newest
        return identities.with_revocations(newest, held, self.operator_key, issued * clock.SECOND)

    async def _ask(self, subject: str, payload: bytes) -> None:
        why = ""
        for reply in await self._everybody(subject, payload):
            try:
                answer = msgspec.json.decode(reply.data, type=_Answer)
            except msgspec.DecodeError as error:
                raise errors.BrokerUnavailableError(
                    "the broker's answer to a revocation is unreadable"
                ) from error
            if answer.error is not None or answer.data.get("code") != 200:
                why = answer.error.description if answer.error else str(answer.data)
        if why:
            raise errors.BrokerError(f"the broker did not take a revocation: {why}")

    async def _everybody(self, subject: str, payload: bytes) -> list[Msg]:
        """What every server of the broker answers, or a majority where some are away for the moment.

        Raises:
            errors.BrokerUnavailableError: no majority answers.
        """
        ping = await jetstream.request(self.nc, _PING, b"")
        # a server that has just started sees itself alone, and knows all the same of how many it is one
        broker = msgspec.json.decode(ping.data, type=_Stats).statsz
        majority = broker.jetstream.meta.quorum_needed
        found: list[Msg] = []
        try:
            inbox = self.nc.new_inbox()
            subscription = await self.nc.subscribe(inbox)
            try:
                await self.nc.publish(subject, payload, reply=inbox)
                while len(found) < max(majority, broker.active_servers):
                    patience = jetstream.TIMEOUT_SECONDS if len(found) < majority else _OTHERS_SECONDS
                    found.append(await jetstream.cancellable(subscription.next_msg(timeout=patience)))
            finally:
                # the connection may be gone, and the inbox with it
                with contextlib.suppress(nats.errors.Error):
                    await subscription.unsubscribe()
        except nats.errors.TimeoutError as error:
            if len(found) < majority:
                raise errors.BrokerUnavailableError(
                    f"{subject}: {len(found)} servers answered, {majority} must"
                ) from error
            log.info("revocation_not_everywhere", servers=broker.active_servers, answered=len(found))
        except nats.errors.Error as error:
            raise jetstream.broker_error(error, subject) from error
        return found


def _revocations(claims: tokens.Claims) -> dict[str, int]:
    return {key: int(expiry) for key, expiry in (claims["nats"].get("revocations") or {}).items()}
