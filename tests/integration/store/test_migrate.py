"""The schemas come in order, once, and what ran is never edited."""

import asyncio
from dataclasses import replace

import pytest

from keelstep import errors
from keelstep.store import migrate, postgres


async def test_programs_that_start_at_once_migrate_once(dsn: str) -> None:
    """They wait for each other; the later ones find nothing to do."""

    async def one() -> int:
        async with postgres.connected(dsn, "test") as connection:
            return await migrate.migrate(connection)

    ran = await asyncio.gather(*(one() for _ in range(4)))
    assert sorted(ran) == [0, 0, 0, len(migrate.load())]


async def test_a_migration_that_fails_leaves_nothing_behind(dsn: str) -> None:
    """Text and record are one transaction."""
    good = migrate.Migration(number=1, name="good", sql="CREATE TABLE kept (n integer)")
    bad = migrate.Migration(number=2, name="bad", sql="CREATE TABLE lost (n integer); SELECT 1 / 0")
    async with postgres.connected(dsn, "test") as connection:
        with pytest.raises(Exception, match="division by zero"):
            await migrate.migrate(connection, [good, bad])
        assert await connection.fetchval(
            "SELECT to_regclass('kept') IS NOT NULL AND to_regclass('lost') IS NULL"
        )
        assert await migrate.migrate(connection, [good, replace(bad, sql="SELECT 1")]) == 1


async def test_an_edited_migration_is_refused(dsn: str) -> None:
    """What ran can only be followed by a new one."""
    first = migrate.Migration(number=1, name="first", sql="CREATE TABLE t (n integer)")
    async with postgres.connected(dsn, "test") as connection:
        await migrate.migrate(connection, [first])
        with pytest.raises(errors.Stalled, match="add a new migration") as caught:
            await migrate.migrate(connection, [replace(first, sql="CREATE TABLE t (n bigint)")])
    assert caught.value.reason == "MigrationEdited"


async def test_an_older_program_refuses_a_newer_database(dsn: str) -> None:
    """It could not know what its rows mean there."""
    ours = migrate.load()
    newer = migrate.Migration(number=999, name="future", sql="SELECT 1")
    async with postgres.connected(dsn, "test") as connection:
        await migrate.migrate(connection, [*ours, newer])
        with pytest.raises(errors.Stalled, match="upgrade the program") as caught:
            await migrate.migrate(connection, ours)
    assert caught.value.reason == "StoreNewer"
