"""One peer that runs: a process that is told how many runs to make, and answers how long each step took."""

import asyncio
import contextlib
import json
import os
import tempfile
import urllib.error
import urllib.request
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import msgspec

from hack.cluster import settings
from keelstep.testing import ports
from keelstep.testing.postgres import RunningPostgres

READY_SECONDS = 120.0
ANSWER_SECONDS = 600.0
_MOST_BYTES = 64 * 1024 * 1024
"""Of one answer."""
_PAUSE_SECONDS = 0.1


class Measured(msgspec.Struct, frozen=True):
    """Some runs of so many steps."""

    steps_ms: list[list[float]]
    """For each run the time from each step to the next."""
    seconds: float
    """From the first run's begin to the last one's end."""


@dataclass(slots=True)
class Peer:
    """An engine at work."""

    name: str
    process: asyncio.subprocess.Process

    async def measure(self, runs: int, at_once: int, steps: int) -> Measured:
        """Make some runs.

        Raises:
            AssertionError: it ended.
        """
        order = json.dumps({"runs": runs, "at_once": at_once, "steps": steps}).encode()
        assert self.process.stdin is not None
        self.process.stdin.write(order + b"\n")
        return msgspec.json.decode(await self._line(ANSWER_SECONDS), type=Measured)

    async def is_ready(self) -> None:
        """Return once it waits for orders.

        Raises:
            AssertionError: it ended instead.
        """
        assert await self._line(READY_SECONDS) == b"ready\n"

    async def _line(self, within_seconds: float) -> bytes:
        assert self.process.stdout is not None
        async with asyncio.timeout(within_seconds):
            line = await self.process.stdout.readline()
        assert line, f"{self.name} ended; its log says why"
        return line


@contextlib.asynccontextmanager
async def with_postgres(name: str, program: str, python: Path, folder: Path) -> AsyncIterator[Peer]:
    """A peer that keeps its steps in a Postgres of its own."""
    async with RunningPostgres() as postgres:
        dsn = await postgres.new_database()
        async with _running(name, program, python, folder, dsn) as peer:
            yield peer


@contextlib.asynccontextmanager
async def with_restate(name: str, python: Path, folder: Path, server: Path) -> AsyncIterator[Peer]:
    """Restate: its server with what it comes with, and a service in Python."""
    own, ingress, admin, node = ports.pick(4)
    environment = {
        "PATH": os.environ.get("PATH", ""),
        "HOME": str(folder),
        "RESTATE_BASE_DIR": str(folder / "restate"),
        "RESTATE_NODE_NAME": "bench",
        "RESTATE_BIND_ADDRESS": f"127.0.0.1:{node}",
        "RESTATE_ADVERTISED_ADDRESS": f"http://127.0.0.1:{node}/",
        "RESTATE_INGRESS__BIND_ADDRESS": f"127.0.0.1:{ingress}",
        "RESTATE_ADMIN__BIND_ADDRESS": f"127.0.0.1:{admin}",
        "RESTATE_DISABLE_TELEMETRY": "true",
        "RESTATE_LOG_FILTER": "warn",
    }
    with (folder / "restate-server.log").open("wb") as sink:
        process = await asyncio.create_subprocess_exec(
            str(server), env=environment, cwd=folder, stdout=sink, stderr=sink
        )
    try:
        await _healthy(f"http://127.0.0.1:{admin}/health", process)
        await _healthy(f"http://127.0.0.1:{ingress}/restate/health", process)
        arguments = (str(own), str(ingress), str(admin))
        async with _running(name, "with_restate", python, folder, *arguments) as peer:
            yield peer
    finally:
        await _end(process)


@contextlib.asynccontextmanager
async def _running(
    name: str, program: str, python: Path, folder: Path, *arguments: str
) -> AsyncIterator[Peer]:
    environment = {
        "PATH": os.environ.get("PATH", ""),
        "HOME": str(folder),
        "PYTHONPATH": str(settings.REPOSITORY),
    }
    with (folder / f"{program}.log").open("wb") as sink:
        process = await asyncio.create_subprocess_exec(
            *(str(python), "-m", f"hack.bench.peers.programs.{program}", *arguments),
            env=environment,
            cwd=folder,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=sink,
            limit=_MOST_BYTES,
        )
    try:
        peer = Peer(name, process)
        await peer.is_ready()
        yield peer
    finally:
        await _end(process)


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.terminate()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(10):
                await process.wait()
    if process.returncode is None:
        process.kill()
        await process.wait()


async def _healthy(url: str, process: asyncio.subprocess.Process) -> None:
    def answers() -> bool:
        try:
            with urllib.request.urlopen(url, timeout=2):
                return True
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            return False

    async with asyncio.timeout(READY_SECONDS):
        while not await asyncio.to_thread(answers):
            assert process.returncode is None, "the server ended; its log says why"
            await asyncio.sleep(_PAUSE_SECONDS)


def shares_disk(folder: Path) -> bool:
    """Do the peers' databases, under the system's folder for such things, lie on the disk that is measured?"""
    return Path(tempfile.gettempdir()).stat().st_dev == folder.stat().st_dev
