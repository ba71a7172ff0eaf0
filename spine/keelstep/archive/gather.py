"""What belongs to an execution's log? Its messages with their headers, and every payload that they name.

Read from the leader of each stream: an archive made of a follower's view might lack the end. Nothing is written here.
"""

import asyncio
from collections.abc import Iterable, Iterator, Sequence

import msgspec
from nats.aio.client import Client

from keelstep.domain import execution
from keelstep.events.envelope import Event
from keelstep.events.value import Value
from keelstep.log import jetstream, reader, subjects

_AT_ONCE = 32
"""Messages asked for at the same time."""
MOST_BYTES = 128 * 1024 * 1024
"""Of a log's payloads: while their archive is made and proven they are in memory, some of them three times."""


class TooLargeError(Exception):
    """A log is larger than an archive can be; the message says so."""


async def messages(nc: Client, shard: int, tenant: str, xid: str) -> list[jetstream.Message]:
    """Every message of an execution with its headers, in order.

    Raises:
        errors.BrokerError: they could not be read.
        TooLargeError: they are more than fits into an archive.
    """
    stream = subjects.stream(shard)
    last = await jetstream.last(nc, stream, subjects.spine(shard, tenant, xid, "*"))
    if last is None:
        return []
    log = reader.StreamReader(nc, shard)
    positions: list[int] = []
    size = 0
    while not positions or positions[-1] < last.position:
        found, is_all = await log.batch(tenant, xid, positions[-1] if positions else 0)
        positions += [each.position for each in found]
        size += sum(len(each.payload) for each in found)
        if size > MOST_BYTES:
            raise TooLargeError(
                f"the log is larger than {MOST_BYTES // 2**20} MiB: keelstep verify says what fills it"
            )
        if is_all and (not positions or positions[-1] < last.position):
            await asyncio.sleep(0.05)  # a follower that is behind the leader
    whole: list[jetstream.Message] = []
    for start in range(0, len(positions), _AT_ONCE):
        batch = positions[start : start + _AT_ONCE]
        answers = await asyncio.gather(*(jetstream.at(nc, stream, position) for position in batch))
        whole += [each for each in answers if each is not None]
    return whole


async def payload(nc: Client, address: str) -> jetstream.Message | None:
    """What lies at an address of the object store; None where nothing does.

    Raises:
        errors.BrokerError: it could not be read.
    """
    found = await jetstream.last_from_any(nc, subjects.OBJECTS_STREAM, address)
    return found if found is not None else await jetstream.last(nc, subjects.OBJECTS_STREAM, address)


def addresses(tenant: str, xid: str, outcomes: Sequence[execution.Outcome]) -> dict[str, Value | None]:
    """The addresses that events name, each with the Value that lies there; None for a revision."""
    found: dict[str, Value | None] = {}
    for outcome in outcomes:
        if not isinstance(outcome, Event):
            continue
        for value in values(outcome.data):
            if value.ref is not None:
                found[subjects.obj(tenant, xid, value.digest)] = value
        if outcome.type == "exec.started":
            found |= dict.fromkeys(_revisions(tenant, outcome.data))
    return found


def values(part: object) -> Iterator[Value]:
    """Every Value in an event's data, however deep."""
    if isinstance(part, Value):
        yield part
    elif isinstance(part, msgspec.Struct):
        yield from _each(getattr(part, name) for name in part.__struct_fields__)
    elif isinstance(part, dict):
        yield from _each(part.values())
    elif isinstance(part, list | tuple):
        yield from _each(part)


def _each(parts: Iterable[object]) -> Iterator[Value]:
    for part in parts:
        yield from values(part)


def _revisions(tenant: str, data: object) -> Iterator[str]:
    yield subjects.revision(tenant, str(getattr(data, "strategy_digest", "")))
    for pin in getattr(data, "contracts", {}).values():
        yield subjects.revision(tenant, pin.digest)
