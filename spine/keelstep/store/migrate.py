"""Which schemas does Postgres need, and are they there?

Files `migrations/NNN_name.sql` run in order, each in a transaction of its own together with the record that it ran.
One that ran is never edited: its digest is recorded and compared. Programs that start at once wait for each other.
"""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources

import structlog

from keelstep import errors
from keelstep.store import postgres

log = structlog.get_logger(__name__)

_FILE = re.compile(r"^(\d{3})_([a-z0-9_]+)\.sql$")
_LOCK = 0x6B65656C_0001
"""The advisory lock of migrations; any number that nobody else uses."""
_RECORDS = """
CREATE TABLE IF NOT EXISTS public.keelstep_migrations (
    number integer PRIMARY KEY,
    name text NOT NULL,
    sha256 text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Migration:
    """One step of the schema."""

    number: int
    name: str
    sql: str

    @property
    def sha256(self) -> str:
        """What is recorded when it ran."""
        return hashlib.sha256(self.sql.encode()).hexdigest()


def load() -> Sequence[Migration]:
    """Every migration this program has, in order."""
    found = []
    for file in resources.files("keelstep.store").joinpath("migrations").iterdir():
        match = _FILE.match(file.name)
        if match is not None:
            found.append(Migration(number=int(match[1]), name=match[2], sql=file.read_text(encoding="utf-8")))
    return sorted(found, key=lambda each: each.number)


async def migrate(connection: postgres.Connection, migrations: Sequence[Migration] | None = None) -> int:
    """Bring the schemas up to date; how many migrations ran.

    Raises:
        errors.Stalled: one that ran was edited (`MigrationEdited`), or the database is newer than this program
            (`StoreNewer`).
        errors.Waiting: Postgres cannot be reached.
    """
    wanted = load() if migrations is None else migrations
    with postgres.translated():
        await connection.execute("SELECT pg_advisory_lock($1)", _LOCK)
        try:
            return await _apply(connection, wanted)
        finally:
            if not connection.is_closed():
                await connection.execute("SELECT pg_advisory_unlock($1)", _LOCK)


async def _apply(connection: postgres.Connection, wanted: Sequence[Migration]) -> int:
    await connection.execute(_RECORDS)
    rows = await connection.fetch("SELECT number, name, sha256 FROM public.keelstep_migrations")
    ran = {int(row["number"]): row for row in rows}
    newer = sorted(set(ran) - {each.number for each in wanted})
    if newer:
        raise errors.Stalled(
            "StoreNewer",
            f"the database has migration {newer[-1]}, which this program does not know: upgrade the program",
        )
    applied = 0
    for migration in wanted:
        record = ran.get(migration.number)
        if record is None:
            await _run(connection, migration)
            applied += 1
        elif record["sha256"] != migration.sha256:
            raise errors.Stalled(
                "MigrationEdited",
                f"migration {migration.number:03}_{migration.name} ran with other text than this program has: "
                "undo the edit and add a new migration",
            )
    return applied


async def _run(connection: postgres.Connection, migration: Migration) -> None:
    async with connection.transaction():
        await connection.execute(migration.sql)
        await connection.execute(
            "INSERT INTO public.keelstep_migrations (number, name, sha256) VALUES ($1, $2, $3)",
            migration.number,
            migration.name,
            migration.sha256,
        )
    log.info("migration_applied", number=migration.number, name=migration.name)
