"""How do the tables follow the log?

    stream ─► feed ─► fold ─► rows ─► one transaction with the position ─► acknowledge
              └── a batch ahead ──┘

One projector per shard writes, the others stand by. Whatever goes wrong on the way, the session ends, everything in
memory is forgotten, and the next one begins at the position in Postgres. Nothing here decides what an event means.
"""

import asyncio
import contextlib
import gc
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import structlog
from nats.aio.client import Client

from keelstep import errors, points
from keelstep.domain import execution
from keelstep.events import envelope, signing
from keelstep.events.envelope import Undecidable
from keelstep.store import feed, fold, incarnation, ledger, postgres, prepare, verifier
from keelstep.store.metrics import Metrics

log = structlog.get_logger(__name__)

RETRY_SECONDS = 0.5
_NAME = "keelstep-projector"
_GARBAGE = (200_000, 50, 50)
"""When Python looks for cycles: rows and states hold none, and each look walks every state that is held."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Advance:
    """What one transaction brought."""

    progress: ledger.Progress
    messages: int
    pending: int
    """How many messages waited behind them."""


OnAdvance = Callable[[Advance], None]


@dataclass(slots=True, kw_only=True)
class Projector:
    """Follows one shard. `run` until cancelled."""

    nc: Client
    dsn: str
    keyring: signing.Keyring
    shard: int = 0
    batch: int = feed.BATCH
    held_events: int = fold.HELD_EVENTS
    on_advance: OnAdvance | None = None
    metrics: Metrics = field(default_factory=Metrics)
    _feed: feed.Feed = field(init=False)
    _preparer: prepare.Preparer = field(init=False)

    def __post_init__(self) -> None:
        self._feed = feed.Feed(self.nc, self.shard, self.batch)
        self._preparer = prepare.Preparer(
            feed=self._feed, verifier=verifier.Verifier(self.keyring), held_events=self.held_events
        )

    async def run(self, *, until_caught_up: bool = False) -> None:
        """Follow the shard; with `until_caught_up` return once no message waits.

        Raises:
            errors.Stalled: a person must act: the stream regressed, or Postgres refuses us.
            errors.BrokerClosedError: the connection to the broker is closed for good.
        """
        with _seldom_collected():
            await self._run(until_caught_up=until_caught_up)

    async def _run(self, *, until_caught_up: bool) -> None:
        while True:
            try:
                async with (
                    postgres.connected(self.dsn, _NAME) as connection,
                    postgres.connected(self.dsn, f"{_NAME}-history") as history,
                ):
                    await self._hold(connection)
                    await ledger.on_emptied(connection, self.shard, self._overtaken)
                    await self._sessions(connection, history, until_caught_up=until_caught_up)
                    return
            except errors.Waiting as error:
                log.warning("projection_interrupted", reason=error.reason, message=error.message)
                await asyncio.sleep(error.delay_seconds)
            finally:
                await self._feed.close()
                await self._preparer.verifier.close()

    async def _hold(self, connection: postgres.Connection) -> None:
        if await ledger.hold(connection, self.shard, wait=False):
            return
        log.info("projector_stood_by", shard=self.shard)
        self.metrics.stood_by()
        await ledger.hold(connection, self.shard)

    def _overtaken(self) -> None:
        self._feed.interrupt("the tables were emptied")

    async def _sessions(
        self, connection: postgres.Connection, history: postgres.Connection, *, until_caught_up: bool
    ) -> None:
        while True:
            try:
                await self._session(connection, history, until_caught_up=until_caught_up)
                return
            except errors.BrokerClosedError:
                raise
            except (errors.BrokerError, ledger.Overtaken) as error:
                log.warning("projection_restarted", reason=error.reason, message=error.message)
                await asyncio.sleep(RETRY_SECONDS)

    async def _session(
        self, connection: postgres.Connection, history: postgres.Connection, *, until_caught_up: bool
    ) -> None:
        progress = await self._begin(connection)
        await self._reconsider(connection, progress)
        await self._feed.open(progress.position)
        if await ledger.progress(connection, self.shard) != progress:
            raise ledger.Overtaken  # emptied before the feed could be told
        self.metrics.begun(progress.position)
        log.info("ready", shard=self.shard, position=progress.position)
        if until_caught_up and self._feed.is_empty:
            return
        async with self._preparer.batches(history, progress) as batches:
            async for prepared in batches:
                await self._write(connection, progress, prepared)
                progress = prepared.after
                if until_caught_up and prepared.judged[-1].arrival.pending == 0:
                    return

    async def _begin(self, connection: postgres.Connection) -> ledger.Progress:
        progress = await ledger.progress(connection, self.shard)
        if progress is None:
            progress = await incarnation.fresh(self.nc, self.shard)
            await ledger.begin(connection, progress)
        await incarnation.check(self.nc, progress)
        return progress

    async def _reconsider(self, connection: postgres.Connection, progress: ledger.Progress) -> None:
        """Follow the executions that a projector before this one could not, as far as this one can."""
        for (tenant, xid), payload in (await ledger.undecided(connection, self.shard)).items():
            if isinstance(envelope.decode(payload), Undecidable):
                continue
            found = await ledger.history(connection, self.shard, [(tenant, xid)])
            stored = [each.stored for each in found[tenant, xid]]
            judged = await self._preparer.again(self.shard, tenant, xid, stored)
            await ledger.replace(connection, progress, (tenant, xid), prepare.build(self.shard, judged))
            trace_id = judged[-1].after.trace_id
            log.info(
                "execution_decided", tenant=tenant, execution=xid, trace_id=trace_id, messages=len(stored)
            )

    async def _write(
        self, connection: postgres.Connection, before: ledger.Progress, prepared: prepare.Prepared
    ) -> None:
        points.reached("projector.before.commit")
        begun = time.perf_counter()
        await ledger.commit(connection, before, prepared.after, prepared.batch)
        points.reached("projector.after.commit")
        seconds = time.perf_counter() - begun
        self._preparer.committed = prepared.after.position
        self.metrics.committed(prepared.judged, prepared.after.position, seconds)
        _report(prepared.judged)
        last = prepared.judged[-1].arrival
        await self._feed.acknowledge(last)
        if self.on_advance is not None:
            self.on_advance(
                Advance(progress=prepared.after, messages=len(prepared.judged), pending=last.pending)
            )


@contextlib.contextmanager
def _seldom_collected() -> Iterator[None]:
    before = gc.get_threshold()
    gc.set_threshold(*_GARBAGE)
    try:
        yield
    finally:
        gc.set_threshold(*before)


def _report(judged: Sequence[fold.Judged]) -> None:
    """Say what was no event: each execution and reason once a batch."""
    voids: Counter[tuple[str, str, str, str, str]] = Counter()
    for each in judged:
        arrival, outcome = each.arrival, each.outcome
        if isinstance(outcome, Undecidable):
            log.error(
                "event_undecidable",
                tenant=arrival.tenant,
                execution=arrival.xid,
                trace_id=each.after.trace_id,
                position=arrival.stored.position,
                what=each.after.undecidable,
            )
        elif isinstance(outcome, execution.Void) and not each.after.undecidable:
            whose = (arrival.tenant, arrival.xid, each.after.trace_id)
            voids[*whose, arrival.stored.writer, outcome.reason] += 1
    for (tenant, xid, trace_id, writer, reason), times in voids.items():
        log.warning(
            "message_void",
            tenant=tenant,
            execution=xid,
            trace_id=trace_id,
            writer=writer,
            reason=reason,
            times=times,
        )
