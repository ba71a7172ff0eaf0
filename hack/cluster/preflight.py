"""Does this machine have what a build needs? Asked before anything is downloaded.

Every shortage is named in one message: nobody fixes one thing only to meet the next.
"""

import importlib.util
import platform
import shutil
from pathlib import Path

import psutil

from hack.cluster import errors, settings, toolchain

BUILD_DISK_BYTES = 6 * 2**30
"""Modules 0.8 GB, compiler cache 3 GB, programs 0.4 GB, and room to breathe."""

BUILD_MEMORY_BYTES = 2 * 2**30
"""The largest package and the linker of kube-apiserver, measured, with a margin."""


def check_build(
    configured: settings.Settings,
    go: toolchain.Toolchain | None,
    *,
    disk_bytes: int = BUILD_DISK_BYTES,
    memory_bytes: int = BUILD_MEMORY_BYTES,
) -> None:
    """Refuse to begin a build that this machine cannot finish.

    Raises:
        MissingPrerequisite: with every shortage in its message.
    """
    shortages = [*_platform(), *_disk(configured, go, disk_bytes), *_memory(memory_bytes)]
    if go is None and importlib.util.find_spec("pip") is None:
        shortages.append(
            f"Go: no go ≥ {'.'.join(map(str, toolchain.OLDEST))} on PATH, and this Python has no "
            "pip to install one with; install Go, or run `python -m ensurepip`"
        )
    if shortages:
        listed = "\n".join(f"  · {shortage}" for shortage in shortages)
        raise errors.MissingPrerequisite(f"building Kubernetes needs what is missing here:\n{listed}")


def _platform() -> list[str]:
    if platform.system() == "Linux":
        return []
    return [f"Linux: this is {platform.system()}; use a Linux machine, VM or container"]


def _disk(configured: settings.Settings, go: toolchain.Toolchain | None, needed: int) -> list[str]:
    folders = {_existing(configured.cache)}
    if go is not None and not go.is_ours:
        # Modules and compiled packages go where the person's own Go keeps them.
        home = Path(go.environment.get("HOME") or Path.home())
        folders.add(_existing(Path(go.environment.get("GOCACHE") or home / ".cache" / "go-build")))
    shortages = {}
    for folder in sorted(folders):
        free = shutil.disk_usage(folder).free
        if free < needed:
            shortages[folder.stat().st_dev] = (
                f"disk: {_gib(needed)} free in {folder}, has {_gib(free)}; "
                "free some, or set KEELSTEP_CACHE to a larger disk"
            )
    return list(shortages.values())


def _memory(needed: int) -> list[str]:
    available = psutil.virtual_memory().available
    if available >= needed:
        return []
    return [f"memory: {_gib(needed)} available, has {_gib(available)}; close something"]


def _existing(folder: Path) -> Path:
    while not folder.exists():
        folder = folder.parent
    return folder


def _gib(count: int) -> str:
    return f"{count / 2**30:.1f} GiB"
