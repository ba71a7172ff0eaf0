"""What does this gateway hold of one execution? The fold of its log, and its own calls in flight.

A fold is read again only where it may be behind (docs/decisions, gateway-reads, says why that is enough):

    to decide   it goes as far as its asker has seen, and nothing newer was heard of: the gateway follows the shard.
                What is decided ends in a fenced append, in a refusal that its asker has seen the reason of, or in a send
    to send     the broker vouched for it within FRESH_SECONDS besides, by its answer to a read or by taking a fenced
                append: a process that was frozen has heard nothing, and does not know it

One flight per call: whoever asks for a call that this process is making waits for it, and its end is the log's word.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable
from dataclasses import dataclass, field

import structlog

from keelstep import errors, logs
from keelstep.domain import revision
from keelstep.domain.state import State
from keelstep.events import clock
from keelstep.events.envelope import Event
from keelstep.events.frame import Stored
from keelstep.log.spine import Log, Proposal, Propose
from keelstep_gateway.metrics import Metrics
from keelstep_gateway.recent import Recent

_BEHIND_PAUSES_SECONDS = (0.01, 0.05, 0.1, 0.2, 0.5, 0.0)

log = structlog.get_logger(__name__)

FRESH_SECONDS = 0.02
"""A fold that the broker vouched for longer ago is read again before anything is sent: this process may have been
frozen."""
HEARING_SECONDS = 0.05
"""How long an own append is waited for to come by on the stream; then it is read."""


@dataclass(slots=True, weakref_slot=True, eq=False)
class Hold:
    """This gateway's hold on one execution."""

    tenant: str
    xid: str
    log: Log
    turn: asyncio.Semaphore
    """Bounds what all holds together have in flight."""
    metrics: Metrics
    waits: list[Callable[[], str]] = field(default_factory=list)
    """What its calls wait for that are not sent yet."""
    flights: dict[Hashable, "asyncio.Task[None]"] = field(default_factory=dict)
    """Calls this process is making, by place or by model ordinal."""
    pinned: revision.Pinned | None = None
    recent: Recent = field(default_factory=Recent)
    heard: int = 0
    """The newest stream sequence heard of."""
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        recent = self.recent  # of the hold itself: then it is gone once nobody works with it
        self.log.on_outcome = lambda _, stored, __: recent.add(stored)

    def hear(self, position: int, stored_at: int) -> None:
        """Something was stored."""
        self.heard = max(self.heard, position)
        self.log.hear(position, stored_at)
        self._changed.set()

    async def append(self, propose: Propose, *, has_happened: bool = False) -> Event | None:
        """Append to the log as `Log.append` does, and count it.

        Raises:
            Exception: as `Log.append` does.
        """
        began, tries = clock.boot(), 0

        def counted(state: State) -> Proposal | None:
            nonlocal tries
            tries += 1
            return propose(state)

        event = await self.log.append(counted, has_happened=has_happened)
        if event is not None:
            self.metrics.appended(self.log.state, event, began, tries)
        return event

    async def wait_change(self, within_seconds: float) -> None:
        """Return once something is stored, or after so long."""
        self._changed.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_seconds):
                await self._changed.wait()

    async def fresh(self) -> State:
        """The fold as of a moment ago, to send on.

        The broker answers on the connection that control records come on, so what was stopped while this process was
        frozen is known by then.

        Raises:
            errors.BrokerUnavailableError: it could not be read now.
        """
        age = clock.boot() - self.log.proven_at
        is_fresh = age <= FRESH_SECONDS * clock.SECOND and self._is_whole()
        return self.log.state if is_fresh else await self.log.refresh()

    async def read_up_to(self, position: int = 0) -> State:
        """The fold with everything heard of, and up to a stream sequence that its asker has seen: to decide on.

        Raises:
            errors.BrokerUnavailableError: it is still behind, as a follower may be, or could not be read now.
        """
        if self.log.proven_at and self._is_whole(position):
            return self._known(self.log.state)
        for pause in _BEHIND_PAUSES_SECONDS:
            state = await self.log.refresh()
            if state.position >= position:
                return self._known(state)
            await asyncio.sleep(pause)
        raise errors.BrokerUnavailableError(f"the log of {self.xid} was not read up to {position}")

    def _known(self, state: State) -> State:
        """Whoever reads it to decide works on it: what is logged from here on belongs to its trace."""
        logs.concern(self.xid, state.trace_id)
        return state

    async def stored(self, after: int, position: int) -> list[Stored] | None:
        """What is stored after one stream sequence, up to another at least; None where it is not held any more.

        Raises:
            errors.BrokerUnavailableError: it could not be read now.
        """
        if self.log.read_position < position:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(HEARING_SECONDS):
                    while self.log.read_position < position:
                        self._changed.clear()
                        await self._changed.wait()
        if self.log.read_position < position:
            await self.log.refresh()
        return self.recent.after(after) if self.log.read_position >= position else None

    def _is_whole(self, position: int = 0) -> bool:
        """Nothing is known of that the fold does not hold."""
        return self.log.state.position >= max(position, self.heard)

    async def fly(self, key: Hashable, work: Callable[[], Awaitable[None]]) -> None:
        """Do this work once at a time, to its end even where the asker goes away.

        Raises:
            Exception: whatever the work raises.
        """
        flight = self.flights.get(key)
        if flight is None:
            flight = asyncio.create_task(self._fly(work))
            self.flights[key] = flight
            flight.add_done_callback(lambda done: self._land(key, done))
        await asyncio.shield(flight)

    async def rest(self, seconds: float) -> None:
        """Wait in the middle of a flight, and let another call fly meanwhile."""
        self.turn.release()
        try:
            await asyncio.sleep(seconds)
        finally:
            await self.turn.acquire()

    @contextlib.asynccontextmanager
    async def aside(self, why: Callable[[], str]) -> AsyncIterator[None]:
        """Wait in the middle of a flight for something that `why` names, and let other calls fly meanwhile."""
        self.waits.append(why)
        self.turn.release()
        try:
            yield
        finally:
            self.waits.remove(why)
            await self.turn.acquire()

    async def landed(self, key: Hashable) -> bool:
        """Wait for the flight of this key; false where there is none."""
        flight = self.flights.get(key)
        if flight is None:
            return False
        await asyncio.wait({flight})
        return True

    async def _fly(self, work: Callable[[], Awaitable[None]]) -> None:
        async with self.turn:
            await work()

    def _land(self, key: Hashable, done: "asyncio.Task[None]") -> None:
        self.flights.pop(key, None)
        if not done.cancelled() and (error := done.exception()) is not None:
            reason = error.reason if isinstance(error, errors.KeelstepError) else type(error).__name__
            log.warning("call_interrupted", execution=self.xid, call=str(key), reason=reason)
