"""How far are the tables behind the stream? Looked at every few seconds, beside the projector's own work.

So it is seen as well when nothing can be written. Nothing here reads a message, and nothing waits for it.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

import structlog
from nats.aio.client import Client

from keelstep import errors
from keelstep.events import clock
from keelstep.log import subjects, tail
from keelstep.store.metrics import Metrics

log = structlog.get_logger(__name__)

PAUSE_SECONDS = 5.0
"""A third of how often Prometheus usually looks."""


@dataclass(slots=True)
class Lag:
    """How far one reader is behind one stream.

    A message's age is how long ago its place was first seen: exact to the pause between looks, whatever the clocks of
    its writers say.
    """

    now: Callable[[], int] = clock.boot
    """Nanoseconds."""
    _seen: deque[tuple[int, int]] = field(default_factory=deque)
    """Ends of the stream that were not reached, and when each was first seen."""

    def look(self, last: int, reached: int) -> tuple[int, float]:
        """The messages behind, and for how many seconds, where the stream ends at `last`."""
        if self._seen and last < self._seen[-1][0]:
            self._seen.clear()  # another stream
        if not self._seen or last > self._seen[-1][0]:
            self._seen.append((last, self.now()))
        while self._seen and self._seen[0][0] <= reached:
            self._seen.popleft()
        since = self._seen[0][1] if self._seen else self.now()
        return max(0, last - reached), (self.now() - since) / clock.SECOND


async def watch(nc: Client, shard: int, metrics: Metrics) -> None:
    """Look for ever; returns only when cancelled."""
    lag = Lag()
    while True:
        try:
            place = await tail.place(nc, subjects.stream(shard))
        except errors.BrokerError as error:
            log.debug("lag_not_measured", why=error.message)
        else:
            if metrics.reached is not None:
                behind, seconds = lag.look(place.last, metrics.reached)
                metrics.lag_messages.set(behind)
                metrics.lag_seconds.set(seconds)
        await asyncio.sleep(PAUSE_SECONDS)
