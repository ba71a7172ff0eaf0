"""How is one execution's log read, and how is an event added to it?

A `Log` is one program's hold on one execution: the fold of what it has read, and appends under the fence. Every append
names the last message its writer has seen; the broker refuses it where anything came between. What the writer does
then is fixed (DESIGN: the fence and its four outcomes):

    publish(bytes, expected) ──acknowledged──────────────────────────► stored
        │ refused, or no answer
        ▼
    read everything after `expected`
        ├─ my bytes are there, valid, on my subject ─────────────────► stored   (an equal id is not mine)
        ├─ nothing new ──► publish the identical bytes again
        └─ others' events ──► fold, ask `propose` again ──► append what it wants now, or nothing

While a publish is undetermined its writer proposes nothing else. No decision is taken here: `propose` decides.

Own appends are folded at once, with a provisional time; the broker's own comes when they are read back, or, for a
program that follows the stream, when it hears of them (`hear`). Hearing is enough: the bytes are ours, and the fence
says that nothing lies between an own append and what was known before it.
"""

import asyncio
import contextlib
import itertools
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import structlog
from msgspec import structs
from nats.aio.client import Client

from keelstep import errors, points
from keelstep.domain import execution, validity
from keelstep.domain.state import State
from keelstep.events import clock, envelope, signing, types
from keelstep.events.frame import Stored
from keelstep.log import publish, subjects

log = structlog.get_logger(__name__)

EXPECTED = "Nats-Expected-Last-Subject-Sequence"
EXPECTED_SUBJECT = "Nats-Expected-Last-Subject-Sequence-Subject"
TYPE_HEADER = "Keelstep-Type"
"""The event's type once more, for whoever follows headers only. Nothing is decided by it."""
_BACKOFF_SECONDS = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0)
_AT_ONCE = 200
"""Messages folded in one go: some milliseconds, of signed ones ten."""
_REFUSALS = 4
"""So many in a row, over a third of a second, are no passing trouble."""


class Reader(Protocol):
    """Where stored messages come from."""

    async def batch(self, tenant: str, xid: str, after: int) -> tuple[Sequence[Stored], bool]:
        """The next messages of an execution after a stream sequence, in order, and whether these are all; possibly
        without the very last ones, but never none where it is not all. No more than fit in memory: a runner may fill
        its log with whatever it likes."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """An event somebody wants to append."""

    type: str
    data: types.Data
    id: str
    actor: str
    attempt: int
    step: int
    cost: envelope.Cost = envelope.FREE
    subject: str | None = None
    trace_id: str = ""
    """Only for `exec.started`; every later event carries the run's own."""


Propose = Callable[[State], Proposal | None]
"""What to append in this state; None where it is no longer wanted. May raise to give up."""


@dataclass(frozen=True, slots=True)
class Author:
    """Who appends: the writer token, and the key it signs with (a runner has none)."""

    writer: str
    shard: int
    signer: signing.Signer | None = None


def vouch_with(keyring: signing.Keyring, tenant: str, xid: str, shard: int) -> validity.Vouch:
    """The check of operator and gateway signatures over their subject and bytes."""

    def vouch(writer: types.Writer, stored: Stored) -> bool:
        subject = subjects.spine(shard, tenant, xid, stored.writer)
        return keyring.vouches(stored.signature, writer, subject, stored.payload)

    return vouch


def _believe(writer: types.Writer, stored: Stored) -> bool:
    """The check of a signature of one's own making."""
    return True


@dataclass(slots=True)
class Log:
    """One program's hold on one execution's log."""

    nc: Client
    reader: Reader
    author: Author
    keyring: signing.Keyring
    tenant: str
    xid: str
    on_outcome: Callable[[State, Stored, execution.Outcome], None] | None = None
    """Told of every message read, in order, with a state that includes it and may include more: for reports."""
    does_hear: bool = False
    """True where a follower of the stream tells of every message: then own appends are kept until it does."""
    state: State = field(init=False)
    """The fold, with this program's own appends. Their stored time is provisional until `confirm`."""
    _read: State = field(init=False)
    """The fold of what was read back from the broker, nothing else."""
    proven_at: int = field(init=False, default=0)
    """When the broker was last asked what is stored and `state` was all of it; boot-time nanoseconds."""
    _own: deque[Stored] = field(init=False, default_factory=deque)
    """Own appends, oldest first, that were neither read back nor heard of."""
    _early: dict[int, int] = field(init=False, default_factory=dict)
    """What was heard while a publish is undetermined: it may be that one. Position and the broker's time."""
    _is_publishing: bool = field(init=False, default=False)
    _subject: str = field(init=False)
    """Where our events go."""
    _every_subject: str = field(init=False)
    """Where every writer's do."""
    _program: str = field(init=False)
    _vouch: validity.Vouch = field(init=False)
    _is_trusted: bool = field(init=False, default=False)
    """The keyring has vouched for an append of ours, so it will for every other: the key stays the same."""
    _found: envelope.Event | None = field(init=False, default=None)
    """The event that was looked for, once it was read."""
    _lock: asyncio.Lock = field(init=False, default_factory=asyncio.Lock)

    def __post_init__(self) -> None:
        self.state = self._read = execution.begin(self.xid, self.tenant)
        self._subject = subjects.spine(self.author.shard, self.tenant, self.xid, self.author.writer)
        self._every_subject = subjects.spine(self.author.shard, self.tenant, self.xid, "*")
        self._program = points.program(self.author.writer)
        self._vouch = vouch_with(self.keyring, self.tenant, self.xid, self.author.shard)

    @property
    def read_position(self) -> int:
        """The last message read back; this program's own appends may lie after it."""
        return self._read.position

    @property
    def read_at(self) -> int:
        """The broker's time of the last valid event read back, nanoseconds since 1970."""
        return self._read.stored_at

    async def refresh(self) -> State:
        """Read what is new and fold it."""
        async with self._lock:
            await self._catch_up()
            return self.state

    async def confirm(self) -> State:
        """Read until the broker has told us all we appended: then every stored time is the broker's own."""
        async with self._lock:
            goal = self.state.position
            for pause in _pauses():
                await self._catch_up()
                if self._read.position >= goal:
                    break
                await asyncio.sleep(pause)
            return self.state

    def hear(self, position: int, stored_at: int) -> None:
        """A message was stored then, by the broker's clock. In the order of positions, each at least once."""
        if self._own and self._own[0].position == position:
            self._confirm_own(stored_at)
        elif self._is_publishing:
            self._early[position] = stored_at

    async def append(self, propose: Propose, *, has_happened: bool = False) -> envelope.Event | None:
        """Append what `propose` wants, deciding again whenever others' events came between.

        Returns the stored event, or None where `propose` wanted nothing any more. What `has_happened` is held on to
        until it is stored, however long the broker refuses it.

        Raises:
            errors.LogFullError: the broker takes no event at all, so this one was not stored; a person must act.
            errors.UndecidableError: the log holds an event this program does not know.
            errors.BrokerClosedError: the connection is closed for good.
            Exception: whatever `propose` raises.
        """
        async with self._lock:
            while True:
                if self.state.undecidable:
                    raise errors.UndecidableError(self.xid, self.state.undecidable)
                proposal = propose(self.state)
                if proposal is None:
                    return None
                points.reached(f"{self._program}.before.{proposal.type}")
                stored = await self._publish(proposal.type, self._build(proposal), has_happened)
                if stored is not None:
                    points.reached(f"{self._program}.after.{proposal.type}")
                    return stored

    def _build(self, proposal: Proposal) -> bytes:
        state = self.state
        payload = envelope.encode(
            envelope.Envelope(
                v=envelope.VERSION,
                id=proposal.id,
                type=proposal.type,
                tenant=self.tenant,
                execution=self.xid,
                root=self.xid,
                parent=None,
                trace_id=state.trace_id or proposal.trace_id,
                seq=state.seq + 1,
                step=proposal.step,
                attempt=proposal.attempt,
                actor=proposal.actor,
                ts=clock.text(clock.now()),
                prev=state.head,
                cost=proposal.cost,
                data=envelope.raw(proposal.data),
                subject=proposal.subject,
            )
        )
        if len(payload) > envelope.MAX_BYTES:
            raise errors.EventTooLargeError(proposal.type, len(payload), envelope.MAX_BYTES)
        return payload

    async def _publish(self, type_name: str, payload: bytes, has_happened: bool) -> envelope.Event | None:
        """Publish until stored, or until others' events are found instead (None). Outcomes 1 to 3 of the fence."""
        expected = self.state.position
        signature = self.author.signer.sign(self._subject, payload) if self.author.signer else ""
        headers = {
            EXPECTED: str(expected),
            EXPECTED_SUBJECT: self._every_subject,
            TYPE_HEADER: type_name,
        }
        if signature:
            headers[signing.HEADER] = signature
        self._is_publishing = self.does_hear
        try:
            refusals: int | None = 0
            for pause in _pauses():
                asked_at = clock.boot()
                ack = await publish.send(self.nc, self._subject, payload, headers)
                if ack.position:
                    return self._stored(payload, signature, ack.position, asked_at)
                found, news = await self._look_for(payload, expected, ack.last)
                if found is not None:
                    return found
                if news:
                    return None
                # once a try was not answered it may still be stored, so nobody may go on as if it were not
                refusals = refusals + 1 if refusals is not None and ack.is_full else None
                if refusals == _REFUSALS and not has_happened:
                    raise errors.LogFullError(ack.why)
                log.info(
                    "append_repeated",
                    execution=self.xid,
                    trace_id=self.state.trace_id,
                    expected=expected,
                    why=ack.why,
                )
                await asyncio.sleep(pause)
        finally:
            self._is_publishing = False
            self._early.clear()
        raise AssertionError("pauses never end")

    def _stored(self, payload: bytes, signature: str, position: int, asked_at: int) -> envelope.Event:
        stored = Stored(
            position=position,
            writer=self.author.writer,
            stored_at=clock.now(),
            signature=signature,
            payload=payload,
        )
        # a signature that this process has just made is not verified: that would cost as much as all else together
        vouch = _believe if self._is_trusted else self._vouch
        after, outcome = execution.advance(self.state, stored, vouch)
        if not isinstance(outcome, envelope.Event):
            raise errors.OwnEventVoidError(self.xid, getattr(outcome, "reason", "undecidable"))
        self._is_trusted = True
        self.state, self.proven_at = after, asked_at
        if self.does_hear:
            self._own.append(stored)
            if len(self._own) == 1 and position in self._early:
                self._confirm_own(self._early[position])
        return outcome

    def _confirm_own(self, stored_at: int) -> None:
        """The oldest own append has the broker's time: to what was read back it is the next message."""
        self._fold([structs.replace(self._own.popleft(), stored_at=stored_at)], _believe)
        if not self._own:
            self.state = self._read

    async def _look_for(self, payload: bytes, expected: int, last: int) -> tuple[envelope.Event | None, bool]:
        """My event, where these bytes are stored and valid; and whether anything new was read at all."""
        self._found = None
        for pause in _pauses():
            with contextlib.suppress(errors.BrokerUnavailableError):
                await self._catch_up(payload)
                if self._found is not None:
                    return self._found, True
                if self.state.position >= last:
                    return None, self.state.position > expected
            # no answer, or a follower's that has not yet seen what the refusal names
            await asyncio.sleep(pause)
        raise AssertionError("pauses never end")

    async def _catch_up(self, sought: bytes | None = None) -> None:
        """Fold everything after what was last read back. Own provisional appends are read again, as stored."""
        asked_at, ahead = clock.boot(), None
        messages, is_all = await self.reader.batch(self.tenant, self.xid, self._read.position)
        try:
            while not is_all:  # the next batch comes while this one is folded
                next_at = clock.boot()
                ahead = asyncio.create_task(self.reader.batch(self.tenant, self.xid, messages[-1].position))
                await self._take_in(messages, sought)
                (messages, is_all), asked_at = await ahead, next_at
        finally:
            if ahead is not None:
                ahead.cancel()
        await self._take_in(messages, sought)
        if self._read.position >= self.state.position:
            self.state, self.proven_at = self._read, asked_at

    async def _take_in(self, messages: Sequence[Stored], sought: bytes | None) -> None:
        """Fold what was read, some at a time: others have their turn between, and what is asked for goes out."""
        for start in range(0, len(messages), _AT_ONCE):
            if start:
                await asyncio.sleep(0)
            # what was heard of meanwhile is folded already
            news = [
                each for each in messages[start : start + _AT_ONCE] if each.position > self._read.position
            ]
            for stored, outcome in zip(news, self._fold(news, self._vouch), strict=True):
                if isinstance(outcome, envelope.Event) and self._is_mine(stored, sought):
                    self._found = outcome
            while self._own and self._own[0].position <= self._read.position:
                self._own.popleft()

    def _is_mine(self, stored: Stored, sought: bytes | None) -> bool:
        """My bytes, on my subject: an equal id is not mine."""
        return stored.writer == self.author.writer and stored.payload == sought

    def _fold(self, news: Sequence[Stored], vouch: validity.Vouch) -> Sequence[execution.Outcome]:
        """The next messages as the broker has them, and what each was."""
        self._read, outcomes = execution.fold(self._read, news, vouch)
        if self.on_outcome is not None:
            for stored, outcome in zip(news, outcomes, strict=True):
                self.on_outcome(self._read, stored, outcome)
        return outcomes


def _pauses() -> Iterator[float]:
    """Waits between tries in seconds, growing to two, without end."""
    return itertools.chain(_BACKOFF_SECONDS, itertools.repeat(_BACKOFF_SECONDS[-1]))
