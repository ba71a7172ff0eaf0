"""Is Postgres well? Its schemas, and how far its tables are."""

from collections.abc import AsyncIterator

from keelstep import errors
from keelstep.cli.doctor import check
from keelstep.cli.doctor.check import Check


async def look(dsn: str, shard: int) -> AsyncIterator[Check]:
    """Everything about the database."""
    try:
        from keelstep.store import ledger, migrate, postgres  # the driver is no part of the extra `cli`
    except ModuleNotFoundError as error:
        yield check.fail("database", f"{error.name} is missing", "install keelstep[views]")
        return
    try:
        connected = await postgres.connect(dsn, "keelstep-doctor")
    except errors.KeelstepError as error:
        yield check.fail("database", error.message)
        return
    try:
        with postgres.translated():
            version = await connected.fetchval("SHOW server_version")
            records = await connected.fetchval("SELECT to_regclass('public.keelstep_migrations') IS NOT NULL")
            ran = (
                await connected.fetchval("SELECT max(number) FROM public.keelstep_migrations")
                if records
                else 0
            )
        newest = migrate.load()[-1].number
        if (ran or 0) < newest:
            yield check.fail(
                "database",
                f"Postgres {version}: its schema is {ran or 0}, this program's {newest}",
                "start keelstep-projector of this version",
            )
            return
        if ran > newest:
            yield check.warn("database", f"Postgres {version}: its schema {ran} is newer than this program")
        else:
            yield check.ok("database", f"Postgres {version}, schema {ran}")
        progress = await ledger.progress(connected, shard)
        if progress is None:
            yield check.warn("views", "nothing was projected yet", "start keelstep-projector")
        else:
            yield check.ok("views", f"the tables hold the log up to message {progress.position}")
    except errors.KeelstepError as error:
        yield check.fail("database", error.message)
    finally:
        await connected.close(timeout=2)
