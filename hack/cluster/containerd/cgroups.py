"""In which control groups do a node's Pods live, and how are they ended and the groups taken away?

    v1   /sys/fs/cgroup/<controller>/keelstep-<name>/…        one tree per controller
    v2   /sys/fs/cgroup/keelstep-<name>/…                     one tree

Only a group of this very name is touched.
"""

import contextlib
import hashlib
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

MOUNTED = Path("/sys/fs/cgroup")
POLL_SECONDS = 0.02


def name(folder: Path) -> str:
    """The group that holds all others of the node of the cluster in this folder; no other folder has it."""
    return f"keelstep-{folder.name}-{hashlib.sha256(str(folder).encode()).hexdigest()[:8]}"


def create(group: str) -> None:
    """Make the group in every hierarchy: the kubelet demands that it is there, and on v2 has every controller."""
    if _is_unified():
        handed_on = MOUNTED / "cgroup.subtree_control"
        missing = _words(MOUNTED / "cgroup.controllers") - _words(handed_on)
        for controller in sorted(missing):
            # Some cannot be handed on here; the kubelet says so where it needs one.
            with contextlib.suppress(OSError):
                handed_on.write_text(f"+{controller}")
    for tree in _trees(group):
        tree.mkdir(exist_ok=True)


def end(group: str, grace_seconds: float) -> None:
    """Ask every process of the group to end, and kill those that did not in time."""
    for number, patience_seconds in ((signal.SIGTERM, grace_seconds), (signal.SIGKILL, 2.0)):
        for pid in set(_members(group)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
        deadline = time.monotonic() + patience_seconds
        while any(_members(group)) and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)


def remove(group: str, patience_seconds: float = 5.0) -> None:
    """Remove the group and all below it; its processes have ended, or are about to."""
    deadline = time.monotonic() + patience_seconds
    while True:
        left = [tree for tree in _trees(group) if tree.exists() and not _is_removed(tree)]
        if not left or time.monotonic() > deadline:
            return
        time.sleep(POLL_SECONDS)


def exists(group: str) -> bool:
    """Whether anything is left of the group."""
    return any(tree.exists() for tree in _trees(group))


def _trees(group: str) -> list[Path]:
    if _is_unified():
        return [MOUNTED / group]
    if not MOUNTED.is_dir():
        return []
    # `cpu` is often a link to `cpu,cpuacct`: the same tree under two names. `unified` may stand beside the others.
    hierarchies = {each.resolve() for each in MOUNTED.iterdir() if (each / "cgroup.procs").exists()}
    return [hierarchy / group for hierarchy in sorted(hierarchies)]


def _is_unified() -> bool:
    return (MOUNTED / "cgroup.controllers").exists()


def _words(file: Path) -> set[str]:
    return set(file.read_text().split())


def _members(group: str) -> Iterator[int]:
    for tree in _trees(group):
        for folder, _, _ in os.walk(tree):
            try:
                text = (Path(folder) / "cgroup.procs").read_text()
            except OSError:
                continue  # There is none, it was removed while we walked, or it is a threaded group.
            yield from (int(line) for line in text.split() if line != "0")


def _is_removed(tree: Path) -> bool:
    """Remove a tree from its leaves; a group that still holds a dying process refuses."""
    for folder, _, _ in os.walk(tree, topdown=False):
        try:
            os.rmdir(folder)
        except FileNotFoundError:
            continue
        except OSError:
            return False
    return True
