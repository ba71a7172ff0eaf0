"""How do runners' requests arrive, and how are they answered? One queue group of all gateways, one task per request.

Who asks is said by the subject, which the broker enforces; a request's own fields only say what about. While a request is
worked on its asker hears a heartbeat every two seconds. What the answer is, is found in `toolcalls`, `undocalls`,
`modelcalls`.
"""

import asyncio
import contextlib
import re
import traceback
from collections import Counter
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, assert_never

import msgspec
import nats.errors
import structlog
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription

from keelstep import errors, points
from keelstep.domain import validity
from keelstep.events import clock, frame, types
from keelstep.log import ask, subjects
from keelstep.log.reader import StreamReader
from keelstep_gateway import answers
from keelstep_gateway.executions import Executions
from keelstep_gateway.hold import Hold
from keelstep_gateway.metrics import Metrics
from keelstep_gateway.modelcalls import ModelCalls
from keelstep_gateway.presence import NAME
from keelstep_gateway.toolcalls import ToolCalls
from keelstep_gateway.undocalls import UndoCalls

log = structlog.get_logger(__name__)

READS_AT_ONCE = 64
MOST_OF_ONE_RUN = 16
"""Requests of one run that are worked on at once: twice as many as one attempt makes at once."""
MOST_REQUEST_BYTES = 64 * 1024
"""A request names what it is about; whatever is long stands in the object store."""
_READS = ("log", "object")
_DIGEST = re.compile(r"^[0-9a-f]{64}$")
_READ_PAUSE_SECONDS = 0.05
_NOBODY = answers.refuse("RequestInvalid", "the subject is not one of a runner's")


@dataclass(frozen=True, slots=True)
class _Asker:
    """Who asks, as the broker says."""

    tenant: str
    xid: str
    attempt: int
    verb: str

    @property
    def run(self) -> tuple[str, str]:
        """Which run it is of."""
        return self.tenant, self.xid


@dataclass(slots=True)
class _Heart:
    """Beats now and then until it is stopped; most answers come before the first beat."""

    beat: Callable[[], object]
    _next: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Beat after a while, and again after as long."""
        self._next = asyncio.get_running_loop().call_later(ask.HEARTBEAT_SECONDS, self._due)

    def stop(self) -> None:
        """No more."""
        if self._next is not None:
            self._next.cancel()

    def _due(self) -> None:
        self.beat()
        self.start()


@dataclass(slots=True, kw_only=True)
class Calls:
    """The service that runners ask."""

    nc: Client
    shard: int
    executions: Executions
    reader: StreamReader
    tools: ToolCalls
    undos: UndoCalls
    models: ModelCalls
    metrics: Metrics
    most_waiting: int
    """Wishes for calls that are worked on or wait; more are refused, for another gateway to take."""
    _subscriptions: list[Subscription] = field(default_factory=list)
    _requests: set["asyncio.Task[None]"] = field(default_factory=set)
    _of_run: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Requests that are worked on, by tenant and execution."""
    _reads: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(READS_AT_ONCE))
    _waiting: int = 0

    @property
    def in_flight(self) -> int:
        """Requests being worked on."""
        return len(self._requests)

    @property
    def waiting(self) -> int:
        """Wishes for calls whose call is not being made yet."""
        return max(0, self._waiting - len(self.executions.flights()))

    async def start(self) -> None:
        """Take requests from now on."""
        for verb in subjects.CALL_VERBS:
            subject = subjects.call_of_all(self.shard, verb)
            self._subscriptions.append(await self.nc.subscribe(subject, queue=NAME, cb=self._received))
        await self.nc.flush()

    async def stop(self, within_seconds: float) -> None:
        """Take no more requests, and finish those that are here and every call in flight, within bounds."""
        for subscription in self._subscriptions:
            try:
                await subscription.drain()  # type: ignore[no-untyped-call]
            except nats.errors.Error as error:
                log.warning("subscription_not_drained", why=str(error))
        try:
            async with asyncio.timeout(within_seconds):
                while under_way := self._requests | self.executions.flights():
                    await asyncio.wait(under_way)
        except TimeoutError:
            log.warning("not_drained", left=len(self._requests | self.executions.flights()))

    async def _received(self, message: Msg) -> None:
        if not message.reply:
            return
        asker = _asker(message.subject)
        if asker is None:
            await self._turn_away(message, _NOBODY)
        elif (refused := self._refused(asker, message.data)) is not None:
            await self._turn_away(message, refused)
        else:
            self._of_run[asker.run] += 1
            self._begin(self._serve(message, asker))

    async def _turn_away(self, message: Msg, refused: answers.Refused) -> None:
        """Told at once, and no next request is taken until it is: a flood makes no heap of tasks."""
        self.metrics.refusals.labels(refused.refusal.reason).inc()
        await self._reply(message, *_encoded(refused))

    def _refused(self, asker: _Asker, request: bytes) -> answers.Refused | None:
        """Why a request is not even looked at."""
        if len(request) > MOST_REQUEST_BYTES:
            return answers.refuse("RequestInvalid", f"a request has at most {MOST_REQUEST_BYTES} bytes")
        if self._of_run[asker.run] >= MOST_OF_ONE_RUN:
            return answers.refuse("Busy", "this run asks too many things at once", is_transient=True)
        return None

    def _left(self, run: tuple[str, str]) -> None:
        self._of_run[run] -= 1
        if not self._of_run[run]:
            del self._of_run[run]

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._requests.add(task)
        task.add_done_callback(self._requests.discard)

    async def _serve(self, message: Msg, asker: _Asker) -> None:
        """Answer one request, telling the asker meanwhile that somebody is at it."""
        began = clock.boot()
        heart = _Heart(lambda: self._begin(self._reply(message, ask.Reply.HEARTBEAT, self._beat(asker))))
        heart.start()
        try:
            # what was read is held until it is sent: so much of it at once, and reads never wait for calls
            place: contextlib.AbstractAsyncContextManager[None] = (
                self._reads if asker.verb in _READS else contextlib.nullcontext()
            )
            async with place:
                kind, payload = await self._answer(asker, message.data)
                heart.stop()
                self.metrics.answered(asker.verb, kind.value, began)
                points.reached("gateway.before.reply")
                await self._reply(message, kind, payload)
        finally:
            heart.stop()
            self._left(asker.run)

    def _beat(self, asker: _Asker) -> bytes:
        """What a heartbeat says: nothing, or what a call of the run waits for."""
        waits = self.executions.waits(*asker.run)
        return msgspec.json.encode(ask.Beat(waiting=waits[0])) if waits else b""

    async def _answer(self, asker: _Asker, request: bytes) -> tuple[ask.Reply, bytes]:
        structlog.contextvars.bind_contextvars(
            execution=asker.xid, tenant=asker.tenant, attempt=asker.attempt
        )
        hold = self.executions.hold(asker.tenant, asker.xid)
        try:
            found = await self._bounded(asker, hold, request)
            if isinstance(found, answers.Recorded):
                after = msgspec.json.decode(request, type=ask.AskLog).after
                return ask.Reply.EVENTS, await self._events(hold, after, found.position)
            if isinstance(found, answers.Refused):
                self.metrics.refusals.labels(found.refusal.reason).inc()
            return _encoded(found)
        except msgspec.DecodeError as error:
            return _encoded(answers.refuse("RequestInvalid", f"the request cannot be read: {error}"))
        except errors.KeelstepError as error:
            log.info("request_not_answered", verb=asker.verb, reason=error.reason, message=error.message)
            return _encoded(answers.unable(error))
        except Exception as fault:  # noqa: BLE001 outermost: its asker must hear something
            # the place, not the words: they may quote what was asked
            stack = "".join(traceback.format_tb(fault.__traceback__))
            log.error("request_failed", verb=asker.verb, kind=type(fault).__name__, stack=stack)
            return _encoded(answers.refuse("Fault", "the gateway met a fault of its own", is_transient=True))

    async def _bounded(self, asker: _Asker, hold: Hold, request: bytes) -> answers.Answer:
        """The answer; of calls, so many at once."""
        if asker.verb in _READS:
            return await self._read(asker, hold, request)
        if self._waiting >= self.most_waiting:
            return answers.refuse("Busy", "this gateway has enough to do", is_transient=True)
        self._waiting += 1
        try:
            return await self._call(asker, hold, request)
        finally:
            self._waiting -= 1

    async def _call(self, asker: _Asker, hold: Hold, request: bytes) -> answers.Answer:
        if asker.verb == "model":
            return await self.models.answer(
                hold, asker.attempt, msgspec.json.decode(request, type=ask.AskModel)
            )
        if asker.verb == "undo":
            wanted = msgspec.json.decode(request, type=ask.AskUndo)
            return await self.undos.answer(hold, asker.attempt, wanted.undo, max(wanted.after, wanted.seen))
        wish = msgspec.json.decode(request, type=ask.AskTool)
        seen = max(wish.after, wish.seen)
        return await self.tools.answer(hold, asker.attempt, (wish.plan_seq, wish.index), seen)

    async def _read(self, asker: _Asker, hold: Hold, request: bytes) -> answers.Answer:
        if asker.verb == "log":
            msgspec.json.decode(request, type=ask.AskLog)
            return answers.Recorded(position=0)
        wish = msgspec.json.decode(request, type=ask.AskObject)
        if not _DIGEST.match(wish.digest):
            return answers.refuse("RequestInvalid", "a digest is 64 hex digits")
        if not wish.is_revision:
            payload = await self.executions.objects.get(asker.tenant, asker.xid, wish.digest)
            if payload is None:
                return answers.refuse("PayloadMissing", "there is no such payload")
            return answers.Payload(payload=payload)
        state = hold.log.state if hold.log.state.started is not None else await hold.log.refresh()
        pinned = {pin.digest for pin in state.pins.values()}
        if state.started is None or wish.digest not in pinned | {state.started.strategy_digest}:
            return answers.refuse("NotPinned", "the run did not pin that revision")
        return answers.Payload(payload=await self.executions.revision(asker.tenant, wish.digest))

    async def _events(self, hold: Hold, after: int, position: int) -> bytes:
        """What is stored after a position, as frames; the message at `position` among it, or the chunk is full."""
        if not position:  # the log itself is asked for, and has its place among the reads
            return frame.pack(await self.reader.chunk(hold.tenant, hold.xid, after, ask.CHUNK_BYTES))
        held = await hold.stored(after, position)
        if held is not None:
            return frame.pack(held)
        while True:
            async with self._reads:
                messages = await self.reader.chunk(hold.tenant, hold.xid, after, ask.CHUNK_BYTES)
            payload = frame.pack(messages)
            last = messages[-1].position if messages else after
            if last >= position or len(payload) >= ask.CHUNK_BYTES:
                return payload
            await asyncio.sleep(_READ_PAUSE_SECONDS)  # a follower that has not seen it yet

    async def _reply(self, message: Msg, kind: ask.Reply, payload: bytes) -> None:
        try:
            await self.nc.publish(message.reply, payload, headers={ask.HEADER: kind.value})
        except nats.errors.Error as error:
            log.warning("reply_not_sent", kind=kind.value, why=str(error))  # its asker asks again


def _asker(subject: str) -> _Asker | None:
    """Who asks: `call.<shard>.<tenant>.<xid>.a<attempt>.<verb>`."""
    parts = subject.split(".")
    if len(parts) != 6:
        return None
    _, _, tenant, xid, token, verb = parts
    writer = validity.writer_of(token)
    if writer is None or writer[0] is not types.Writer.RUNNER:
        return None
    return _Asker(tenant, xid, writer[1], verb)


def _encoded(answer: answers.Refused | answers.NeedsGate | answers.Payload) -> tuple[ask.Reply, bytes]:
    match answer:
        case answers.Refused():
            return ask.Reply.REFUSED, msgspec.json.encode(answer.refusal)
        case answers.NeedsGate():
            return ask.Reply.GATE, msgspec.json.encode(ask.NeedsGate(tier=answer.tier))
        case answers.Payload():
            return ask.Reply.OBJECT, answer.payload
        case _:
            assert_never(answer)
