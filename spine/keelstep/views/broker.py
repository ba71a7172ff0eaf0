"""How does the server hold its connection to the broker? It serves without one, and says so.

Discovery and readiness must not depend on the broker: a group that cannot be discovered holds up the deletion of every
namespace of the cluster. So the connection is made beside the serving, for ever.
"""

import asyncio
from dataclasses import dataclass, field

import structlog
from nats.aio.client import Client

from keelstep import errors
from keelstep.log import connection, identities
from keelstep.log.identities import Role
from keelstep.views.settings import Settings

log = structlog.get_logger(__name__)

_PAUSE_SECONDS = 1.0


@dataclass(slots=True)
class Link:
    """The connection, once there is one. `run` until cancelled."""

    settings: Settings
    _client: Client | None = None
    _why: str = "not connected yet"
    _closed: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def is_connected(self) -> bool:
        """True where there is a connection at this moment."""
        return self._client is not None and self._client.is_connected

    def client(self) -> Client:
        """The connection.

        Raises:
            errors.BrokerUnavailableError: there is none at this moment.
        """
        if self._client is None or not self._client.is_connected:
            why = self._why if self._client is None else "the connection was lost"
            raise errors.BrokerUnavailableError(f"the broker that holds the log is away: {why}")
        return self._client

    async def run(self) -> None:
        """Connect, and again whenever the connection is closed for good."""
        while True:
            self._closed.clear()
            try:
                self._client = await connection.connect(
                    self.settings.nats_url,
                    self.settings.nats_credentials,
                    "views",
                    inbox_prefix=identities.inbox(Role.READER),
                    tls_ca=self.settings.nats_ca_file,
                    on_closed=self._on_closed,
                )
            except (errors.KeelstepError, OSError, ValueError) as error:
                self._why = str(error)
                log.warning("broker_not_reached", why=self._why)
                await asyncio.sleep(_PAUSE_SECONDS)
                continue
            log.info("broker_reached")
            try:
                await self._closed.wait()
            finally:
                client, self._client = self._client, None
                await client.close()
            log.error("broker_connection_closed")
            await asyncio.sleep(_PAUSE_SECONDS)

    async def _on_closed(self) -> None:
        self._closed.set()
