"""What do images stand on? python:3.13-slim where its registry answers; else the same Python from Debian's archive.

Both are Debian 13 with Python 3.13, so that one lock and one Containerfile serve both. Must not be used for releases
without a registry: those pin the base by its digest.
"""

import shutil
import subprocess
import tempfile
import urllib.error
import urllib.request
from pathlib import Path

from hack.cluster import progress
from hack.images import errors
from hack.images.buildah import Buildah

PUBLISHED = "docker.io/library/python:3.13-slim"
LOCAL = "localhost/keelstep-base:trixie"
REGISTRY = "https://registry-1.docker.io/v2/"
REGISTRY_SECONDS = 5.0

SUITE = "trixie"
PACKAGES = ("python3", "python3-venv", "ca-certificates")
UNNEEDED = (
    "./dev/*",
    "./usr/share/doc/*",
    "./usr/share/info/*",
    "./usr/share/locale/*",
    "./usr/share/man/*",
    "./var/cache/apt/*",
    "./var/lib/apt/lists/*",
    "./var/log/*",
)


def choose(tool: Buildah, wanted: str, shown: progress.Progress) -> str:
    """The base to build on: the one a person names, or `auto` for whatever can be had.

    Raises:
        MissingPrerequisite: neither a registry nor debootstrap is there.
        BuildFailed: the base could not be made.
    """
    if wanted == "auto":
        wanted = PUBLISHED if _answers() else "local"
        if wanted == "local":
            shown.note(f"no registry answers; the base is made from Debian {SUITE} instead of {PUBLISHED}")
    if wanted != "local":
        return wanted
    if not tool.has(LOCAL):
        _make(tool, shown)
    return LOCAL


def _answers() -> bool:
    try:
        with urllib.request.urlopen(REGISTRY, timeout=REGISTRY_SECONDS):
            return True
    except urllib.error.HTTPError:
        return True  # It wants us to log in first: it is there.
    except OSError:
        return False


def _make(tool: Buildah, shown: progress.Progress) -> None:
    program = shutil.which("debootstrap", path="/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin")
    if program is None:
        raise errors.MissingPrerequisite(
            "no registry answers, and a local base needs debootstrap: on Debian and Ubuntu, "
            "`apt-get install debootstrap`; or name a base you have with --base"
        )
    tool.folder.mkdir(parents=True, exist_ok=True)
    with (
        shown.step(f"Making a base image from Debian {SUITE}") as step,
        tempfile.TemporaryDirectory(prefix="base.", dir=tool.folder) as aside,
    ):
        root, layer = Path(aside) / "root", Path(aside) / "layer.tar"
        command = [program, "--variant=minbase", f"--include={','.join(PACKAGES)}", SUITE, str(root)]
        _run(command, step)
        exclude = [f"--exclude={each}" for each in UNNEEDED]
        _run(["tar", "--numeric-owner", *exclude, "-cf", str(layer), "-C", str(root), "."], step)
        container = tool.run("from", "scratch")
        try:
            tool.run("add", container, str(layer), "/")
            tool.run("commit", "--quiet", container, LOCAL)
        finally:
            tool.run("rm", container)


def _run(command: list[str], step: progress.Step) -> None:
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as running:
        assert running.stdout is not None
        last: list[str] = []
        for line in running.stdout:
            last = [*last[-5:], line.strip()]
            step.update(line.strip())
    if running.returncode != 0:
        raise errors.BuildFailed(f"{command[0]} failed:\n" + "\n".join(f"  {line}" for line in last))
