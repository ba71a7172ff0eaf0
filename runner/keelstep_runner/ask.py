"""How does a runner ask a gateway, and read its own log through one?

A request is sent again whenever nothing was heard for a while: asking is idempotent, because the gateway answers from
the log. Nothing is remembered here but stored messages already received, which the next read hands out.
"""

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, field

import msgspec
import nats.errors
import structlog
from nats.aio.msg import Msg

from keelstep import errors
from keelstep.events import frame
from keelstep.log import ask, client, subjects

log = structlog.get_logger(__name__)

REPEAT_SECONDS = 0.5
"""Wait before asking again after a transient refusal or without any gateway."""
AT_ONCE = 8
"""Requests that are waited for at once; the others wait here. A gateway takes twice as many of one run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A gateway's final reply."""

    kind: ask.Reply
    refusal: ask.Refusal | None = None
    gate: ask.NeedsGate | None = None
    payload: bytes = b""


@dataclass(slots=True, kw_only=True)
class Gateway:
    """The gateways, as one attempt may reach them; also where it reads its log."""

    nc: client.Connection
    shard: int
    tenant: str
    xid: str
    attempt: int
    patience_seconds: float = ask.PATIENCE_SECONDS
    """Silence after which the same is asked again."""
    _received: list[frame.Stored] = field(default_factory=list)
    """Stored messages that came with a reply and have not been read yet."""
    _received_after: int = 0
    """The position they follow without a gap."""
    _places: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_ONCE))

    async def model(self, request: ask.AskModel) -> Answer:
        """Have a model call made, or get its recorded reply."""
        return await self._events("model", request, request.after)

    async def tool(self, request: ask.AskTool) -> Answer:
        """Have a planned call made, or get its recorded result."""
        return await self._events("tool", request, request.after)

    async def undo(self, request: ask.AskUndo) -> Answer:
        """Have a call undone, or get what came of that."""
        return await self._events("undo", request, request.after)

    async def object(self, digest: str, *, is_revision: bool = False) -> bytes:
        """A payload by digest.

        Raises:
            errors.PayloadMissingError: the gateway does not have it.
        """
        answer = await self._ask("object", ask.AskObject(digest=digest, is_revision=is_revision))
        if answer.kind is not ask.Reply.OBJECT:
            why = answer.refusal.message if answer.refusal else "not there"
            raise errors.PayloadMissingError(f"object {digest[:12]}…: {why}")
        return answer.payload

    async def batch(self, tenant: str, xid: str, after: int) -> tuple[Sequence[frame.Stored], bool]:
        """The next messages of this execution, and whether these are all: what came with the last reply, where that is."""
        received, self._received = self._received, []
        found = [stored for stored in received if stored.position > after]
        if found and self._received_after <= after:
            return found, True
        answer = await self._ask("log", ask.AskLog(after=after))
        if answer.refusal is not None:
            raise errors.BrokerUnavailableError(f"reading the log: {answer.refusal.message}")
        return list(frame.unpack(answer.payload)), len(answer.payload) < ask.CHUNK_BYTES

    async def _events(self, verb: str, request: msgspec.Struct, after: int) -> Answer:
        """Ask, and keep the events that come with the answer for the next read."""
        answer = await self._ask(verb, request)
        if answer.kind is ask.Reply.EVENTS:
            self._received = list(frame.unpack(answer.payload))
            self._received_after = after
        return answer

    async def _ask(self, verb: str, request: msgspec.Struct) -> Answer:
        """Ask until somebody answers for good."""
        subject = subjects.call(self.shard, self.tenant, self.xid, self.attempt, verb)
        payload = msgspec.json.encode(request)
        while True:
            async with self._places:
                answer = await self._once(verb, subject, payload)
            if answer is None:
                log.info("asked_again", verb=verb)
            elif answer.refusal is not None and answer.refusal.is_transient:
                log.info("refused_for_now", verb=verb, reason=answer.refusal.reason)
                await asyncio.sleep(REPEAT_SECONDS)
            else:
                return answer

    async def _once(self, verb: str, subject: str, payload: bytes) -> Answer | None:
        """One request; None where no gateway is there, or it fell silent."""
        replies: asyncio.Queue[Msg | None] = asyncio.Queue()
        try:
            await self.nc.listen()
            with self.nc.expecting(replies.put_nowait) as inbox:
                await self.nc.publish(subject, payload, reply=inbox)
                while True:
                    async with asyncio.timeout(self.patience_seconds):
                        message = await replies.get()
                    if message is None:
                        raise errors.BrokerClosedError
                    found = _read(message)
                    if found is None:  # nobody listens, or an answer that is no answer of ours
                        await asyncio.sleep(REPEAT_SECONDS)
                        return None
                    if found.kind is not ask.Reply.HEARTBEAT:
                        return found
                    if found.payload:
                        _tell_waiting(verb, found.payload)
        except TimeoutError:
            return None
        except (nats.errors.ConnectionClosedError, nats.errors.ConnectionDrainingError) as error:
            raise errors.BrokerClosedError from error


def _tell_waiting(verb: str, payload: bytes) -> None:
    """Say in the log what keeps a call from being sent."""
    with contextlib.suppress(msgspec.DecodeError):
        beat = msgspec.json.decode(payload, type=ask.Beat)
        log.info("call_waits", verb=verb, waiting=beat.waiting)


def _read(message: Msg) -> Answer | None:
    headers = message.headers or {}
    try:
        kind = ask.Reply(headers.get(ask.HEADER, ""))
        if kind is ask.Reply.REFUSED:
            return Answer(kind=kind, refusal=msgspec.json.decode(message.data, type=ask.Refusal))
        if kind is ask.Reply.GATE:
            return Answer(kind=kind, gate=msgspec.json.decode(message.data, type=ask.NeedsGate))
    except (ValueError, msgspec.DecodeError):
        return None
    return Answer(kind=kind, payload=message.data)
