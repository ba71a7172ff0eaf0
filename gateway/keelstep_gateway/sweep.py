"""Does every call end? Open calls whose owner is gone are found here, on ended runs and where no runner waits, too.

Executions a gateway wrote to are remembered until nothing is open on them; at start that is every one there is. Each is
looked at by one task at a time. What to do about each is asked in `takeover`.
"""

import asyncio
import traceback
from dataclasses import dataclass, field

import structlog
from nats.aio.client import Client

from keelstep import errors
from keelstep.events import types
from keelstep.log import follow
from keelstep_gateway.executions import Executions
from keelstep_gateway.takeover import TakeOver

log = structlog.get_logger(__name__)

Key = tuple[str, str]
"""Tenant and xid."""
_PAUSE_SECONDS = 2.0
_AT_ONCE = 8


@dataclass(slots=True, kw_only=True)
class Sweep:
    """Looks for calls nobody owns."""

    nc: Client
    shard: int
    executions: Executions
    takeover: TakeOver
    every_seconds: float
    _open: dict[Key, int] = field(default_factory=dict)
    """Executions where something may be open, with the position of the last thing a gateway wrote."""
    _looking: set[Key] = field(default_factory=set)
    """Those that are being looked at: a call that is taken over may take its time."""
    _turn: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_AT_ONCE))

    def wake(self, tenant: str, xid: str, writer: str, position: int) -> None:
        """Something was stored."""
        hold = self.executions.held(tenant, xid)
        if hold is not None:
            hold.wake()
        if writer == types.Writer.GATEWAY:
            self._open[tenant, xid] = position

    async def run(self) -> None:
        """Sweep now and then; returns only when cancelled.

        Raises:
            ExceptionGroup: of errors.BrokerClosedError, where the connection is closed for good.
        """
        await self._begin()
        async with asyncio.TaskGroup() as group:
            while True:
                for key in [key for key in self._open if key not in self._looking]:
                    self._looking.add(key)
                    group.create_task(self._look(key))
                await asyncio.sleep(self.every_seconds)

    async def _look(self, key: Key) -> None:
        """End what nobody owns on one execution, and forget it once nothing is open."""
        try:
            async with self._turn:
                was_held = self.executions.held(*key) is not None
                position = self._open[key]
                is_open = await self.takeover.sweep(self.executions.hold(*key))
                if not is_open and self._open[key] == position:
                    del self._open[key]
                    if not was_held:
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

    async def _begin(self) -> None:
        """Remember every execution that a gateway ever wrote to."""
        while True:
            try:
                async for last in follow.last_writers(self.nc, self.shard, types.Writer.GATEWAY):
                    self._open.setdefault((last.tenant, last.xid), last.position)
            except errors.BrokerClosedError:
                raise
            except errors.BrokerError as error:
                log.warning("sweep_delayed", why=error.message)
                await asyncio.sleep(_PAUSE_SECONDS)
            else:
                return
