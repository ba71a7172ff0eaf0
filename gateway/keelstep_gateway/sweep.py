"""Does every call end? Open calls whose owner is gone are found here, on ended runs and where no runner waits, too.

Which calls are open is known without reading a log: gateways alone open and close calls, at most one of a run is open at a
time (calls of a plan run in order, the model is asked between plans), and each stored message says its type in a header.
So a run has an open call if and only if the last message of a gateway on it is not one that ends a call:

    at start   the last message of a gateway on each execution, headers only     what does not end a call may be open
    from then  every message of a gateway, as it is stored                       opens or closes

Only what is open for a moment is looked at, each by one task at a time: beside any number of finished runs a start costs
one small message for each and no fold. What to do about an open call is asked in `takeover`.
"""

import asyncio
import traceback
from dataclasses import dataclass, field

import structlog
from nats.aio.client import Client

from keelstep import errors
from keelstep.events import clock, registry, types
from keelstep.log import follow
from keelstep_gateway.executions import Executions
from keelstep_gateway.takeover import TakeOver

log = structlog.get_logger(__name__)

Key = tuple[str, str]
"""Tenant and xid."""
YOUNG_SECONDS = 1.0
"""A call that began just now is left alone: most are over by then."""
_ENDS = frozenset({registry.NAMES[types.ToolResult], registry.NAMES[types.ModelReplied]})
"""Types of events after which no call is open."""
_PAUSE_SECONDS = 2.0
_READS_AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class _Open:
    """An execution on which a call may be open."""

    position: int
    """Of the last thing a gateway wrote."""
    heard_at: int
    """Boot-time nanoseconds; 0 where it was found at start."""


@dataclass(slots=True, kw_only=True)
class Sweep:
    """Looks for calls nobody owns."""

    nc: Client
    shard: int
    executions: Executions
    takeover: TakeOver
    every_seconds: float
    _open: dict[Key, _Open] = field(default_factory=dict)
    _looking: set[Key] = field(default_factory=set)
    """Those that are being looked at: a call that is taken over may take its time."""
    _reads: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_READS_AT_ONCE))
    _hearing: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def open_calls(self) -> int:
        """How many executions may have an open call."""
        return len(self._open)

    def begin(self) -> None:
        """From now on everything that is stored is heard."""
        self._hearing.set()

    def hear(self, heard: follow.Heard) -> None:
        """Something was stored."""
        if heard.writer == types.Writer.GATEWAY:
            self._note(heard, clock.boot())

    async def run(self) -> None:
        """Sweep now and then; returns only when cancelled.

        Raises:
            ExceptionGroup: of errors.BrokerClosedError, where the connection is closed for good.
        """
        # else what is stored between the listing and the first message heard is in neither
        await self._hearing.wait()
        await self._list()
        async with asyncio.TaskGroup() as group:
            while True:
                old = clock.boot() - int(YOUNG_SECONDS * clock.SECOND)
                for key, found in self._open.items():
                    if found.heard_at <= old and key not in self._looking:
                        self._looking.add(key)
                        group.create_task(self._look(key, found))
                await asyncio.sleep(self.every_seconds)

    def _note(self, heard: follow.Heard, heard_at: int) -> None:
        key = (heard.tenant, heard.xid)
        if heard.type in _ENDS:
            self._open.pop(key, None)
        else:
            self._open[key] = _Open(heard.position, heard_at)

    async def _look(self, key: Key, found: _Open) -> None:
        """End what nobody owns on one execution, and forget it once nothing is open."""
        was_held = self.executions.is_held(*key)
        try:
            hold = self.executions.hold(*key)
            async with self._reads:
                await hold.read_up_to()
            is_open = await self.takeover.sweep(hold)
            if not is_open and self._open.get(key) == found:
                del self._open[key]
            if not was_held and not is_open:
                self.executions.forget(*key)
        except errors.BrokerClosedError:
            raise
        except errors.KeelstepError as error:
            log.warning("sweep_interrupted", execution=key[1], reason=error.reason, message=error.message)
        except Exception as fault:  # noqa: BLE001 outermost: one execution must not end the sweep of all others
            stack = "".join(traceback.format_tb(fault.__traceback__))
            log.error("sweep_failed", execution=key[1], kind=type(fault).__name__, stack=stack)
        finally:
            self._looking.discard(key)

    async def _list(self) -> None:
        """Find every execution on which a gateway's last message ended nothing."""
        while True:
            try:
                async for last in follow.last_writers(self.nc, self.shard, types.Writer.GATEWAY):
                    if (last.tenant, last.xid) not in self._open:
                        self._note(last, 0)
            except errors.BrokerClosedError:
                raise
            except errors.BrokerError as error:
                log.warning("sweep_delayed", why=error.message)
                await asyncio.sleep(_PAUSE_SECONDS)
            else:
                log.info("open_calls_listed", executions=len(self._open))
                return
