"""Where everything is lost: a broker of the test's own whose disk can be emptied, and a backup of it."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from keelstep.backup import folder as folders
from keelstep.backup import make
from keelstep.backup import restore as restoring
from keelstep.events import clock
from keelstep.log import jetstream, subjects
from keelstep.log.identities import Role
from keelstep.testing.broker import RunningBroker

STREAMS = (subjects.stream(0), subjects.OBJECTS_STREAM, subjects.NAMES_STREAM, subjects.CONTROL_STREAM)


@dataclass(slots=True, kw_only=True)
class Disaster:
    """A broker, and where its backups go."""

    broker: RunningBroker
    folder: Path

    async def backup(self, name: str = "one") -> Path:
        """A backup of everything as it is now."""
        nc, system = await self.broker.connect(Role.BACKUP), await self.broker.connect(Role.SYSTEM)
        keyring = (self.broker.installation.folder / "public" / "keyring.json").read_bytes()
        into = self.folder / name
        await make.backup(nc, system, self.broker.installation.accounts, keyring, into)
        return into

    async def lose(self) -> None:
        """The broker and its whole disk are gone; an empty one takes its place."""
        await self.broker.close()
        await self.broker.kill()
        await asyncio.to_thread(shutil.rmtree, self.broker.installation.folder / "state")
        await self.broker.start()

    async def restore(self, backup: Path) -> restoring.Report:
        """Bring a backup back."""
        async with self.connections() as to:
            return await self.bring_back(to, backup)

    async def bring_back(self, to: restoring.Connections, backup: Path) -> restoring.Report:
        """The same over connections that are there."""
        site = self.broker.installation
        return await restoring.restore(
            to, site.accounts, site.signer(Role.OPERATOR), site.keyring, backup, clock.now()
        )

    @asynccontextmanager
    async def connections(self) -> AsyncIterator[restoring.Connections]:
        """Everybody whom a restore speaks as."""
        made = restoring.Connections(
            backup=await self.broker.connect(Role.BACKUP),
            system=await self.broker.connect(Role.SYSTEM),
            operator=await self.broker.connect(Role.OPERATOR),
        )
        yield made
        for each in (made.backup, made.system, made.operator):
            await each.close()

    async def content(self) -> dict[str, list[jetstream.Message]]:
        """Every message of every stream that is there."""
        nc = await self.broker.connect(Role.OPERATOR)
        found: dict[str, list[jetstream.Message]] = {}
        for stream in STREAMS:
            last = (await info(nc, stream))["state"]["last_seq"]
            messages = [await jetstream.at(nc, stream, position) for position in range(1, last + 1)]
            found[stream] = [each for each in messages if each is not None]
        await nc.close()
        return found


async def info(nc: Any, stream: str) -> dict[str, Any]:
    """What a stream says of itself."""
    return await jetstream.call(nc, f"STREAM.INFO.{stream}", type=dict[str, Any])


def manifest(backup: Path) -> folders.Manifest:
    """A backup's own list."""
    return folders.read(backup)
