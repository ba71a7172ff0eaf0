"""What does the archivist ask of the broker, and what may it take away?

Only whole logs, up to the message that their archive ends with: what comes later stays. Nothing here decides which.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
from nats.aio.client import Client

from keelstep import errors
from keelstep.log import jetstream, names, subjects, tail

PROJECTOR = "projector"
"""The consumer by which the projector says how far the tables are."""
_AT_ONCE = 32
_CONSUMER_NOT_FOUND = 10014

Key = tuple[str, str]
"""Tenant and xid."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A name whose last record is about a log."""

    name: str
    entry: names.Entry


@dataclass(frozen=True, slots=True, kw_only=True)
class Register:
    """Every name, as its last record says."""

    by_log: Mapping[Key, Held]
    known: frozenset[Key]
    """Tenant and name of all that were ever recorded."""
    unreadable: frozenset[Key]
    """Of those, the ones whose last record is none: which log they have, nobody can tell."""


class _Floor(msgspec.Struct, frozen=True):
    stream_seq: int = 0


class _Consumer(msgspec.Struct, frozen=True):
    ack_floor: _Floor = _Floor()


async def register(nc: Client) -> Register:
    """Every name and the log it has.

    Raises:
        errors.BrokerError: they could not be read.
    """
    book = names.Names(nc)
    listed = list(await book.listed(None))
    by_log: dict[Key, Held] = {}
    unreadable: set[Key] = set()

    async def look(tenant: str, name: str) -> None:
        try:
            entry = await book.lookup(tenant, name)
        except errors.NameUnreadableError:
            unreadable.add((tenant, name))
            return
        if entry is not None:
            by_log[tenant, entry.record.xid] = Held(name=name, entry=entry)

    for start in range(0, len(listed), _AT_ONCE):
        await asyncio.gather(*(look(*each) for each in listed[start : start + _AT_ONCE]))
    return Register(by_log=by_log, known=frozenset(listed), unreadable=frozenset(unreadable))


async def last_words(nc: Client, shard: int) -> dict[Key, int]:
    """When something was last stored in each log of a shard, by the broker's clock.

    Raises:
        errors.BrokerError: it was interrupted; begin again.
    """
    found: dict[Key, int] = {}
    async for each in tail.last_of_each(nc, subjects.stream(shard), subjects.whole(shard)):
        parts = each.subject.split(".")
        if len(parts) == 5:
            key = (parts[2], parts[3])
            found[key] = max(each.stored_at, found.get(key, 0))
    return found


async def projected(nc: Client, shard: int) -> int:
    """The stream sequence up to which everything is in the tables.

    Raises:
        errors.Stalled: there is no projector (`ProjectorMissing`).
        errors.BrokerError: the broker did not answer.
    """
    stream = subjects.stream(shard)
    try:
        info = await jetstream.call(nc, f"CONSUMER.INFO.{stream}.{PROJECTOR}", type=_Consumer)
    except errors.BrokerError as error:
        if error.code != _CONSUMER_NOT_FOUND:
            raise
        raise errors.Stalled(
            "ProjectorMissing",
            f"no projector follows {stream}, so nobody has the rows of what would be purged; start one, or say"
            " --without-projector where the installation has none",
        ) from error
    return info.ack_floor.stream_seq


async def purge(nc: Client, stream: str, pattern: str, up_to: int) -> int:
    """Take away what lies on subjects that fit, up to a stream sequence; how many messages went.

    Raises:
        errors.BrokerError: the broker refused, or did not answer: what of it happened is unknown, do it again.
    """
    body = {"filter": pattern, "seq": up_to + 1}
    answer = await jetstream.call(nc, f"STREAM.PURGE.{stream}", body, type=dict[str, Any])
    return int(answer.get("purged", 0))


async def addresses(nc: Client, tenant: str, xid: str) -> list[str]:
    """What lies in the object store for an execution.

    Raises:
        errors.BrokerError: it could not be read.
    """
    return sorted(await jetstream.subjects(nc, subjects.OBJECTS_STREAM, subjects.obj(tenant, xid, "*")))
