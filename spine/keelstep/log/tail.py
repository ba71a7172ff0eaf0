"""How does a program hear of every message that a stream stores, in order and without a gap?

Through a push consumer of its own, which the broker forgets when the program goes. Each delivery carries the consumer's
own count; a gap in it, silence where a heartbeat was due, or a broker that has forgotten the consumer, and a new one
is made after the last message that was handled:

    open ──messages, heartbeats──► open
      │ gap · silence · consumer gone · connection lost
      ▼
    broken ──► open again, from the last handled message on

Nothing here knows what a message means. A stream that was replaced or set back is read anew from its beginning.
"""

import asyncio
import contextlib
import itertools
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec
import nats.errors
import structlog
from nats.aio.client import Client
from nats.aio.msg import Msg

from keelstep import errors
from keelstep.events import clock
from keelstep.log import jetstream

log = structlog.get_logger(__name__)

Settings = dict[str, Any]
"""A consumer's configuration as JetStream's API spells it."""
Start = Literal["new", "all", "last_per_subject"]
"""Where to begin: after everything stored so far, with the first message, or with the last one of each subject."""

HEARTBEAT_SECONDS = 0.5
_DELIVERY = "$JS.ACK."
"""Where a delivered message is acknowledged; the broker sets it, no writer can."""
_SILENCE_SECONDS = 3 * HEARTBEAT_SECONDS
_FORGET_SECONDS = 30
_CONFIRMED = int(2.5 * clock.SECOND)
"""A leader hears of the others every second or two; without it they wait at least four before they choose anew."""
_BACKOFF_SECONDS = (0.05, 0.1, 0.25, 0.5, 1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One message as it arrived."""

    subject: str
    position: int
    """Its sequence in the stream."""
    stored_at: int
    """The broker's clock, nanoseconds since 1970."""
    pending: int
    """How many matching messages come after it, at the time it was sent."""
    headers: dict[str, str]
    payload: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a stream stands."""

    incarnation: str
    """When it was created: another value is another stream."""
    last: int
    """Its last sequence."""
    leader: str = ""
    """The server that said so, of several; empty where there is one only."""


class _State(msgspec.Struct, frozen=True):
    last_seq: int


class _Replica(msgspec.Struct, frozen=True):
    current: bool = False
    active: int = 0
    """How long ago the leader heard of it, nanoseconds; 0 where it never did."""


class _Cluster(msgspec.Struct, frozen=True):
    leader: str = ""
    replicas: list[_Replica] = []


class _Info(msgspec.Struct, frozen=True):
    created: str
    state: _State
    cluster: _Cluster | None = None


class _Consumer(msgspec.Struct, frozen=True):
    num_pending: int = 0


async def place(nc: Client, stream: str, timeout: float = jetstream.TIMEOUT_SECONDS) -> Place:
    """Where a stream stands, as its leader knows it.

    Of several servers, one that was cut off or stood still answers as the leader it once was, and while there is none
    anybody answers: neither is believed.

    Raises:
        errors.BrokerUnavailableError: no answer in time, or none of a server that leads for sure.
        errors.BrokerError: the stream does not exist.
    """
    info = await jetstream.call(nc, f"STREAM.INFO.{stream}", type=_Info, timeout=timeout)
    if info.cluster is not None and not _leads(info.cluster):
        raise errors.BrokerUnavailableError(f"{stream} has no leader at this moment that the others confirm")
    leader = info.cluster.leader if info.cluster is not None and info.cluster.replicas else ""
    return Place(incarnation=info.created, last=info.state.last_seq, leader=leader)


def _leads(cluster: _Cluster) -> bool:
    """Whether so many others have lately confirmed the leader that they cannot have chosen another one."""
    if not cluster.leader:
        return False
    confirmed = [each for each in cluster.replicas if each.current and 0 < each.active < _CONFIRMED]
    return 2 * (1 + len(confirmed)) > 1 + len(cluster.replicas)


@dataclass(slots=True, kw_only=True)
class Tail:
    """A reader that never ends. `run` until cancelled; `handle` sees each message, in order, at least once."""

    nc: Client
    stream: str
    subjects: Sequence[str]
    """Which subjects to hear of; wildcards are meant."""
    handle: Callable[[Delivery], None]
    """What it raises ends `run`."""
    start: Start
    headers_only: bool = False
    on_begin: Callable[[Place], None] | None = None
    """Told before the first message, and again when the stream was replaced: forget what was heard."""
    handled: int = 0
    """The stream sequence up to which everything was handled."""
    _begun: Place | None = None
    _broken: asyncio.Event = field(default_factory=asyncio.Event)
    _counted: int = 0
    _heard: bool = False
    _fault: Exception | None = None

    async def run(self) -> None:
        """Deliver for ever; returns only when cancelled.

        Raises:
            errors.BrokerClosedError: the connection is closed for good.
            Exception: what `handle` raised.
        """
        pauses = _pauses()
        while True:
            try:
                await self._begin()
                await self._deliver_until_broken()
                pauses = _pauses()
            except errors.BrokerClosedError:
                raise
            except errors.BrokerError as error:
                log.warning("tail_interrupted", stream=self.stream, subjects=self.subjects, why=error.message)
                await asyncio.sleep(next(pauses))

    async def _deliver_until_broken(self) -> None:
        self._broken.clear()
        self._counted = 0
        inbox = self.nc.new_inbox()
        async with _consumer(self.nc, self.stream, self._configuration(inbox), self._deliver):
            while not self._broken.is_set():
                self._heard = False
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_SILENCE_SECONDS):
                        await self._broken.wait()
                if not self._heard:
                    return
        if self._fault is not None:
            raise self._fault

    async def _begin(self) -> None:
        """Find out where the stream stands; at first, and when it is another one, decide where to begin."""
        now = await place(self.nc, self.stream)
        begun = self._begun
        if begun is not None and begun.incarnation == now.incarnation and now.last >= self.handled:
            return
        if begun is not None:
            log.error("stream_replaced", stream=self.stream, handled=self.handled, last=now.last)
            self.start = "last_per_subject" if self.start == "new" else self.start
        self._begun = now
        self.handled = now.last if self.start == "new" else 0
        if self.on_begin is not None:
            self.on_begin(now)

    def _configuration(self, inbox: str) -> Settings:
        from_where: Settings = {}
        if self.handled:
            from_where = {"deliver_policy": "by_start_sequence", "opt_start_seq": self.handled + 1}
        elif self.start == "last_per_subject":
            from_where = {"deliver_policy": "last_per_subject"}
        return {**_push(inbox, self.subjects, headers_only=self.headers_only), **from_where}

    async def _deliver(self, message: Msg) -> None:
        if self._broken.is_set():
            return
        self._heard = True
        status = _status(message)
        if status:
            await self._control(status, message)
            return
        count, delivery = _read(message)
        if count != self._counted + 1:
            self._broken.set()
            return
        self._counted = count
        try:
            self.handle(delivery)
        except Exception as fault:  # noqa: BLE001 carried to `run`, which raises it; here the library would swallow it
            self._fault = fault
            self._broken.set()
            return
        self.handled = delivery.position

    async def _control(self, status: str, message: Msg) -> None:
        """A heartbeat, a request to say that we keep up, or the end of the consumer."""
        headers = message.headers or {}
        if status != "100":
            self._broken.set()
            return
        await _keep_up(self.nc, message)
        last = headers.get("Nats-Last-Consumer")
        if last is not None and int(last) != self._counted:
            self._broken.set()


async def last_of_each(nc: Client, stream: str, subject: str) -> AsyncIterator[Delivery]:
    """The last message on each subject, headers only, in the order of the stream; ends with the last one stored by now.

    Raises:
        errors.BrokerError: it was interrupted; begin again.
    """
    arrived: asyncio.Queue[Msg] = asyncio.Queue()
    inbox = nc.new_inbox()
    configuration = {**_push(inbox, [subject], headers_only=True), "deliver_policy": "last_per_subject"}
    async with _consumer(nc, stream, configuration, arrived.put) as pending:
        counted = 0
        while pending:
            try:
                async with asyncio.timeout(_SILENCE_SECONDS):
                    message = await arrived.get()
            except TimeoutError as error:
                raise errors.BrokerUnavailableError(f"{stream} fell silent") from error
            if _status(message):
                await _keep_up(nc, message)
                continue
            count, delivery = _read(message)
            if count != counted + 1:
                raise errors.BrokerUnavailableError(f"{stream}: a message was lost on the way")
            counted = count
            pending = delivery.pending
            yield delivery


def _status(message: Msg) -> str:
    """The broker's own word, e.g. a heartbeat; a stored message is none, whatever its writer put into its headers."""
    if message.reply.startswith(_DELIVERY):
        return ""
    return (message.headers or {}).get("Status") or ""


@contextlib.asynccontextmanager
async def _consumer(
    nc: Client, stream: str, configuration: Settings, deliver: Callable[[Msg], Awaitable[None]]
) -> AsyncIterator[int]:
    """A consumer while the context lasts; how many messages wait for it."""
    name = secrets.token_hex(8)
    what = f"CONSUMER.CREATE.{stream}.{name}"
    body = {"stream_name": stream, "config": {**configuration, "name": name}}
    try:
        subscription = await nc.subscribe(str(configuration["deliver_subject"]), cb=deliver)
    except nats.errors.Error as error:
        raise jetstream.broker_error(error, stream) from error
    try:
        created = await jetstream.call(nc, what, body, type=_Consumer)
        yield created.num_pending
    finally:
        with contextlib.suppress(nats.errors.Error):
            await subscription.unsubscribe()
            if nc.is_connected:  # else the broker forgets it by itself
                await nc.publish(f"{jetstream.API}.CONSUMER.DELETE.{stream}.{name}")


def _push(inbox: str, subjects: Sequence[str], *, headers_only: bool) -> Settings:
    """A consumer that is its reader's alone: in memory, without acknowledgements, forgotten soon after."""
    return {
        "deliver_subject": inbox,
        "filter_subjects": list(subjects),
        "deliver_policy": "all",
        "ack_policy": "none",
        "max_deliver": 1,
        "mem_storage": True,
        "num_replicas": 1,
        "flow_control": True,
        "idle_heartbeat": int(HEARTBEAT_SECONDS * clock.SECOND),
        "inactive_threshold": _FORGET_SECONDS * clock.SECOND,
        "headers_only": headers_only,
    }


async def _keep_up(nc: Client, message: Msg) -> None:
    """Answer the broker's question whether we keep up, where it asks one."""
    asked = message.reply or (message.headers or {}).get("Nats-Consumer-Stalled")
    if asked:
        await nc.publish(asked)


def _read(message: Msg) -> tuple[int, Delivery]:
    """The consumer's own count, and the message, from its delivery: `$JS.ACK.….<seq>.<count>.<time>.<pending>`."""
    *_, position, count, stored_at, pending = message.reply.split(".")
    delivery = Delivery(
        subject=message.subject,
        position=int(position),
        stored_at=int(stored_at),
        pending=int(pending),
        headers=dict(message.headers or {}),
        payload=message.data,
    )
    return int(count), delivery


def _pauses() -> Iterator[float]:
    """Waits between tries in seconds, without end."""
    return itertools.chain(_BACKOFF_SECONDS, itertools.repeat(_BACKOFF_SECONDS[-1]))
