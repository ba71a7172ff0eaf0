"""How does a test get a real broker? A nats-server of its own, with an installation, on a port that was free.

Nothing here imitates the server; `kill` and `restart` do to it what happens to servers. Several servers are in `cluster`.
"""

from dataclasses import dataclass, field
from types import TracebackType

from keelstep.log import installation, streams
from keelstep.log.identities import Role
from keelstep.testing import natsserver
from keelstep.testing.clients import Clients


@dataclass(slots=True)
class RunningBroker(Clients):
    """A nats-server in a folder; an async context manager that starts and stops it and closes connections it made."""

    _server: natsserver.Process = field(init=False)

    def __post_init__(self) -> None:
        self.installation = installation.create(self.folder / "installation", port=-1)
        self._server = natsserver.Process(self.installation.server_configuration, self.folder)

    @property
    def port(self) -> int:
        """Where it listens; the same after a restart."""
        return self._server.port

    @property
    def url(self) -> str:
        """Where clients connect; the same after a restart."""
        return f"nats://127.0.0.1:{self.port}"

    async def __aenter__(self) -> "RunningBroker":
        await self.start()
        admin = await self.connect(Role.OPERATOR)
        await streams.ensure(admin)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()
        await self.stop()

    async def start(self) -> None:
        """Start the server and wait until it listens."""
        await self._server.start()

    async def stop(self) -> None:
        """End the server as an administrator would."""
        await self._server.stop()

    async def kill(self) -> None:
        """End the server without a chance to tidy up."""
        await self._server.kill()

    async def restart(self, *, kill: bool = False) -> None:
        """End the server and start it again on the same port."""
        await (self.kill() if kill else self.stop())
        await self.start()

    def freeze(self) -> None:
        """Stop the server's clock for it: connections stay open and nothing answers."""
        self._server.freeze()

    def thaw(self) -> None:
        """Let a frozen server go on."""
        self._server.thaw()
