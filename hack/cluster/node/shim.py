"""How does a container's process start so that its end is known even if the agent dies meanwhile?

A shell of a few lines leads the process group, waits for the command and writes its exit code:

    agent ──► sh (session leader) ──► command and its children
                │ writes pid, later exit; then kills what is left of the group
    agent dies ─┴─► the next agent finds pid and exit in the run's folder

Waiting is done on a pidfd, which works for processes of an earlier agent as well.
"""

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from hack.cluster import processes
from hack.cluster.node import containers

# TERM and its like are caught, not ignored: a caught signal is reset to its default in the command.
_SCRIPT = """
trap : HUP INT QUIT TERM USR1 USR2
run=$1; shift
echo $$ >"$run/pid"
"$@"
echo $? >"$run/exit"
kill -9 0
"""

NOT_FOUND, NOT_EXECUTABLE = 127, 126
KILLED = 128 + signal.SIGKILL


class NotStartable(Exception):
    """The command cannot be started; the message says why."""

    def __init__(self, exit_code: int, message: str) -> None:
        super().__init__(message)
        self.exit_code = exit_code


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """How a run ended."""

    at: float
    exit_code: int | None
    """None where nobody saw the command end: the whole group was killed, or the machine stopped."""


def start(launch: containers.Launch, run: Path) -> processes.Identity:
    """Start a container's command in a session of its own, its output going to `run/log`.

    Raises:
        NotStartable: there is no such program, or it may not be executed.
    """
    program = _find(launch)
    shutil.rmtree(run, ignore_errors=True)
    run.mkdir(parents=True)
    with (run / "log").open("wb") as log:
        started = subprocess.Popen(
            ["/bin/sh", "-c", _SCRIPT, "process-node", str(run), program, *launch.argv[1:]],
            cwd=launch.folder,
            env=dict(launch.environment),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    identity = processes.Identity.of(started.pid)
    assert identity is not None, "a child that nobody waited for keeps its pid"
    # `wait` reaps it by pid, in whichever agent it ends; Popen must not warn about that.
    started.returncode = 0
    return identity


def find(run: Path) -> processes.Identity | None:
    """Find the process of a run from what the shell itself left in the run's folder.

    That works even if the agent died between starting it and recording it.
    """
    try:
        identity = processes.Identity.of(int((run / "pid").read_text()))
        command = Path(f"/proc/{identity.pid}/cmdline").read_bytes() if identity else b""
    except (OSError, ValueError):
        return None
    # The run's folder is an argument of its shell: no other process has it.
    return identity if os.fsencode(run) in command.split(b"\0") else None


def alive(pods: Path) -> list[processes.Identity]:
    """Find everything that runs below a node's folder of Pods, whoever started it."""
    found = [find(pid.parent) for pid in pods.glob("*/containers/*/*/pid")]
    return [identity for identity in found if identity]


async def wait(identity: processes.Identity, run: Path) -> End:
    """Wait until a run has ended and tell how."""
    with contextlib.suppress(ProcessLookupError):
        handle = os.pidfd_open(identity.pid)
        try:
            # The pid may be somebody else's by now; then there is nothing to wait for.
            if identity.is_alive():
                await _readable(handle)
        finally:
            os.close(handle)
    _end_group(identity.pid)
    return read_end(run)


def _end_group(pid: int) -> None:
    """Kill what a killed shell left of its group, then reap the shell.

    In this order: as long as the shell is not reaped, its number cannot be another group's.
    """
    with contextlib.suppress(ChildProcessError, ProcessLookupError):
        if os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT):
            os.killpg(pid, signal.SIGKILL)
            os.waitpid(pid, os.WNOHANG)


def read_end(run: Path) -> End:
    """Read how an ended run ended."""
    exit_file = run / "exit"
    try:
        text, at = exit_file.read_text(), exit_file.stat().st_mtime
    except FileNotFoundError:
        text, at = "", time.time()
    # Without its newline the line was cut off by the shell's own death.
    return End(at=at, exit_code=int(text) if text.endswith("\n") else None)


async def _readable(handle: int) -> None:
    loop = asyncio.get_running_loop()
    ended = loop.create_future()

    def note() -> None:
        if not ended.done():
            ended.set_result(None)

    loop.add_reader(handle, note)
    try:
        await ended
    finally:
        loop.remove_reader(handle)


def _find(launch: containers.Launch) -> str:
    """Look a program up in the container's PATH, not the agent's."""
    name = launch.argv[0]
    if not launch.folder.is_dir():
        raise NotStartable(NOT_FOUND, f"workingDir {launch.folder} does not exist")
    if "/" in name:
        path = launch.folder / name
        if not path.exists():
            raise NotStartable(NOT_FOUND, f"there is no file {name}; this node runs no images")
        if not os.access(path, os.X_OK) or path.is_dir():
            raise NotStartable(NOT_EXECUTABLE, f"{name} is not executable")
        return name
    found = shutil.which(name, path=launch.environment["PATH"])
    if found is None:
        raise NotStartable(NOT_FOUND, f"{name} is not in PATH ({launch.environment['PATH']}); no images here")
    return found
