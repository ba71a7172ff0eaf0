"""How far are the spans sent? A row of its own in Postgres, and the events after it.

What is read is one moment of the database: tables that are emptied for a rebuild while somebody reads cannot look like
a log in which nothing happened. A rebuild leaves the mark, so that nothing is sent again; another stream begins at 0.
"""

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from keelstep.events.frame import Stored
from keelstep.store import postgres
from keelstep.store.fold import Key

_LOCK_CLASS = 0x6B65656D
"""The first half of the advisory lock of whoever sends a shard's spans; the second is the shard."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """Up to where everything is sent."""

    shard: int
    incarnation: str
    """Of the stream; empty before there was one."""
    position: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """The next events."""

    before: Mark
    after: Mark
    """Where everything is sent up to once these are."""
    behind: int
    """How many positions of the stream wait, these included."""
    messages: Sequence[tuple[Key, Stored]]
    history: Mapping[Key, Sequence[Stored]]
    """What came before in those executions of which nothing was held."""

    @property
    def is_of_another_stream(self) -> bool:
        """The log was replaced: what was held of the old one says nothing about this one."""
        return self.before.incarnation != self.after.incarnation


async def hold(connection: postgres.Connection, shard: int) -> None:
    """Wait to be the only one that sends a shard's spans, for as long as the connection lives.

    Raises:
        errors.Waiting: Postgres is not available.
    """
    with postgres.translated():
        await connection.execute("SELECT pg_advisory_lock($1, $2)", _LOCK_CLASS, shard)


async def begin(connection: postgres.Connection, shard: int) -> None:
    """Where nothing was ever sent, begin with what comes next: a year of traces is not what anybody waits for.

    Raises:
        errors.Waiting: Postgres is not available.
    """
    with postgres.translated():
        await connection.execute(_BEGIN, shard)


async def following(
    connection: postgres.Connection, shard: int, held: Container[Key], most: int
) -> Batch | None:
    """The events after the mark, at most so many; None where there are none.

    Raises:
        errors.Waiting: Postgres is not available.
    """
    with postgres.translated():
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            place = await connection.fetchrow(_PLACE, shard)
            if place is None:
                return None
            before = Mark(shard=shard, incarnation=place["marked"], position=place["sent"])
            sent = _sent(place)
            if place["position"] <= sent:
                return None
            found = await connection.fetch(_NEXT, shard, sent, most)
            is_all = len(found) < most
            after = place["position"] if is_all else found[-1]["position"]
            messages = [(_key(row), _stored(row)) for row in found]
            missing = {key for key, _ in messages if key not in held}
            return Batch(
                before=before,
                after=Mark(shard=shard, incarnation=place["incarnation"], position=after),
                behind=place["position"] - sent,
                messages=messages,
                history=await _history(connection, shard, sent, missing),
            )


async def behind(connection: postgres.Connection, shard: int) -> int:
    """How many positions of the stream wait.

    Raises:
        errors.Waiting: Postgres is not available.
    """
    with postgres.translated():
        place = await connection.fetchrow(_PLACE, shard)
    return place["position"] - _sent(place) if place is not None else 0


async def move(connection: postgres.Connection, before: Mark, after: Mark) -> bool:
    """Set the mark, where it is still where it was; False where somebody set it back meanwhile.

    Raises:
        errors.Waiting: Postgres is not available; what was sent may be sent again.
    """
    with postgres.translated():
        moved = await connection.execute(
            "UPDATE spine.exports SET incarnation = $1, position = $2 "
            "WHERE shard = $3 AND incarnation = $4 AND position = $5",
            *(after.incarnation, after.position),
            *(before.shard, before.incarnation, before.position),
        )
    return bool(moved == "UPDATE 1")


async def _history(
    connection: postgres.Connection, shard: int, sent: int, keys: set[Key]
) -> Mapping[Key, Sequence[Stored]]:
    if not keys or not sent:
        return {}
    tenants, xids = [tenant for tenant, _ in keys], [xid for _, xid in keys]
    found: dict[Key, list[Stored]] = {}
    for row in await connection.fetch(_HISTORY, shard, sent, tenants, xids):
        found.setdefault(_key(row), []).append(_stored(row))
    return found


def _sent(place: Mapping[str, Any]) -> int:
    """Up to where the spans of this stream are sent."""
    return int(place["sent"]) if place["marked"] == place["incarnation"] else 0


def _key(row: Mapping[str, Any]) -> Key:
    return row["tenant"], row["execution"]


def _stored(row: Mapping[str, Any]) -> Stored:
    return Stored(
        position=row["position"],
        writer=row["writer"],
        stored_at=row["stored_at_nanoseconds"],
        payload=row["payload"],
    )


_BEGIN = """
INSERT INTO spine.exports (shard, incarnation, position)
SELECT $1, coalesce(max(incarnation), ''), coalesce(max(position), 0) FROM spine.progress WHERE shard = $1
ON CONFLICT (shard) DO NOTHING
"""
_PLACE = """
SELECT reached.incarnation, reached.position, mark.incarnation AS marked, mark.position AS sent
FROM spine.progress AS reached JOIN spine.exports AS mark USING (shard)
WHERE shard = $1
"""
_COLUMNS = "tenant, execution, position, writer, stored_at_nanoseconds, payload"
_NEXT = f"""
SELECT {_COLUMNS} FROM spine.messages
WHERE shard = $1 AND position > $2 AND outcome = 'event'
ORDER BY position LIMIT $3
"""  # noqa: S608 our own names
# one index scan per execution: a join might read the whole table
_HISTORY = f"""
SELECT found.*
FROM unnest($3::text[], $4::text[]) AS wanted (tenant, execution)
CROSS JOIN LATERAL (
    SELECT {_COLUMNS} FROM spine.messages AS each
    WHERE each.shard = $1 AND each.tenant = wanted.tenant AND each.execution = wanted.execution
        AND each.position <= $2 AND each.outcome = 'event'
    ORDER BY each.position
) AS found
"""  # noqa: S608 our own names
