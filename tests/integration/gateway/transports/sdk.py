"""Where do the official SDK's example servers come from? From its own source distribution, unchanged.

Fetched once for the installed version, from the index that pip is set up with, into the cache that clones share.
"""

import asyncio
import contextlib
import importlib.metadata
import os
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from hack.cluster import settings
from keelstep.testing import eventually
from keelstep_gateway.transports.commands import Commands
from keelstep_gateway.transports.commands import load as load_commands

READY_SECONDS = 30.0


def fetch() -> Path:
    """The folder `examples` of the installed version's source."""
    version = importlib.metadata.version("mcp")
    home = settings.read(os.environ).cache / "mcp-sdk"
    found = home / f"mcp-{version}" / "examples"
    if found.is_dir():
        return found
    home.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=home) as folder:
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", ":all:"]
        told = subprocess.run([*pip, "--dest", folder, f"mcp=={version}"], capture_output=True, text=True)
        archives = list(Path(folder).glob("*.tar.gz"))
        assert archives, f"the SDK's source cannot be fetched: {told.stderr[-500:]}"
        with tarfile.open(archives[0]) as archive:
            archive.extractall(folder, filter="data")
        with contextlib.suppress(OSError):  # another run was faster
            (Path(folder) / f"mcp-{version}").rename(home / f"mcp-{version}")
    return found


def allowing(folder: Path, command: Sequence[str], environment: Sequence[str] = ()) -> Commands:
    """A list of commands with one entry, read from a file as a gateway reads it."""
    path = folder / "commands.yaml"
    path.write_text(f"commands: [{{command: {list(command)}, environment: {list(environment)}}}]")
    return load_commands(path)


@contextlib.asynccontextmanager
async def serving(
    examples: Path, folder: Path, arguments: Sequence[str], port: int, **environment: str
) -> AsyncIterator[str]:
    """An example served by HTTP while the context lasts; its address."""
    given = {"PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1", **environment}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", *arguments),
        cwd=examples,
        env={**os.environ, **given},
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:

        async def listens() -> bool:
            assert process.returncode is None, f"{arguments} ended"
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                return False
            writer.close()
            return True

        await eventually.awaited(listens, f"{arguments} listens", within_seconds=READY_SECONDS)
        yield f"http://127.0.0.1:{port}/mcp"
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
