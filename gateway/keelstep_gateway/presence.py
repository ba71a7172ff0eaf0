"""Who is alive among the gateways, and how do the others see this one?

Every gateway process is a NATS micro service under a name that is new at every start: the owner in the claims it makes.
Whoever finds a claim asks that name; nobody there, or no answer twice, means it is gone (or frozen). Nothing is decided
here about its claims.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

import nats.errors
from nats.aio.client import Client
from nats.micro.service import Service, ServiceConfig, ServiceInfo, ServiceStats

from keelstep.events import clock

NAME = "keelstep-gateway"
_VERSION = "0.1.0"
_PROBES = 2
_PROBE_SECONDS = 1.0
_NOBODY_PAUSE_SECONDS = 0.5
"""A gateway that lost its connection for a moment is not gone."""
_REMEMBER = clock.SECOND


class _Announced(Service):
    """A micro service whose metadata says how far this gateway knows CONTROL."""

    def __init__(self, nc: Client, metadata: dict[str, str], update: Callable[[], None]) -> None:
        config = ServiceConfig(
            name=NAME, version=_VERSION, description="claims, performs, records", metadata=metadata
        )
        super().__init__(nc, config)
        self._update = update

    def info(self) -> ServiceInfo:
        """What the service is."""
        self._update()
        return super().info()

    def stats(self) -> ServiceStats:
        """How the service does."""
        self._update()
        return super().stats()


@dataclass(slots=True)
class Presence:
    """This gateway's own announcement, and probes of others."""

    nc: Client
    describe: Callable[[], dict[str, str]]
    """The metadata as of now: `control` is the position up to which control records are known."""
    _metadata: dict[str, str] = field(default_factory=lambda: {"control": "0"})
    _service: _Announced = field(init=False)
    _probes: dict[str, "asyncio.Task[bool]"] = field(default_factory=dict)
    _seen_at: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._service = _Announced(self.nc, self._metadata, self._update)

    @property
    def owner(self) -> str:
        """This process's name in its claims."""
        return self._service.id

    async def start(self) -> None:
        """Answer to PING, INFO and STATS from now on."""
        self._update()
        await self._service.start()

    async def is_alive(self, owner: str) -> bool:
        """Whether that gateway process answers; asked at most once a second, by all together."""
        if owner == self.owner:
            return True
        if clock.boot() - self._seen_at.get(owner, -_REMEMBER) < _REMEMBER:
            return True
        probe = self._probes.get(owner)
        if probe is None:
            probe = self._probes[owner] = asyncio.create_task(self._probe(owner))
            probe.add_done_callback(lambda _: self._probes.pop(owner, None))
        return await asyncio.shield(probe)

    async def _probe(self, owner: str) -> bool:
        for turn in range(_PROBES):
            try:
                await self.nc.request(f"$SRV.PING.{NAME}.{owner}", timeout=_PROBE_SECONDS)
            except nats.errors.NoRespondersError:
                if turn + 1 < _PROBES:
                    await asyncio.sleep(_NOBODY_PAUSE_SECONDS)
            except nats.errors.TimeoutError:
                continue
            except nats.errors.Error:
                return True  # we cannot ask, so we do not know: its word stays with it
            else:
                self._seen_at[owner] = clock.boot()
                return True
        self._seen_at.pop(owner, None)
        return not self.nc.is_connected

    def _update(self) -> None:
        self._metadata.update(self.describe())
