"""May a result of another run answer this call? Of the same tenant, contract revision and arguments, while it is young.

An entry names a result in the log of the run that has it, and where that run's output lies; it is signed, so that only
a gateway can have made it. What answers is recorded in the asking run like any result, with its origin and an output of
its own: a log stands alone, whatever becomes of the other one.

    decided that it may be performed ─► entry? ─ none, old, not ours, output gone ─► performed, and an entry is made
                                          └────► tool.result{cached}: no claim, no call, no cost

Nothing rests on the cache: what cannot be read is a miss, what cannot be written is forgotten.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import msgspec
import nats.errors
import structlog
from nats.aio.client import Client

from keelstep import errors
from keelstep.domain import call, contract, freshness
from keelstep.events import signing, types, value
from keelstep.events.value import Value
from keelstep.log import jetstream, subjects
from keelstep.log.objects import Objects
from keelstep_gateway.hold import Hold
from keelstep_gateway.metrics import Metrics

log = structlog.get_logger(__name__)

Outcome = Literal["hit", "miss", "stale", "unusable"]


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One result that may answer other runs."""

    origin: types.Origin
    output: Value
    as_of: str
    contract: str
    """The revision's digest: an entry at another's address is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """A result that answers."""

    output: bytes
    origin: types.Origin
    as_of: str


@dataclass(slots=True, kw_only=True)
class Cache:
    """The tenants' results, as this gateway may use them."""

    nc: Client
    signer: signing.Signer
    keyring: signing.Keyring
    objects: Objects
    metrics: Metrics

    async def find(
        self, hold: Hold, verdict: call.Perform, digest: str, args: Mapping[str, Any], now: int
    ) -> Hit | None:
        """What answers a call that may be performed; None where it must be."""
        if verdict.spec.cache is None or verdict.gate is not None:
            return None
        outcome, hit = await self._find(hold, verdict, digest, args, now)
        self.metrics.cached(verdict.planned.tool, outcome)
        return hit

    async def keep(
        self,
        hold: Hold,
        digest: str,
        args: Mapping[str, Any],
        output: Value,
        as_of: str,
        origin: types.Origin,
    ) -> None:
        """Let a result answer other runs; it is stored in this one's log by now."""
        subject = subjects.cached(hold.tenant, contract.cache_key(digest, args))
        entry = Entry(origin=origin, output=output, as_of=as_of, contract=digest)
        payload = msgspec.json.encode(entry)
        headers = {signing.HEADER: self.signer.sign(subject, payload)}
        try:
            await self.nc.publish(subject, payload, headers=headers)
        except nats.errors.Error as error:
            log.debug("result_not_cached", why=str(error))

    async def _find(
        self, hold: Hold, verdict: call.Perform, digest: str, args: Mapping[str, Any], now: int
    ) -> tuple[Outcome, Hit | None]:
        subject = subjects.cached(hold.tenant, contract.cache_key(digest, args))
        try:
            message = await jetstream.last_from_any(self.nc, subjects.CACHE_STREAM, subject)
            if message is None:
                return "miss", None
            entry = self._read(message, subject, digest)
            if entry is None or entry.origin.execution == hold.xid:
                return "unusable", None
            if not freshness.is_cached(verdict.spec, entry.origin.answered, entry.as_of, now):
                return "stale", None
            output = await self.objects.open(hold.tenant, entry.origin.execution, entry.output)
        except (errors.BrokerError, errors.PayloadMissingError, value.MismatchError) as error:
            log.debug("cache_not_used", why=str(error))
            return "unusable", None
        return "hit", Hit(output=output, origin=entry.origin, as_of=entry.as_of)

    def _read(self, message: jetstream.Message, subject: str, digest: str) -> Entry | None:
        """The entry, where a gateway vouches for it and it is of this revision."""
        header = message.headers.get(signing.HEADER)
        if not self.keyring.vouches(header, types.Writer.GATEWAY, subject, message.payload):
            log.warning("cache_entry_unsigned", subject=subject)
            return None
        try:
            entry = msgspec.json.decode(message.payload, type=Entry)
        except msgspec.DecodeError:
            return None
        return entry if entry.contract == digest else None
