"""How do archived runs come back into the tables of Postgres? From their archives, beside a running projector.

Tables that are made again from the log lack what has left it. Their position stays: only rows are put there, and the
same ones twice do no harm. Nothing is written to the log: what is archived is over.
"""

import asyncio
from collections.abc import Sequence
from pathlib import Path

from keelstep import errors
from keelstep.archive import file, proof
from keelstep.archive.proof import Proof
from keelstep.events.signing import KeyEntry
from keelstep.store import feed, fold, ledger, migrate, postgres, prepare, verifier

_TRIES = 100
_PAUSE_SECONDS = 0.05
_TAKEN = "SELECT count(*) FROM spine.messages WHERE shard = $1 AND position = ANY($2) AND execution <> $3"


async def put_back(connection: postgres.Connection, found: Proof) -> None:
    """The rows of one archived run, in the place of whatever its execution has.

    Raises:
        errors.Stalled: other messages have its places, so these tables are of another stream (`StreamRegressed`); or
            nothing was ever projected (`ProjectorMissing`).
        errors.Waiting: Postgres is not available, or a projector is too busy; do it again.
    """
    about = found.manifest
    shard, key = about.shard, (about.tenant, about.execution)
    batch = await asyncio.to_thread(_batch, found)
    positions = [each.position for each in found.messages]
    for _ in range(_TRIES):
        progress = await ledger.progress(connection, shard)
        if progress is None:
            raise errors.Stalled(
                "ProjectorMissing", f"no projector ever wrote the tables of shard {shard}; start one first"
            )
        with postgres.translated():
            taken = await connection.fetchval(_TAKEN, shard, positions, about.execution)
        if taken:
            raise errors.Stalled(
                "StreamRegressed",
                f"{taken} of its places in the tables belong to other runs: {about.stream} is not the stream that"
                f" {about.execution} was archived from",
            )
        try:
            await ledger.replace(connection, progress, key, batch)
        except ledger.Overtaken:
            await asyncio.sleep(_PAUSE_SECONDS)
        else:
            return
    raise errors.Waiting("PostgresUnavailable", "the projector was quicker each time", _PAUSE_SECONDS)


async def put_all_back(dsn: str, paths: Sequence[Path], keys: dict[str, KeyEntry]) -> int:
    """The rows of these archives, each proven first; how many.

    Raises:
        file.ArchiveError: one is not what it says.
        errors.Stalled: see `put_back`.
        errors.Waiting: Postgres is not available.
    """
    connection = await postgres.connect(dsn, "keelstep-archive")
    try:
        await migrate.migrate(connection)
        for path in paths:
            await put_back(connection, await asyncio.to_thread(proof.check, path, keys))
    finally:
        await connection.close(timeout=2)
    return len(paths)


def _batch(found: Proof) -> ledger.Batch:
    about = found.manifest
    stored = file.stored(found.messages)
    arrivals = [feed.arrived(about.shard, about.tenant, about.execution, each) for each in stored]
    signed = verifier.answers(found.keyring, verifier.questions(arrivals))
    whole = fold.Fold()
    whole.restore([(about.tenant, about.execution)], {})
    return prepare.build(
        about.shard,
        whole.judge(
            [fold.Vouched(arrival=each, is_signed=one) for each, one in zip(arrivals, signed, strict=True)]
        ),
    )
