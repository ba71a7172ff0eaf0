"""How are the views made again from the log?

All of a shard's tables are emptied (the traces, the executions, and the stored bytes too) and projected anew from the
stream's first message. Meanwhile readers see tables that are being filled. A running projector notices that it was
overtaken and does the work itself; where none runs, it is done here. One that was interrupted has lost nothing: the
next projector, or a rebuild told to resume, goes on where it was.
"""

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass

import structlog
from nats.aio.client import Client

from keelstep import errors
from keelstep.events import signing
from keelstep.log import tail
from keelstep.store import feed, incarnation, ledger, migrate, postgres, projector

log = structlog.get_logger(__name__)

_WATCH_SECONDS = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """How far a rebuild is."""

    position: int
    goal: int
    """The stream's last sequence when it began."""


OnReport = Callable[[Report], None]


async def rebuild(
    nc: Client,
    dsn: str,
    keyring: signing.Keyring,
    shard: int = 0,
    *,
    accept_new_stream: bool = False,
    resume: bool = False,
    forget_archived: bool = False,
    batch: int = feed.BATCH,
    on_report: OnReport | None = None,
) -> Report:
    """Drop a shard's views and build them again; returns once they are as far as the log was at the beginning.

    With `resume` nothing is dropped: what an interrupted rebuild has written stays.

    Raises:
        errors.Stalled: the stream is not the one the tables were made of, and `accept_new_stream` is not set: the
            tables may be the only copy of what it held (`StreamRegressed`). Or logs have left the stream for archives,
            and `forget_archived` is not set: their rows would be gone until they are put back (`LogsArchived`).
        errors.BrokerError: the broker did not answer.
        errors.Waiting: Postgres is not available.
    """
    connection = await postgres.connect(dsn, "keelstep-rebuild")
    try:
        await migrate.migrate(connection)
        before = await ledger.progress(connection, shard)
        if before is not None and not accept_new_stream:
            await incarnation.check(nc, before)
        fresh = await incarnation.fresh(nc, shard)
        goal = (await tail.place(nc, fresh.stream)).last
        was_at = before.position if before is not None else 0
        if before is not None and before.incarnation == fresh.incarnation and resume:
            log.info("rebuild_resumed", shard=shard, at=was_at, goal=goal)
        else:
            if before is not None and not forget_archived:
                await _none_archived(nc, shard)
            await ledger.empty(connection, shard, fresh)
            log.info("views_dropped", shard=shard, was_at=was_at, goal=goal)
        own = projector.Projector(nc=nc, dsn=dsn, keyring=keyring, shard=shard, batch=batch)
        work = asyncio.create_task(own.run(until_caught_up=True))
        try:
            return await _watched(work, connection, shard, goal, on_report)
        finally:
            work.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await work
    finally:
        await connection.close(timeout=2)


async def _none_archived(nc: Client, shard: int) -> None:
    gone = await incarnation.purged(nc, shard)
    if gone:
        raise errors.Stalled(
            "LogsArchived",
            f"{gone} messages have left the stream for archives, so their rows cannot be made of it: say"
            " --forget-archived, and put them back with `keelstep archive restore` after it",
        )


async def _watched(
    work: "asyncio.Task[None]",
    connection: postgres.Connection,
    shard: int,
    goal: int,
    on_report: OnReport | None,
) -> Report:
    """Where it stands once it has arrived: by this work, or by another projector that holds the shard."""
    while True:
        is_done = work.done()
        found = await _report(connection, shard, goal, on_report)
        if is_done:
            work.result()
        if is_done or found.position >= goal:
            return found
        await asyncio.wait([work], timeout=_WATCH_SECONDS)


async def _report(
    connection: postgres.Connection, shard: int, goal: int, on_report: OnReport | None
) -> Report:
    progress = await ledger.progress(connection, shard)
    found = Report(position=progress.position if progress is not None else 0, goal=goal)
    if on_report is not None:
        on_report(found)
    return found
