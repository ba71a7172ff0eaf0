"""How do rows and position get into Postgres together?

One transaction holds a batch's rows and the new position, and only if the position is still the one the batch follows:
whoever was overtaken writes nothing. So a message is in the tables exactly once, whenever a program dies. Nothing here
knows what a message means.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from keelstep import errors
from keelstep.events.frame import Stored
from keelstep.store import postgres, rows
from keelstep.store.fold import UNSIGNED, Key, Recorded

_LOCK_CLASS = 0x6B65656C
"""The first half of the advisory lock of a shard's projector; the second is the shard."""
_EMPTIED = "keelstep_emptied"
"""The channel on which a rebuild tells whoever projects."""


class Overtaken(errors.KeelstepError):
    """The position is not the one this batch follows: somebody else wrote, or the tables were emptied."""

    reason = "Overtaken"


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a shard's tables are."""

    shard: int
    stream: str
    incarnation: str
    """When the stream was created."""
    position: int
    """0 before the first message."""
    digest: str
    """SHA-256 of the message at the position."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """What one transaction writes."""

    messages: Sequence[rows.Row]
    lines: Sequence[rows.Row]
    executions: Sequence[rows.Row]
    undecidable: Sequence[rows.Row]


async def progress(connection: postgres.Connection, shard: int) -> Progress | None:
    """How far a shard's tables are; None where nothing was ever written.

    Raises:
        errors.Waiting: Postgres is not available.
    """
    with postgres.translated():
        row = await connection.fetchrow(
            "SELECT stream, incarnation, position, digest FROM spine.progress WHERE shard = $1", shard
        )
    if row is None:
        return None
    return Progress(
        shard=shard,
        stream=row["stream"],
        incarnation=row["incarnation"],
        position=row["position"],
        digest=row["digest"],
    )


async def begin(connection: postgres.Connection, first: Progress) -> None:
    """Record which stream a shard's tables are of.

    Raises:
        errors.Waiting: Postgres is not available.
    """
    with postgres.translated():
        await connection.execute(
            "INSERT INTO spine.progress (shard, stream, incarnation, position, digest) VALUES ($1, $2, $3, $4, $5) "
            "ON CONFLICT (shard) DO NOTHING",
            first.shard,
            first.stream,
            first.incarnation,
            first.position,
            first.digest,
        )


async def commit(connection: postgres.Connection, before: Progress, after: Progress, batch: Batch) -> None:
    """Write a batch and the position after it, or nothing at all.

    Raises:
        Overtaken: the position is no longer `before`.
        errors.Waiting: Postgres is not available; whether it was written shows in `progress`.
    """
    with postgres.translated():
        async with connection.transaction():
            await _move(connection, before, after)
            await _write(connection, batch)


async def undecided(connection: postgres.Connection, shard: int) -> Mapping[Key, bytes]:
    """The executions that a projector could not follow to their end, with the first event it did not know.

    Raises:
        errors.Waiting: Postgres is not available.
    """
    with postgres.translated():
        found = await connection.fetch(_UNDECIDED, shard)
    return {(row["tenant"], row["execution"]): row["payload"] for row in found}


async def replace(connection: postgres.Connection, at: Progress, key: Key, batch: Batch) -> None:
    """Put other rows in the place of all that an execution has, at a position that stays.

    Raises:
        Overtaken: the position is no longer `at`.
        errors.Waiting: Postgres is not available; whether it was written shows in `undecided`.
    """
    with postgres.translated():
        async with connection.transaction():
            await _move(connection, at, at)
            # its spans are told from the first event that nobody knew: those that are sent again are the same
            await connection.execute(_SEND_AGAIN, at.shard, *key)
            for table in ("spine.messages", "spine.undecidable"):
                await connection.execute(_DROP.format(table=table, name="execution"), at.shard, *key)
            for table in ("traces.lines", "gold.executions"):
                await connection.execute(_DROP.format(table=table, name="execution_id"), at.shard, *key)
            await _write(connection, batch)


async def history(
    connection: postgres.Connection, shard: int, keys: Iterable[Key]
) -> Mapping[Key, Sequence[Recorded]]:
    """Every message of these executions that is in the tables, in order.

    Raises:
        errors.Waiting: Postgres is not available.
    """
    wanted = list(keys)
    with postgres.translated():
        found = await connection.fetch(
            _HISTORY, shard, [tenant for tenant, _ in wanted], [xid for _, xid in wanted]
        )
    messages: dict[Key, list[Recorded]] = {}
    for row in found:
        stored = Stored(
            position=row["position"],
            writer=row["writer"],
            stored_at=row["stored_at_nanoseconds"],
            signature=row["signature"],
            payload=row["payload"],
        )
        key = (row["tenant"], row["execution"])
        messages.setdefault(key, []).append(Recorded(stored=stored, is_signed=row["reason"] != UNSIGNED))
    return messages


async def hold(connection: postgres.Connection, shard: int, *, wait: bool = True) -> bool:
    """Become the one projector of a shard, for as long as the connection lives; True where that worked.

    Raises:
        errors.Waiting: Postgres is not available.
    """
    with postgres.translated():
        if wait:
            await connection.execute("SELECT pg_advisory_lock($1, $2)", _LOCK_CLASS, shard)
            return True
        got = await connection.fetchval("SELECT pg_try_advisory_lock($1, $2)", _LOCK_CLASS, shard)
        return bool(got)


async def on_emptied(connection: postgres.Connection, shard: int, tell: Callable[[], None]) -> None:
    """Be told when somebody empties a shard's tables, for as long as the connection lives.

    Raises:
        errors.Waiting: Postgres is not available.
    """

    def told(_: object, __: int, ___: str, payload: object) -> None:
        if payload == str(shard):
            tell()

    with postgres.translated():
        await connection.add_listener(_EMPTIED, told)


async def empty(connection: postgres.Connection, shard: int, fresh: Progress) -> None:
    """Drop every row of a shard and begin at the start of this stream, in one transaction.

    Raises:
        errors.Waiting: Postgres is not available.
    """
    with postgres.translated():
        async with connection.transaction():
            # taken first, so that a projector in the middle of a batch ends it before or fails after
            await connection.execute("DELETE FROM spine.progress WHERE shard = $1", shard)
            others = await connection.fetchval("SELECT count(*) FROM spine.progress")
            if others:
                for table in _TABLES:
                    await connection.execute(f"DELETE FROM {table} WHERE shard = $1", shard)  # noqa: S608
            else:
                await connection.execute(f"TRUNCATE {', '.join(_TABLES)}")
            await connection.execute(
                "INSERT INTO spine.progress (shard, stream, incarnation, position, digest) "
                "VALUES ($1, $2, $3, $4, $5)",
                fresh.shard,
                fresh.stream,
                fresh.incarnation,
                fresh.position,
                fresh.digest,
            )
            # a projector that has nothing to write would otherwise not notice
            await connection.execute("SELECT pg_notify($1, $2)", _EMPTIED, str(shard))


async def _move(connection: postgres.Connection, before: Progress, after: Progress) -> None:
    moved = await connection.execute(
        "UPDATE spine.progress SET position = $1, digest = $2 "
        "WHERE shard = $3 AND position = $4 AND digest = $5 AND incarnation = $6",
        after.position,
        after.digest,
        before.shard,
        before.position,
        before.digest,
        before.incarnation,
    )
    if moved != "UPDATE 1":
        raise Overtaken(f"shard {before.shard} is no longer at position {before.position}")


async def _write(connection: postgres.Connection, batch: Batch) -> None:
    await _copy(connection, "spine", "messages", rows.MESSAGE_COLUMNS, batch.messages)
    await _copy(connection, "traces", "lines", rows.LINE_COLUMNS, batch.lines)
    if batch.executions:
        await connection.executemany(_UPSERT, batch.executions)
    if batch.undecidable:
        await connection.executemany(_MARK, batch.undecidable)


async def _copy(
    connection: postgres.Connection,
    schema: str,
    table: str,
    columns: Sequence[str],
    found: Sequence[rows.Row],
) -> None:
    if found:
        await connection.copy_records_to_table(
            table, schema_name=schema, columns=list(columns), records=list(found)
        )


_TABLES = ("spine.messages", "spine.undecidable", "traces.lines", "gold.executions")
_UPSERT = (
    f"INSERT INTO gold.executions ({', '.join(rows.EXECUTION_COLUMNS)}) "  # noqa: S608 our own names
    f"VALUES ({', '.join(f'${n}' for n in range(1, len(rows.EXECUTION_COLUMNS) + 1))}) "
    f"ON CONFLICT ({', '.join(rows.EXECUTION_KEY)}) DO UPDATE SET "
    + ", ".join(
        f"{name} = excluded.{name}" for name in rows.EXECUTION_COLUMNS if name not in rows.EXECUTION_KEY
    )
)
_MARK = (
    "INSERT INTO spine.undecidable (shard, tenant, execution, position, what) VALUES ($1, $2, $3, $4, $5) "
    "ON CONFLICT DO NOTHING"
)
_UNDECIDED = """
SELECT marked.tenant, marked.execution, each.payload
FROM spine.undecidable AS marked JOIN spine.messages AS each USING (shard, position)
WHERE shard = $1
ORDER BY position
"""
_SEND_AGAIN = """
UPDATE spine.exports AS sent SET position = least(sent.position, marked.position - 1)
FROM spine.undecidable AS marked
WHERE sent.shard = $1 AND marked.shard = $1 AND marked.tenant = $2 AND marked.execution = $3
"""
_DROP = "DELETE FROM {table} WHERE shard = $1 AND tenant = $2 AND {name} = $3"
# one index scan per execution: a join might read the whole table
_HISTORY = """
SELECT found.*
FROM unnest($2::text[], $3::text[]) AS wanted (tenant, execution)
CROSS JOIN LATERAL (
    SELECT tenant, execution, position, writer, signature, stored_at_nanoseconds, payload, reason
    FROM spine.messages AS each
    WHERE each.shard = $1 AND each.tenant = wanted.tenant AND each.execution = wanted.execution
    ORDER BY each.position
) AS found
"""
