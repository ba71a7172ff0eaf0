"""Which processes did we start, and are they still ours to stop?

A process is known by its pid *and* the moment it was created, so that a pid that the kernel gave
to somebody else is never signalled. Records lie beside the logs, one JSON file per process.
"""

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import NamedTuple

from hack.cluster import files

POLL_SECONDS = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """One process, for ever: no other process has both this pid and this moment of creation."""

    pid: int
    created: str
    """Boot id and clock ticks from boot to creation: unlike a date, they never shift when the
    machine's clock is set."""

    @classmethod
    def of(cls, pid: int) -> "Identity | None":
        """Identify a running process; None if there is none of that pid."""
        stat = _stat(pid)
        return None if stat is None else cls(pid=pid, created=stat.created)

    def is_alive(self) -> bool:
        """Tell whether this very process still runs; a zombie does not, once its last thread has ended."""
        stat = _stat(self.pid)
        if stat is None or stat.created != self.created:
            return False
        # A killed program's first thread is a zombie while others still hold its sockets and files.
        return stat.state not in "ZX" or stat.threads > 1

    def signal(self, number: signal.Signals, *, is_group: bool = False) -> None:
        """Send a signal to this process (or the group it leads) if it still is this process."""
        if self.is_alive():
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, number) if is_group else os.kill(self.pid, number)


class _Stat(NamedTuple):
    state: str
    created: str
    threads: int


def _stat(pid: int) -> _Stat | None:
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The second field is the program's name in parentheses and may itself contain anything.
    fields = text.rpartition(")")[2].split()
    return _Stat(state=fields[0], created=f"{boot}/{fields[19]}", threads=int(fields[17]))


@dataclass(frozen=True, slots=True, kw_only=True)
class Component:
    """A long-running program: how it is started and where it writes."""

    name: str
    argv: Sequence[str]
    log: Path
    environment: Mapping[str, str]
    cwd: Path | None = None


class Records:
    """The processes of one cluster, remembered in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def find(self, name: str) -> Identity | None:
        """Find the process recorded under this name, if it still runs."""
        record = files.read_json(self._folder / f"{name}.json")
        if record is None:
            return None
        identity = Identity(pid=record["pid"], created=record["created"])
        return identity if identity.is_alive() else None

    def start(self, component: Component) -> Identity:
        """Start a program in a session of its own and record it, unless it runs already."""
        running = self.find(component.name)
        if running is not None:
            return running
        component.log.parent.mkdir(parents=True, exist_ok=True)
        with _signals_held(), component.log.open("ab") as log:
            started = subprocess.Popen(
                component.argv,
                env=dict(component.environment),
                cwd=component.cwd,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            identity = Identity.of(started.pid)
            assert identity is not None, "a child that nobody waited for keeps its pid"
            record = {"pid": identity.pid, "created": identity.created, "argv": component.argv}
            files.write_json(self._folder / f"{component.name}.json", record)
        # The child outlives this program on purpose; tell Popen not to warn about it.
        started.returncode = 0
        return identity

    def forget(self, name: str) -> None:
        """Drop the record of a process that has ended."""
        (self._folder / f"{name}.json").unlink(missing_ok=True)


def stop(identities: Iterable[Identity], *, grace_seconds: float, is_group: bool = False) -> None:
    """Ask processes to end, wait for all of them, and kill those that did not in time."""
    waiting = [identity for identity in identities if identity.is_alive()]
    for number, patience in ((signal.SIGTERM, grace_seconds), (signal.SIGKILL, 5.0)):
        for identity in waiting:
            identity.signal(number, is_group=is_group)
        waiting = _still_alive(waiting, patience)


def _still_alive(waiting: list[Identity], patience_seconds: float) -> list[Identity]:
    deadline = time.monotonic() + patience_seconds
    while True:
        for identity in waiting:
            reap(identity.pid)
        waiting = [identity for identity in waiting if identity.is_alive()]
        if not waiting or time.monotonic() > deadline:
            return waiting
        time.sleep(POLL_SECONDS)


def reap(pid: int) -> None:
    """Take the exit status of a child, if it is one and has ended; else do nothing."""
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)


@contextlib.contextmanager
def _signals_held() -> Iterator[None]:
    """Hold back Ctrl-C between starting a process and recording it.

    Handlers and not a signal mask: a child would inherit the mask and never hear SIGTERM.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    held: list[int] = []

    def hold(number: int, frame: FrameType | None) -> None:
        held.append(number)

    before = {number: signal.signal(number, hold) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    for late in held:
        signal.raise_signal(late)
