"""What does this gateway hold of one execution? The fold of its log, and its own calls in flight.

One flight per call: whoever asks for a call that this process is making waits for it, and its end is the log's word.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass, field

import structlog

from keelstep import errors
from keelstep.domain import revision
from keelstep.domain.state import State
from keelstep.events import clock
from keelstep.log.spine import Log

_BEHIND_PAUSES_SECONDS = (0.01, 0.05, 0.1, 0.2, 0.5, 0.0)

log = structlog.get_logger(__name__)

FRESH_SECONDS = 0.02
"""A fold read longer ago than this is read again before anything is sent: this process may have been frozen."""


@dataclass(slots=True)
class Hold:
    """This gateway's hold on one execution."""

    tenant: str
    xid: str
    log: Log
    turn: asyncio.Semaphore
    """Bounds what all holds together have in flight."""
    flights: dict[Hashable, "asyncio.Task[None]"] = field(default_factory=dict)
    """Calls this process is making, by place or by model ordinal."""
    arguments: OrderedDict[str, bytes] = field(default_factory=OrderedDict)
    """Loaded arguments by digest."""
    pinned: revision.Pinned | None = None
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    def wake(self) -> None:
        """Something was stored."""
        self._changed.set()

    async def wait_change(self, within_seconds: float) -> None:
        """Return once something is stored, or after so long."""
        self._changed.clear()
        try:
            async with asyncio.timeout(within_seconds):
                await self._changed.wait()
        except TimeoutError:
            return

    async def fresh(self, read_at: int) -> State:
        """The fold, read again where it was read too long ago (boot-time nanoseconds).

        The broker answers on the connection that control records come on, so what was stopped while this process was
        frozen is known by then.

        Raises:
            errors.BrokerUnavailableError: it could not be read now.
        """
        if clock.boot() - read_at > FRESH_SECONDS * clock.SECOND:
            return await self.log.refresh()
        return self.log.state

    async def read_up_to(self, position: int) -> State:
        """The fold, with everything up to a stream sequence that its asker has read: a follower may be behind that.

        Raises:
            errors.BrokerUnavailableError: it is still behind, or could not be read now.
        """
        for pause in _BEHIND_PAUSES_SECONDS:
            state = await self.log.refresh()
            if state.position >= position:
                return state
            await asyncio.sleep(pause)
        raise errors.BrokerUnavailableError(f"the log of {self.xid} was not read up to {position}")

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
