"""How does a test type a command that needs no cluster? As a process of its own; and what did it say?"""

import asyncio
import os
import sysconfig
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

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
    def complaint(self) -> str:
        """The last line of its errors, without the program's name."""
        lines = self.stderr.splitlines()
        assert lines, self.stdout
        assert "Traceback" not in self.stderr, self.stderr
        assert lines[-1].startswith("keelstep: "), self.stderr
        return lines[-1].removeprefix("keelstep: ")


async def keelstep(*arguments: str, environment: Mapping[str, str] | None = None) -> Said:
    """Run `keelstep contract …`."""
    given = {name: os.environ[name] for name in _KEPT if name in os.environ}
    process = await asyncio.create_subprocess_exec(
        *(str(PROGRAM), "contract", *arguments),
        env={**given, **(environment or {})},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(DEADLINE_SECONDS):
        stdout, stderr = await process.communicate()
    assert process.returncode is not None
    return Said(process.returncode, stdout.decode(), stderr.decode())
