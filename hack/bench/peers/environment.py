"""Where are the peers' packages? In a folder of their own under the cache, made at first use; keelstep's stay as they are.

    <cache>/bench-peers/<digest of what is asked for>/venv   Python packages, by hash
                                                     /npm    Restate's server, where Node is there

What cannot be had is named, and whoever needs it is left out.
"""

import hashlib
import shutil
import subprocess
import sys
import venv
from dataclasses import dataclass
from pathlib import Path

from hack.cluster import settings
from hack.cluster.progress import Step

HERE = Path(__file__).parent
REQUIREMENTS, PACKAGES = HERE / "requirements.txt", HERE / "package.json"
INSTALL_SECONDS = 900
_DONE = "done"


class UnavailableError(Exception):
    """A peer's packages cannot be had here; the message says which, and why."""


@dataclass(frozen=True, slots=True)
class Environment:
    """The peers' folder."""

    folder: Path

    @classmethod
    def here(cls) -> "Environment":
        """The folder for what is asked for now; another list of packages is another folder."""
        asked = REQUIREMENTS.read_bytes() + PACKAGES.read_bytes() + sys.version.encode()
        return cls(settings.read().cache / "bench-peers" / hashlib.sha256(asked).hexdigest()[:12])

    def python(self, step: Step) -> Path:
        """The peers' Python.

        Raises:
            UnavailableError: their packages could not be installed.
        """
        folder = self.folder / "venv"
        found = folder / "bin" / "python"
        if not (folder / _DONE).exists():
            step.update("installing the peers' packages, once")
            shutil.rmtree(folder, ignore_errors=True)
            venv.create(folder, with_pip=True)
            quiet = ("--quiet", "--disable-pip-version-check")
            _call(str(found), "-m", "pip", "install", *quiet, "--require-hashes", "-r", str(REQUIREMENTS))
            (folder / _DONE).touch()
        return found

    def restate_server(self, step: Step) -> Path:
        """Restate's server.

        Raises:
            UnavailableError: there is no npm, or it has no server for this machine.
        """
        folder = self.folder / "npm"
        if not (folder / _DONE).exists():
            npm = shutil.which("npm")
            if npm is None:
                raise UnavailableError("Restate's server comes by npm, and npm was not found: install Node")
            step.update("installing Restate's server, once")
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            shutil.copy(PACKAGES, folder)
            _call(npm, "install", "--ignore-scripts", "--no-fund", "--no-audit", "--prefix", str(folder))
            (folder / _DONE).touch()
        found = sorted(folder.glob("node_modules/@restatedev/restate-server-*/bin/restate-server"))
        if not found:
            raise UnavailableError("npm has no Restate server for this machine")
        return found[0]


def _call(*argv: str) -> None:
    try:
        done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=INSTALL_SECONDS)
    except subprocess.TimeoutExpired as error:
        raise UnavailableError(f"{Path(argv[0]).name} did not end within {INSTALL_SECONDS} s") from error
    if done.returncode != 0:
        said = (done.stderr.strip() or done.stdout.strip()).splitlines()
        why = next(
            (line for line in said if "error" in line.lower()), said[-1] if said else "no reason given"
        )
        raise UnavailableError(f"{Path(argv[0]).name} could not install what the peers need: {why[:300]}")
