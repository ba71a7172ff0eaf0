"""How do spans get from the tables to the receiver?

    mark ─► the events after it ─► spans ─► receiver ─► mark moved ─► …

Each event's spans are sent at least once, after they were committed, whoever dies when: what was sent and not marked is
sent again, and is the same. One program per shard sends. The projector does not wait for any of it.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field

import structlog

from keelstep import errors
from keelstep.events import envelope
from keelstep.events.envelope import Event
from keelstep.events.frame import Stored
from keelstep.store import postgres
from keelstep.store.fold import Key
from keelstep.store.metrics import Metrics
from keelstep.store.otlp import mark, receiver
from keelstep.store.otlp.span import Span
from keelstep.store.otlp.story import Story

log = structlog.get_logger(__name__)

BATCH = 500
"""Events that are read, and whose spans are sent, together."""
HELD_STORIES = 5_000
"""Runs that are remembered; what came before in any other is read again."""
PAUSE_SECONDS = 1.0
"""Between two looks at what is new."""
MOST_PAUSE_SECONDS = 60.0
_NAME = "keelstep-traces"


@dataclass(slots=True, kw_only=True)
class Exporter:
    """Sends one shard's spans. `run` until cancelled."""

    dsn: str
    address: receiver.Address
    shard: int = 0
    batch: int = BATCH
    held_stories: int = HELD_STORIES
    metrics: Metrics = field(default_factory=Metrics)
    _stories: OrderedDict[Key, Story] = field(default_factory=OrderedDict)
    _told: mark.Mark | None = None
    """What the stories include."""

    async def run(self) -> None:
        """Send for ever; returns only when cancelled."""
        async with receiver.connect(self.address) as session:
            taker = receiver.Receiver(self.address, session)
            while True:
                try:
                    async with postgres.connected(self.dsn, _NAME) as connection:
                        await mark.begin(connection, self.shard)
                        await mark.hold(connection, self.shard)
                        log.info("traces_begun", shard=self.shard, to=self.address.url)
                        await self._follow(connection, taker)
                except errors.Waiting as error:
                    log.warning("traces_interrupted", reason=error.reason, message=error.message)
                    pause = error.delay_seconds
                except errors.KeelstepError as error:
                    log.error("traces_failed", reason=error.reason, message=error.message)
                    pause = MOST_PAUSE_SECONDS
                except Exception:  # outermost: tables without traces are better than neither
                    log.exception("traces_failed", shard=self.shard)
                    pause = MOST_PAUSE_SECONDS
                await asyncio.sleep(pause)

    async def _follow(self, connection: postgres.Connection, taker: receiver.Receiver) -> None:
        self._forget()
        while True:
            batch = await mark.following(connection, self.shard, self._stories, self.batch)
            if batch is None:
                self.metrics.unsent.set(0)
                await asyncio.sleep(PAUSE_SECONDS)
            elif self._stories and (batch.before != self._told or batch.is_of_another_stream):
                self._forget()  # they know more than they may: the mark was set back, or the log was replaced
            else:
                self.metrics.unsent.set(batch.behind)
                spans = await asyncio.to_thread(self.tell, batch)
                await self._send(connection, taker, spans)
                is_moved = await mark.move(connection, batch.before, batch.after)
                self._told = batch.after if is_moved else None
                self._trim()

    async def _send(
        self, connection: postgres.Connection, taker: receiver.Receiver, spans: Sequence[Span]
    ) -> None:
        pause = receiver.RETRY_SECONDS
        while True:
            try:
                refused = await taker.take(spans)
            except errors.Waiting as error:
                log.warning("traces_not_taken", reason=error.reason, message=error.message, spans=len(spans))
                await asyncio.sleep(max(pause, error.delay_seconds))
                pause = min(2 * pause, MOST_PAUSE_SECONDS)
                self.metrics.unsent.set(await mark.behind(connection, self.shard))
            else:
                self.metrics.spans.labels("sent").inc(len(spans) - refused)
                self.metrics.spans.labels("refused").inc(refused)
                return

    def tell(self, batch: mark.Batch) -> Sequence[Span]:
        """The spans that these events finish."""
        for key, messages in batch.history.items():
            self._stories[key] = story = Story(key[1])
            for stored in messages:
                _spans(story, stored)  # sent before
        found: list[Span] = []
        for key, stored in batch.messages:
            story = self._stories.setdefault(key, Story(key[1]))
            self._stories.move_to_end(key)
            found += _spans(story, stored)
        return found

    def _trim(self) -> None:
        for key in [key for key, story in self._stories.items() if story.is_over]:
            del self._stories[key]
        while len(self._stories) > self.held_stories:
            self._stories.popitem(last=False)

    def _forget(self) -> None:
        self._stories.clear()
        self._told = None


def _spans(story: Story, stored: Stored) -> Sequence[Span]:
    event = envelope.decode(stored.payload)
    # what a newer program wrote down as an event, before this older one took over again, it will not understand
    return list(story.tell(event, stored.writer, stored.stored_at)) if isinstance(event, Event) else ()
