"""Which log does the name of an Execution belong to?

The first Execution of a namespace and name gives the log its id; that is recorded under the name, by an append that
expects the name to be free. Applied again with an equal spec, the name finds its log again, whatever the new UID; with
another spec it is refused, until a deletion that the operator saw has released it. A resource that was deleted because
its time after the end was up leaves the name to whatever asks for something else; asked for the same, it has its log
again, so that what is applied over and over is not done over and over:

    free ──bind──► bound ──release──► released ──bind──► bound, a new log …
                     └─────expire──► expired ───bind──► bound: equal spec, the same log; else a new one
    released, expired ──archive──► archived ──bind──► as before it, but for an equal spec of an expired one: refused

A log that was archived is gone from the stream, so it must never look as if it had not begun: who asks for it again is
told how it ended. Nothing here starts or ends a run.
"""

import asyncio
from dataclasses import dataclass
from typing import Literal

import msgspec
from nats.aio.client import Client

from keelstep import errors
from keelstep.events import clock
from keelstep.log import jetstream, subjects

_STREAM = subjects.NAMES_STREAM
_TRIES = 50
"""Far more writers than one name ever has."""
_PAUSE_SECONDS = 0.05


class Archived(msgspec.Struct, frozen=True, kw_only=True):
    """What remains of a log that was archived and then purged."""

    was: Literal["released", "expired"]
    """What its name was before."""
    file: str
    """The archive's own name, without its folder."""
    sha256: str
    phase: str
    """How the run ended, in the words of an Execution's status."""
    reason: str
    ended_at: str
    """The broker's clock."""


class Record(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is recorded under a name."""

    xid: str
    shard: int
    spec_digest: str
    state: Literal["bound", "released", "expired", "archived"]
    by: str
    """Who did it."""
    at: str
    """The writer's clock: information, nothing decides by it."""
    archived: Archived | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """The last record under a name."""

    record: Record
    position: int
    """Its sequence in the stream: what the next record must follow."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Binding:
    """The log that a name belongs to."""

    xid: str
    shard: int
    is_adopted: bool
    """True where the log was there before this resource: its id is not this resource's UID."""
    position: int


@dataclass(frozen=True, slots=True)
class Names:
    """The names of an installation; the operator writes them, and whoever archives."""

    nc: Client
    by: str = "operator"
    """Who is recorded as having bound a name."""

    async def bind(self, tenant: str, name: str, uid: str, spec_digest: str, *, shard: int = 0) -> Binding:
        """The log of this name: a new one with the resource's UID as id, or the one that it already has.

        Raises:
            errors.NameInUseError: the name belongs to a run with another spec.
            errors.LogArchivedError: this very run is over and its log was archived.
            errors.BrokerUnavailableError: the broker did not answer; ask again.
        """
        for _ in range(_TRIES):
            entry = await self.lookup(tenant, name)
            if entry is not None and entry.record.state == "bound":
                return _adopt(name, entry, uid, spec_digest)
            if entry is not None:
                _refuse_archived(name, entry.record, spec_digest)
            known = entry.record if entry is not None and entry.record.state == "expired" else None
            is_same = known is not None and known.spec_digest == spec_digest
            wanted = Record(
                xid=known.xid if known is not None and is_same else uid,
                shard=known.shard if known is not None and is_same else shard,
                spec_digest=spec_digest,
                state="bound",
                by=self.by,
                at=clock.text(clock.now()),
            )
            position = await self._append(tenant, name, wanted, entry.position if entry else 0)
            if position:
                return Binding(xid=wanted.xid, shard=wanted.shard, is_adopted=is_same, position=position)
        raise errors.BrokerUnavailableError(f"name {name} of {tenant} could not be bound")

    async def release(self, tenant: str, name: str, xid: str, by: str, *, is_expired: bool = False) -> bool:
        """Free the name, because its resource was seen deleted. True where it no longer belongs to this log.

        False where nothing is recorded, so that there is nothing to free. `is_expired`: it was deleted because its time
        after the end was up.

        Raises:
            errors.BrokerUnavailableError: the broker did not answer; ask again.
        """
        for _ in range(_TRIES):
            entry = await self.lookup(tenant, name)
            if entry is None:
                return False
            if entry.record.state != "bound" or entry.record.xid != xid:
                return True
            state = "expired" if is_expired else "released"
            freed = msgspec.structs.replace(entry.record, state=state, by=by, at=clock.text(clock.now()))
            if await self._append(tenant, name, freed, entry.position):
                return True
        raise errors.BrokerUnavailableError(f"name {name} of {tenant} could not be released")

    async def archive(self, tenant: str, name: str, entry: Entry, archived: Archived) -> int:
        """Record that the log of this entry lies in an archive; the record's sequence, 0 where another came first.

        Raises:
            errors.BrokerUnavailableError: the broker did not answer; ask again.
        """
        record = msgspec.structs.replace(
            entry.record, state="archived", by=self.by, at=clock.text(clock.now()), archived=archived
        )
        return await self._append(tenant, name, record, entry.position)

    async def lookup(self, tenant: str, name: str) -> Entry | None:
        """The last record under a name, as the stream's leader knows it.

        Raises:
            errors.BrokerError: it could not be read.
            errors.NameUnreadableError: it is no record.
        """
        message = await jetstream.last(self.nc, _STREAM, subjects.name(tenant, name))
        if message is None:
            return None
        try:
            record = msgspec.json.decode(message.payload, type=Record)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise errors.NameUnreadableError(tenant, name, str(error)) from error
        return Entry(record=record, position=message.position)

    async def listed(self, tenant: str | None) -> dict[tuple[str, str], int]:
        """Every name that was ever recorded, of one tenant or of all, and how many records it has, as the leader knows.

        Raises:
            errors.BrokerError: it could not be read.
        """
        found = await jetstream.subjects(self.nc, _STREAM, subjects.name(tenant or "*", ">"))
        return {tuple(subject.split(".", 2)[1:]): records for subject, records in found.items()}  # type: ignore[misc]

    async def _append(self, tenant: str, name: str, record: Record, expected: int) -> int:
        """The sequence of the stored record, or 0 where another came first or nobody knows: look again."""
        headers = {jetstream.EXPECTED: str(expected)}
        payload = msgspec.json.encode(record)
        try:
            return await jetstream.publish(self.nc, subjects.name(tenant, name), payload, headers)
        except errors.BrokerClosedError:
            raise
        except errors.BrokerUnavailableError:
            await asyncio.sleep(_PAUSE_SECONDS)
        except errors.BrokerError as error:
            if error.code not in jetstream.WRONG_SEQUENCE:
                raise
        return 0


def _refuse_archived(name: str, record: Record, spec_digest: str) -> None:
    """Asked for once more: what is done is not done again because its log has moved."""
    found = record.archived
    if found is None or found.was != "expired" or record.spec_digest != spec_digest:
        return
    raise errors.LogArchivedError(
        f"the run {name} is over since {found.ended_at} and its log lies in the archive {found.file}; "
        "to have it done once more, choose another name",
        record.xid,
        phase=found.phase,
        ended_at=found.ended_at,
    )


def _adopt(name: str, entry: Entry, uid: str, spec_digest: str) -> Binding:
    record = entry.record
    if record.spec_digest != spec_digest:
        raise errors.NameInUseError(
            f"the name {name} belongs to run {record.xid}, which was asked for with another spec; "
            "delete that Execution first, or choose another name",
            record.xid,
        )
    is_adopted = record.xid != uid
    return Binding(xid=record.xid, shard=record.shard, is_adopted=is_adopted, position=entry.position)
