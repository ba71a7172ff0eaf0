"""Which messages come next? A shard's stream from a position on, in order, through the durable consumer `projector`.

The consumer is made anew after the position that Postgres holds: what is not in the tables is delivered, whatever was
acknowledged before. Acknowledging only tells others how far the tables are.

    open(after) ──► take ──► take … ──► acknowledge
                      │ gap · silence · consumer gone · connection lost
                      ▼
                    FeedBroken: open again

The consumer's own count shows a gap. A message's own headers are never read as the broker's word: a runner may set any.
"""

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
import nats.errors
import structlog
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription

from keelstep import errors
from keelstep.events import clock, signing
from keelstep.events.frame import Stored
from keelstep.log import jetstream, subjects

log = structlog.get_logger(__name__)

CONSUMER = "projector"
BATCH = 2_000
"""Messages per pull, and the most that `take` returns."""
_HEARTBEAT_SECONDS = 1.0
_SILENCE_SECONDS = 5 * _HEARTBEAT_SECONDS
_EXPIRES_SECONDS = 30
_ACK_WAIT_SECONDS = 3600
"""Never reached in practice: unacknowledged messages come again when the consumer is made anew."""
_CONSUMER_NOT_FOUND = 10014
_TOKENS = 5
"""Of a subject in the spine."""


class FeedBroken(errors.BrokerUnavailableError):
    """The feed has a gap or fell silent; open it again from the position that was committed."""


class Arrival(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One message of the shard."""

    tenant: str
    xid: str
    stored: Stored
    subject: str
    receipt: str
    """What `acknowledge` needs."""
    pending: int
    """How many messages came after it when it was sent."""


def arrived(shard: int, tenant: str, xid: str, stored: Stored) -> Arrival:
    """A message that came before, as it would come again."""
    subject = subjects.spine(shard, tenant, xid, stored.writer)
    return Arrival(tenant=tenant, xid=xid, stored=stored, subject=subject, receipt="", pending=0)


class _Consumer(msgspec.Struct, frozen=True):
    num_pending: int = 0


@dataclass(slots=True)
class Feed:
    """The messages of one shard. One task takes; only one feed of a shard may be open."""

    nc: Client
    shard: int
    batch: int = BATCH
    _arrived: deque[Arrival] = field(default_factory=deque)
    _news: asyncio.Event = field(default_factory=asyncio.Event)
    _subscription: Subscription | None = None
    _inbox: str = ""
    _asked: int = 0
    """Messages that were asked for and have not come."""
    _count: int = 0
    _last: int = 0
    _pending: int = 0
    _heard_at: float = 0.0
    _reconnects: int = 0
    _broken: str = ""

    @property
    def stream(self) -> str:
        """The stream it reads."""
        return subjects.stream(self.shard)

    async def open(self, after: int) -> None:
        """Begin with the first message after a stream sequence.

        Raises:
            errors.BrokerError: the broker refused or did not answer.
        """
        await self.close()
        self._arrived.clear()
        self._asked, self._count, self._last, self._broken = 0, 0, after, ""
        self._inbox = self.nc.new_inbox()
        try:
            # no more comes than was asked for; over a limit of its own the library would drop messages
            self._subscription = await self.nc.subscribe(
                self._inbox, cb=self._receive, pending_msgs_limit=0, pending_bytes_limit=0
            )
        except nats.errors.Error as error:
            raise jetstream.broker_error(error, self.stream) from error
        try:
            await jetstream.call(self.nc, f"CONSUMER.DELETE.{self.stream}.{CONSUMER}", type=dict[str, Any])
        except errors.BrokerError as error:
            if error.code != _CONSUMER_NOT_FOUND:
                raise
        configuration = _configuration(self.shard, after)
        what = f"CONSUMER.CREATE.{self.stream}.{CONSUMER}.{configuration['filter_subject']}"
        body = {"stream_name": self.stream, "config": configuration}
        self._pending = (await jetstream.call(self.nc, what, body, type=_Consumer)).num_pending
        self._heard_at = time.monotonic()
        self._reconnects = self.nc.stats["reconnects"]
        await self._ask()

    @property
    def is_empty(self) -> bool:
        """True where nothing was left to deliver when it was opened."""
        return self._pending == 0

    async def take(self) -> Sequence[Arrival]:
        """The next messages, at least one, at most a batch; waits as long as there is none.

        Raises:
            FeedBroken: it must be opened again.
            errors.BrokerClosedError: the connection is closed for good.
        """
        while not self._arrived:
            if self.nc.is_closed:
                raise errors.BrokerClosedError
            if self.nc.stats["reconnects"] != self._reconnects:
                self._broken = "the connection was lost, and what was asked for with it"
            elif time.monotonic() - self._heard_at > _SILENCE_SECONDS:
                self._broken = "no heartbeat"
            if self._broken:
                raise FeedBroken(f"{self.stream}: {self._broken}")
            self._news.clear()
            # not `wait_for`, which in Python 3.11 swallows a cancellation that comes together with the news
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_HEARTBEAT_SECONDS):
                    await self._news.wait()
        taken = [self._arrived.popleft() for _ in range(min(len(self._arrived), self.batch))]
        await self._ask()
        return taken

    async def acknowledge(self, arrival: Arrival) -> None:
        """Tell the broker that everything up to this message is in the tables. May be lost: nothing rests on it."""
        try:
            await self.nc.publish(arrival.receipt, b"+ACK")
        except nats.errors.Error as error:
            log.info("acknowledgement_lost", stream=self.stream, why=str(error))

    def interrupt(self, why: str) -> None:
        """Make `take` fail: what it would return is no longer wanted."""
        self._broken = why
        self._arrived.clear()
        self._news.set()

    async def close(self) -> None:
        """Stop listening; the consumer stays, so that others see how far the tables are."""
        subscription, self._subscription = self._subscription, None
        if subscription is not None:
            try:
                await subscription.unsubscribe()
            except nats.errors.Error as error:
                log.info("feed_closed_roughly", stream=self.stream, why=str(error))

    async def _ask(self) -> None:
        """Keep up to two batches on their way or waiting here."""
        if self._asked + len(self._arrived) > self.batch:
            return
        wanted = {
            "batch": self.batch,
            "expires": _EXPIRES_SECONDS * clock.SECOND,
            "idle_heartbeat": int(_HEARTBEAT_SECONDS * clock.SECOND),
        }
        subject = f"{jetstream.API}.CONSUMER.MSG.NEXT.{self.stream}.{CONSUMER}"
        try:
            await self.nc.publish(subject, msgspec.json.encode(wanted), reply=self._inbox)
        except nats.errors.Error as error:
            raise jetstream.broker_error(error, self.stream) from error
        self._asked += self.batch

    async def _receive(self, message: Msg) -> None:
        if message.subject == self._inbox:
            await self._told(message)
        elif not self._broken and message.reply:
            self._accept(message)
        self._heard_at = time.monotonic()
        self._news.set()

    def _accept(self, message: Msg) -> None:
        *_, position, count, stored_at, pending = message.reply.split(".")
        self._asked -= 1
        if int(count) != self._count + 1:
            self._broken = f"message {self._count + 1} of the consumer was lost on the way"
            return
        self._count += 1
        if int(position) <= self._last:
            return
        self._last = int(position)
        place = message.subject.split(".")
        if len(place) != _TOKENS:  # no identity but the offline keys' may write there
            log.error("message_misplaced", subject=message.subject, position=self._last)
            return
        _, _, tenant, xid, writer = place
        headers = message.headers
        stored = Stored(
            position=self._last,
            writer=writer,
            stored_at=int(stored_at),
            signature=headers.get(signing.HEADER, "") if headers else "",
            payload=message.data,
        )
        self._arrived.append(
            Arrival(
                tenant=tenant,
                xid=xid,
                stored=stored,
                subject=message.subject,
                receipt=message.reply,
                pending=int(pending),
            )
        )

    async def _told(self, message: Msg) -> None:
        """A word of the broker's own: a heartbeat, the end of a pull, or the end of the consumer."""
        headers = message.headers or {}
        status = headers.get("Status")
        if status == "100":
            return
        if status == "408":
            self._asked -= int(headers.get("Nats-Pending-Messages", self.batch))
            if not self._broken:
                await self._ask()
            return
        self._broken = f"the broker said {status} {headers.get('Description', '')}".rstrip()


def _configuration(shard: int, after: int) -> dict[str, Any]:
    return {
        "name": CONSUMER,
        "durable_name": CONSUMER,
        "filter_subject": subjects.whole(shard),  # with any other the broker compares each message
        "deliver_policy": "by_start_sequence",
        "opt_start_seq": after + 1,
        "ack_policy": "all",
        "ack_wait": _ACK_WAIT_SECONDS * clock.SECOND,
        "max_ack_pending": -1,
        "max_deliver": -1,
        "replay_policy": "instant",
    }
