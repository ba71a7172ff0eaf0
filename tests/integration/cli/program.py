"""How does a test type a command? As a process of its own; and what did it say?"""

import asyncio
import json
import os
import sysconfig
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PROGRAM = Path(sysconfig.get_path("scripts")) / "keelstep"
DEADLINE_SECONDS = 120.0
_KEPT = ("PATH", "HOME", "LANG", "LC_ALL")


@dataclass(frozen=True, slots=True)
class Said:
    """What a command said."""

    status: int
    stdout: str
    stderr: str

    @property
    def output(self) -> str:
        """What it printed; the test fails here if it did not succeed."""
        assert self.status == 0, f"exit {self.status}: {self.stderr}{self.stdout}"
        return self.stdout

    @property
    def data(self) -> Any:
        """The JSON it printed."""
        return json.loads(self.output)

    @property
    def complaint(self) -> str:
        """The last line of its errors, without the program's name."""
        assert "Traceback" not in self.stderr, self.stderr
        lines = self.stderr.splitlines()
        assert lines, self.stdout
        assert lines[-1].startswith("keelstep: "), self.stderr
        return lines[-1].removeprefix("keelstep: ")

    def refused(self, status: int) -> str:
        """Its one line of complaint, without the program's name; the test fails here on any other exit code."""
        assert self.status == status, f"exit {self.status}: {self.stderr}{self.stdout}"
        lines = self.stderr.splitlines()
        assert len(lines) == 1, self.stderr
        assert lines[0].startswith("keelstep: "), self.stderr
        return lines[0].removeprefix("keelstep: ")


async def start(*words: str, environ: Mapping[str, str] | None = None) -> asyncio.subprocess.Process:
    """Begin a command; its standard streams are pipes, and of this environment it gets what every shell has."""
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    pipe = asyncio.subprocess.PIPE
    return await asyncio.create_subprocess_exec(
        *(str(PROGRAM), *words),
        env={**kept, **(environ or {})},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=pipe,
        stderr=pipe,
    )


async def run(*words: str, environ: Mapping[str, str] | None = None) -> Said:
    """Run a command to its end."""
    return await ended(await start(*words, environ=environ))


async def ended(process: asyncio.subprocess.Process) -> Said:
    """What a command said, once it has ended."""
    async with asyncio.timeout(DEADLINE_SECONDS):
        stdout, stderr = await process.communicate()
    assert process.returncode is not None
    return Said(process.returncode, stdout.decode(), stderr.decode())
