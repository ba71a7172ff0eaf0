"""Which object is looked at next? One reconcile per key at a time, coalesced, retried with growing pauses.

wake(key) ─► waiting ─► working ─┬─► done
                ▲                ├─► woken meanwhile: waiting again
                └── later ◄──────┴─► failed: waiting again after a pause

A glance is a look that is not pressing: glances come one after the other, at a distance, and any other look saves one.

Three lines: what can be killed with all its runs goes first, however many runs are busy; what has ended goes last, for at
a start there may be thousands of it, and nobody waits for any.
"""

import asyncio
import heapq
import itertools
import time
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import NamedTuple

import structlog

from keelstep import errors, logs

log = structlog.get_logger(__name__)

BACKOFF_FIRST_SECONDS = 0.1
BACKOFF_MOST_SECONDS = 30.0
GLANCE_APART_SECONDS = 0.04
"""Between two glances: what is shown of hundreds at work may be seconds old, and leaves time for what is urgent."""
_SWITCHES = frozenset({"Namespace", "AgentStrategy", "ToolContract", "ConfigMap"})
_FIRST, _MIDDLE, _LAST = range(3)


class Key(NamedTuple):
    """What is reconciled."""

    kind: str
    """As a manifest says it: Execution, AgentStrategy, ToolContract, ApprovalGate, Namespace."""
    namespace: str
    name: str


Reconcile = Callable[[Key], Awaitable[None]]


@dataclass(slots=True)
class Queue:
    """The keys that wait, work or sleep."""

    _lines: tuple[deque[Key], ...] = field(default_factory=lambda: (deque(), deque(), deque()))
    """The first that is not empty is served."""
    _queued: dict[Key, int] = field(default_factory=dict)
    """The line of each key that waits; its place in another line is stale."""
    _working: set[Key] = field(default_factory=set)
    _again: set[Key] = field(default_factory=set)
    _sleeping: list[tuple[float, int, Key]] = field(default_factory=list)
    _due: dict[Key, float] = field(default_factory=dict)
    """The earliest wake-up of each sleeping key; later heap entries are stale."""
    _glancing: list[tuple[float, int, Key]] = field(default_factory=list)
    _glances: dict[Key, float] = field(default_factory=dict)
    """When each key may be glanced at; other heap entries are stale."""
    _next_glance_at: float = 0.0
    _failures: dict[Key, int] = field(default_factory=dict)
    _numbers: "itertools.count[int]" = field(default_factory=itertools.count)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    def wake(self, key: Key, after_seconds: float = 0, *, is_patient: bool = False) -> None:
        """Look at this key, now or then; the earliest of several wishes counts, and the most urgent."""
        if after_seconds > 0:
            due = time.monotonic() + after_seconds
            if due < self._due.get(key, float("inf")):
                self._due[key] = due
                heapq.heappush(self._sleeping, (due, next(self._numbers), key))
                self._changed.set()
            return
        if key in self._working:
            self._again.add(key)
            return
        line = _FIRST if key.kind in _SWITCHES else _LAST if is_patient else _MIDDLE
        if line < self._queued.get(key, len(self._lines)):
            self._queued[key] = line
            self._lines[line].append(key)
            self._changed.set()

    def glance(self, key: Key, after_seconds: float) -> None:
        """Look at this key then, or later where many are glanced at; not again where it is looked at before that."""
        if key in self._glances or key in self._queued:
            return
        due = time.monotonic() + after_seconds
        self._glances[key] = due
        heapq.heappush(self._glancing, (due, next(self._numbers), key))
        self._changed.set()

    @property
    def depth(self) -> int:
        """How many keys wait."""
        return len(self._queued)

    async def work(self, reconcile: Reconcile) -> None:
        """Reconcile one key after the other; returns only when cancelled. Start several."""
        while True:
            key = await self._next()
            with logs.about(kind=key.kind, tenant=key.namespace, name=key.name):
                await self._look(key, reconcile)

    async def _look(self, key: Key, reconcile: Reconcile) -> None:
        try:
            await reconcile(key)
        except errors.Waiting as waiting:
            self._failures.pop(key, None)
            self.wake(key, waiting.delay_seconds)
        except errors.BrokerClosedError:
            raise  # the identity was refused: the program must end and say so
        except errors.KeelstepError as error:
            self._failed(key, error.message, error.reason)
        except Exception as error:  # the outermost loop of a worker: one bad key must not stop the others
            log.exception("reconcile_crashed")
            self._failed(key, str(error), type(error).__name__)
        else:
            self._failures.pop(key, None)
        finally:
            self._working.discard(key)
            if key in self._again:
                self._again.discard(key)
                self.wake(key)

    def _failed(self, key: Key, why: str, reason: str) -> None:
        count = self._failures.get(key, 0)
        self._failures[key] = count + 1
        pause = min(BACKOFF_FIRST_SECONDS * 2**count, BACKOFF_MOST_SECONDS)
        log.warning("reconcile_failed", reason=reason, why=why, retry_seconds=pause)
        self.wake(key, pause)

    async def _next(self) -> Key:
        while True:
            pause = self._rouse()
            key = self._foremost()
            if key is not None:
                self._working.add(key)
                self._glances.pop(key, None)
                return key
            self._changed.clear()
            try:
                async with asyncio.timeout(pause):
                    await self._changed.wait()
            except TimeoutError:
                continue

    def _foremost(self) -> Key | None:
        for number, line in enumerate(self._lines):
            while line:
                key = line.popleft()
                if self._queued.get(key) == number:
                    del self._queued[key]
                    return key
        return None

    def _rouse(self) -> float | None:
        """Wake what is due; how long until the next is."""
        now = time.monotonic()
        moments = (self._rouse_sleeping(now), self._rouse_glances(now))
        return min((moment - now for moment in moments if moment is not None), default=None)

    def _rouse_sleeping(self, now: float) -> float | None:
        while self._sleeping:
            due, _, key = self._sleeping[0]
            if due > now:
                return due
            heapq.heappop(self._sleeping)
            if self._due.get(key) == due:
                del self._due[key]
                self.wake(key)
        return None

    def _rouse_glances(self, now: float) -> float | None:
        while self._glancing:
            due, _, key = self._glancing[0]
            is_stale = self._glances.get(key) != due
            moment = max(due, self._next_glance_at)
            if moment > now and not is_stale:
                return moment
            heapq.heappop(self._glancing)
            if not is_stale:
                del self._glances[key]
                self._next_glance_at = now + GLANCE_APART_SECONDS
                self.wake(key)
        return None
