"""What is ready to be written? Messages become rows, a batch ahead of the transaction that writes them.

    feed.take ─► signatures ─► missing states from Postgres ─► fold, rows ─► one batch waits
                 (a process)                                   (a thread)

Nothing here writes, and nothing decides what an event means.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace

from keelstep.events import envelope
from keelstep.events.envelope import Undecidable
from keelstep.events.frame import Stored
from keelstep.store import feed, fold, ledger, postgres, rows, verifier
from keelstep.store.feed import Arrival
from keelstep.store.fold import Judged


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A batch and the position after it."""

    judged: Sequence[Judged]
    after: ledger.Progress
    batch: ledger.Batch


@dataclass(slots=True, kw_only=True)
class Preparer:
    """Prepares a shard's batches in order. One session uses it at a time."""

    feed: feed.Feed
    verifier: verifier.Verifier
    held_events: int
    committed: int = 0
    """Told by whoever writes: states up to here may be let go, Postgres has their messages."""
    _fold: fold.Fold = field(init=False)

    def __post_init__(self) -> None:
        self._fold = fold.Fold(held_events=self.held_events)

    @contextlib.asynccontextmanager
    async def batches(
        self, history: postgres.Connection, begin: ledger.Progress
    ) -> AsyncIterator[AsyncIterator[Prepared]]:
        """The batches after a position, prepared ahead while the context lasts. The feed must be open there.

        Raises:
            errors.BrokerError: the feed broke.
            errors.Waiting: Postgres is not available.
        """
        self._fold.forget()
        self.committed = begin.position
        ready: asyncio.Queue[Prepared | Exception] = asyncio.Queue(1)
        work = asyncio.create_task(self._fill(ready, history, begin))
        try:
            yield _drain(ready)
        finally:
            work.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await work

    async def _fill(
        self,
        ready: "asyncio.Queue[Prepared | Exception]",
        history: postgres.Connection,
        progress: ledger.Progress,
    ) -> None:
        ahead = asyncio.create_task(self._vouched())
        try:
            while True:
                batch = await ahead
                ahead = asyncio.create_task(self._vouched())
                missing = self._fold.missing(batch)
                if missing:
                    found = await ledger.history(history, progress.shard, missing)
                    self._fold.restore(missing, found)
                prepared = await asyncio.to_thread(self._build, progress, batch)
                progress = prepared.after
                await ready.put(prepared)
        except Exception as error:  # noqa: BLE001 carried to whoever takes the batches, who raises it
            await ready.put(error)
        finally:
            ahead.cancel()
            with contextlib.suppress(Exception, asyncio.CancelledError):
                await ahead

    async def again(self, shard: int, tenant: str, xid: str, messages: Sequence[Stored]) -> Sequence[Judged]:
        """What an execution's stored messages are, whatever was thought of them before."""
        arrivals = [feed.arrived(shard, tenant, xid, stored) for stored in messages]
        whole = fold.Fold()
        whole.restore([(tenant, xid)], {})
        return whole.judge(await self._checked(arrivals))

    async def _vouched(self) -> Sequence[fold.Vouched]:
        return await self._checked(await self.feed.take())

    async def _checked(self, arrivals: Sequence[Arrival]) -> Sequence[fold.Vouched]:
        signed = await self.verifier.check(arrivals)
        return [
            fold.Vouched(arrival=arrival, is_signed=is_signed)
            for arrival, is_signed in zip(arrivals, signed, strict=True)
        ]

    def _build(self, before: ledger.Progress, batch: Sequence[fold.Vouched]) -> Prepared:
        judged = self._fold.judge(batch)
        self._fold.trim(self.committed)
        last = judged[-1].arrival.stored
        after = replace(before, position=last.position, digest=envelope.digest(last.payload))
        return Prepared(judged=judged, after=after, batch=build(before.shard, judged))


def build(shard: int, judged: Sequence[Judged]) -> ledger.Batch:
    """The rows of a batch; of each execution only its last state."""
    last = {(each.arrival.tenant, each.arrival.xid): each.after for each in judged}
    executions = (rows.execution_row(shard, state) for state in last.values())
    return ledger.Batch(
        messages=[rows.message(shard, each) for each in judged],
        lines=[line for each in judged for line in rows.lines(shard, each)],
        executions=[row for row in executions if row is not None],
        undecidable=[rows.mark(shard, each) for each in judged if isinstance(each.outcome, Undecidable)],
    )


async def _drain(ready: "asyncio.Queue[Prepared | Exception]") -> AsyncIterator[Prepared]:
    while True:
        found = await ready.get()
        if isinstance(found, Exception):
            raise found
        yield found
