"""Where the projector is played: a log that everybody wrote to, a database of its own, the program or its loop."""

import asyncio
import base64
import contextlib
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
from nats.aio.client import Client

from keelstep.events import clock, signing
from keelstep.events.frame import Stored
from keelstep.log import identities, subjects, tokens
from keelstep.log.identities import Role
from keelstep.log.tokens import Credentials, Key
from keelstep.store import ledger, migrate, postgres
from keelstep.store.projector import Advance, Projector
from keelstep.testing import builders, eventually
from keelstep.testing.broker import RunningBroker
from keelstep.testing.builders import LogBuilder

TABLES = {
    "messages": "SELECT * FROM spine.messages ORDER BY shard, position",
    "undecidable": "SELECT * FROM spine.undecidable ORDER BY shard, tenant, execution",
    "lines": "SELECT * FROM traces.lines ORDER BY trace_id, shard, position, part",
    "executions": "SELECT * FROM gold.executions ORDER BY tenant, execution_id",
    "progress": "SELECT * FROM spine.progress ORDER BY shard",
}
"""Every table, in an order that is the same each time."""

Rows = list[tuple[Any, ...]]


@dataclass(slots=True)
class Stage:
    """A broker, a database, and one connection to each."""

    broker: RunningBroker
    dsn: str
    scribe: Client
    """May write as anybody."""
    nc: Client
    """The projector's own identity."""
    connection: postgres.Connection
    folder: Path
    processes: list[asyncio.subprocess.Process] = field(default_factory=list)

    async def play(self, *logs: LogBuilder) -> None:
        """Store what these logs hold and the stream does not, one log after the other."""
        await self.store((log, stored) for log in logs for stored in log.messages)
        for log in logs:
            log.messages.clear()

    async def play_interleaved(self, *logs: LogBuilder) -> None:
        """Store what these logs hold, one message of each in turn."""
        waiting = [(log, list(log.messages)) for log in logs]
        longest = max(len(messages) for _, messages in waiting)
        await self.store(
            (log, messages[place])
            for place in range(longest)
            for log, messages in waiting
            if place < len(messages)
        )
        for log in logs:
            log.messages.clear()

    async def store(self, messages: Iterable[tuple[LogBuilder, Stored]]) -> None:
        """Publish messages as their writers, and wait until the stream has them all."""
        before = await self.last()
        number = 0
        for log, stored in messages:
            subject = subjects.spine(log.shard, log.tenant, log.xid, stored.writer)
            headers = {signing.HEADER: stored.signature} if stored.signature else None
            await self.scribe.publish(subject, stored.payload, headers=headers)
            number += 1
            if number % 500 == 0:
                await self.scribe.flush()
        await self.scribe.flush()

        async def arrived() -> bool:
            return await self.last() == before + number

        await eventually.awaited(arrived, f"{number} messages stored", within_seconds=120)

    async def last(self) -> int:
        """The stream's last sequence."""
        reply = await self.nc.request("$JS.API.STREAM.INFO.SPINE-0", b"", timeout=60)
        return int(msgspec.json.decode(reply.data)["state"]["last_seq"])

    def projector(self, **options: Any) -> Projector:
        """The projector's loop, in this process."""
        return Projector(nc=self.nc, dsn=self.dsn, keyring=builders.KEYRING, **options)

    async def project(self, **options: Any) -> list[Advance]:
        """Project until no message waits; what each transaction brought."""
        advances: list[Advance] = []
        async with asyncio.timeout(300):
            await self.projector(on_advance=advances.append, **options).run(until_caught_up=True)
        return advances

    @contextlib.asynccontextmanager
    async def projecting(self, **options: Any) -> AsyncIterator["asyncio.Task[None]"]:
        """A projector that runs while the context lasts."""
        task = asyncio.create_task(self.projector(**options).run())
        try:
            yield task
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def position(self) -> int:
        """How far the tables are."""
        progress = await ledger.progress(self.connection, 0)
        return progress.position if progress is not None else 0

    async def reached(self, position: int) -> None:
        """Wait until the tables are that far."""

        async def there() -> bool:
            return await self.position() >= position

        await eventually.awaited(there, f"position {position}", within_seconds=60)

    async def caught_up(self) -> None:
        """Wait until the tables hold every message."""
        await self.reached(await self.last())

    async def tables(self) -> dict[str, Rows]:
        """Every row of every table."""
        return {
            name: [tuple(row) for row in await self.connection.fetch(sql)] for name, sql in TABLES.items()
        }

    async def fetch(self, sql: str, *arguments: Any) -> Rows:
        """The rows of a query."""
        return [tuple(row) for row in await self.connection.fetch(sql, *arguments)]

    def environment(self) -> dict[str, str]:
        """What the program is started with."""
        keyring = self.folder / "keyring.json"
        keyring.write_bytes(_keyring())
        return {
            "KEELSTEP_NATS_URL": self.broker.url,
            "KEELSTEP_NATS_CREDENTIALS": str(self.broker.installation.credentials_file(Role.PROJECTOR)),
            "KEELSTEP_KEYRING": str(keyring),
            "KEELSTEP_POSTGRES_DSN": self.dsn,
        }

    async def start(self, **environ: str) -> "Program":
        """The program as a process; killed at the end where it still runs."""
        output = self.folder / f"projector-{len(self.processes)}.log"
        with output.open("wb") as file:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "keelstep.store.main"),
                env={**os.environ, **self.environment(), **environ},
                stderr=file,
            )
        self.processes.append(process)
        return Program(process, output)


@dataclass(slots=True)
class Program:
    """A projector process and what it said."""

    process: asyncio.subprocess.Process
    output: Path

    async def ended(self) -> int:
        """Its exit code."""
        async with asyncio.timeout(60):
            return await self.process.wait()

    async def terminate(self) -> int:
        """End it as Kubernetes would; its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return await self.ended()

    def said(self, event: str) -> list[dict[str, Any]]:
        """Its log lines of this event."""
        lines = [json.loads(line) for line in self.output.read_text().splitlines() if line.startswith("{")]
        return [line for line in lines if line["event"] == event]


def scribe(broker: RunningBroker) -> Credentials:
    """An identity that may write as anybody: no program has it, it is minted from the offline key."""
    key = Key.generate("user")
    issuer = Key.parse((broker.installation.folder / "offline" / "core.nk").read_text())
    claims: tokens.Claims = {
        "name": "scribe",
        "sub": key.public,
        "iat": clock.now() // clock.SECOND,
        "nats": {
            "type": "user",
            "version": 2,
            "issuer_account": broker.installation.accounts.core,
            "pub": {"allow": [">"]},
            "sub": {"allow": [">"]},
            "subs": -1,
            "data": -1,
            "payload": -1,
        },
    }
    return Credentials(tokens.mint(claims, issuer), key.seed, key.public)


def _keyring() -> bytes:
    ring = builders.KEYRING
    entries = {
        kid: {"writer": ring.writers[kid].value, "public_key": base64.b64encode(bytes(key)).decode()}
        for kid, key in ring.keys.items()
    }
    return msgspec.json.encode(entries)


@contextlib.asynccontextmanager
async def staged(
    broker: RunningBroker, dsn: str, folder: Path, logs: Sequence[LogBuilder] = ()
) -> AsyncIterator[Stage]:
    """A stage, with its database migrated; its processes end with it."""
    async with postgres.connected(dsn, "migrate") as first:
        await migrate.migrate(first)
    # made after the migration, so that it finds what everybody finds
    connection = await postgres.connect(dsn, "test")
    try:
        stage = Stage(
            broker=broker,
            dsn=dsn,
            scribe=await broker.connect_as(scribe(broker), "_INBOX.scribe"),
            nc=await broker.connect_as(
                broker.installation.credentials(Role.PROJECTOR), identities.inbox(Role.PROJECTOR)
            ),
            connection=connection,
            folder=folder,
        )
        await stage.play(*logs)
        try:
            yield stage
        finally:
            for process in stage.processes:
                if process.returncode is None:
                    process.kill()
                    await process.wait()
    finally:
        await connection.close()
