"""Where logs are archived: a broker of the test's own, runs that are over, and an archivist with its own identity."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
from nats.aio.client import Client

from keelstep.archive.retention import Archivist, Report
from keelstep.events import signing
from keelstep.log import jetstream, names, reader, subjects
from keelstep.log.identities import Role
from keelstep.testing.broker import RunningBroker
from tests.integration.views.written import Writers, Written


@dataclass(slots=True, kw_only=True)
class Stage:
    """Everything an archive needs."""

    broker: RunningBroker
    writers: Writers
    client: Client
    """The archivist's own."""
    folder: Path

    @classmethod
    async def of(cls, broker: RunningBroker, folder: Path) -> "Stage":
        """Connected to a broker; archives go to this folder."""
        client = await broker.connect(Role.ARCHIVIST)
        return cls(broker=broker, writers=await Writers.of(broker), client=client, folder=folder)

    def archivist(self, **options: Any) -> Archivist:
        """An archivist that waits for no projector."""
        return Archivist(
            nc=self.client,
            keys=self.keys(),
            folder=self.folder,
            **{"awaits_projector": False, **options},
        )

    def keys(self) -> dict[str, signing.KeyEntry]:
        """The installation's keyring."""
        payload = (self.broker.installation.folder / "public" / "keyring.json").read_bytes()
        return msgspec.json.decode(payload, type=dict[str, signing.KeyEntry])

    async def archive(self, **options: Any) -> list[Report]:
        """Archive everything that may leave, however young."""
        return await self.archivist(**options).run(0)

    async def over(self, tenant: str, name: str, output: str = "{}", *, as_if: str = "released") -> Written:
        """A run that is over, and its Execution deleted, by a person or because its time was up."""
        run = await self.writers.bound(tenant, name)
        await run.start()
        plan = await run.turn(1, "orders.get")
        await run.read_only(plan, 0)
        await run.turn(2)
        await run.finish(output)
        if as_if != "bound":
            await self.names.release(tenant, name, run.xid, "test", is_expired=as_if == "expired")
        return run

    @property
    def names(self) -> names.Names:
        """The register of names, as the operator writes it."""
        return names.Names(self.writers.operator)

    async def in_stream(self, run: Written) -> int:
        """How many messages of a run are in the stream."""
        return len(await reader.StreamReader(self.writers.operator, 0).read(run.tenant, run.xid, 0))

    async def payloads(self, run: Written) -> int:
        """How many payloads of a run are in the store."""
        on = await jetstream.subjects(
            self.writers.operator, subjects.OBJECTS_STREAM, subjects.obj(run.tenant, run.xid, "*")
        )
        return len(on)

    async def purge(self, run: Written, *, keep: int) -> None:
        """Take all but the last messages of a run away, as a purge does that was cut short."""
        body = {"filter": subjects.spine(0, run.tenant, run.xid, "*"), "keep": keep}
        await jetstream.call(self.client, f"STREAM.PURGE.{subjects.stream(0)}", body, type=dict)

    async def state(self, run: Written) -> str:
        """What the run's name says."""
        entry = await self.names.lookup(run.tenant, run.name)
        return entry.record.state if entry is not None and entry.record.xid == run.xid else ""
