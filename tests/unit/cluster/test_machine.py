"""Are files, locks, processes, ports and the build's preconditions handled as they claim?"""

import dataclasses
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from hack.cluster import errors, files, preflight, processes, programs, settings, toolchain


def test_settings_follow_the_environment() -> None:
    """Our own variables first, then the XDG folders, then the home folder."""
    assert settings.read({"HOME": "/h"}).cache == Path("/h/.cache/keelstep")
    assert settings.read({"HOME": "/h"}).state == Path("/h/.local/state/keelstep")
    xdg = settings.read({"HOME": "/h", "XDG_CACHE_HOME": "/c", "XDG_STATE_HOME": "/s"})
    assert (xdg.cache, xdg.state) == (Path("/c/keelstep"), Path("/s/keelstep"))
    own = settings.read({"HOME": "/h", "KEELSTEP_CACHE": "/c", "KEELSTEP_STATE": "/s"})
    assert (own.cache, own.clusters) == (Path("/c"), Path("/s/clusters"))


def test_a_build_is_named_by_everything_that_decides_its_bytes(tmp_path: Path) -> None:
    """Another pin, another flag or another compiler is another folder in the cache."""
    for name in ("go.mod", "go.sum"):
        (tmp_path / name).write_text("one")
    module = programs.Module(name="m", folder=tmp_path, packages=(), ldflags="-s")
    digests = {module.digest("go1"), module.digest("go2")}
    digests.add(dataclasses.replace(module, ldflags="-w").digest("go1"))
    (tmp_path / "go.sum").write_text("two")
    digests.add(module.digest("go1"))
    assert len(digests) == 4


def test_a_folder_built_aside_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    """An interruption leaves the old state and no litter."""
    target = tmp_path / "target"

    def interrupted() -> None:
        with files.built_aside(target) as aside:
            (aside / "half").touch()
            raise RuntimeError("interrupted")

    with pytest.raises(RuntimeError):
        interrupted()
    assert list(tmp_path.iterdir()) == []
    with files.built_aside(target) as aside:
        (aside / "whole").touch()
    assert [path.name for path in target.iterdir()] == ["whole"]


def test_a_lock_is_dropped_when_its_holder_is_killed(tmp_path: Path) -> None:
    """The kernel frees it: no stale lock file ever needs a person."""
    path = tmp_path / "lock"
    script = (
        "import pathlib, sys; from hack.cluster import files\n"
        "with files.lock(pathlib.Path(sys.argv[1])):\n print('held', flush=True); sys.stdin.read()"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", script, str(path)],
        cwd=settings.REPOSITORY,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        waited: list[bool] = []

        def kill() -> None:
            waited.append(True)
            holder.kill()

        with files.lock(path, on_wait=kill):
            assert waited == [True]


def test_a_process_is_known_by_more_than_its_pid() -> None:
    """The same pid with another moment of creation is a stranger, and is never signalled."""
    child = subprocess.Popen(["sleep", "600"])
    try:
        identity = processes.Identity.of(child.pid)
        assert identity is not None
        assert identity.is_alive()
        stranger = dataclasses.replace(identity, created="other")
        assert not stranger.is_alive()
        processes.stop([stranger], grace_seconds=0)
        assert child.poll() is None
        processes.stop([identity], grace_seconds=5)
        assert not identity.is_alive()
    finally:
        child.kill()
        child.returncode = 0  # `stop` reaped it already; Popen cannot know.


def test_every_shortage_is_named_at_once(tmp_path: Path) -> None:
    """A person learns of everything that is missing from one message, before any download."""
    configured = settings.read({"HOME": str(tmp_path), "PATH": str(tmp_path)})
    assert toolchain.find(configured) is None
    with pytest.raises(errors.MissingPrerequisite) as told:
        preflight.check_build(configured, None, disk_bytes=2**60, memory_bytes=2**60)
    assert "disk:" in str(told.value)
    assert "memory:" in str(told.value)
    assert "KEELSTEP_CACHE" in str(told.value)


@pytest.mark.parametrize(
    ("version", "is_used"),
    [("go version go1.24.9 linux/amd64", False), ("go version go1.25.0 linux/amd64", True)],
)
def test_an_old_go_is_passed_over(tmp_path: Path, version: str, is_used: bool) -> None:
    """Where the only Go is too old, ours is installed instead."""
    go = tmp_path / "go"
    go.write_text(f"#!/bin/sh\necho {version}\n")
    go.chmod(0o755)
    found = toolchain.find(settings.read({"HOME": str(tmp_path), "PATH": f"{tmp_path}:/bin"}))
    assert (found is not None) == is_used


def test_no_setting_of_a_person_changes_what_is_built(tmp_path: Path) -> None:
    """GOFLAGS, GOARCH and the like are ours; the proxy for modules is theirs."""
    go = tmp_path / "go"
    go.write_text("#!/bin/sh\necho go version go1.25.0 linux/amd64\n")
    go.chmod(0o755)
    given = {"GOFLAGS": "-mod=mod", "GOARCH": "mips", "GOPROXY": "https://proxy.invalid"}
    path = {"HOME": str(tmp_path), "PATH": f"{tmp_path}:/bin"}
    found = toolchain.find(settings.read(given | path))
    assert found is not None
    assert found.environment["GOFLAGS"] == "-mod=readonly -buildvcs=false"
    assert "GOARCH" not in found.environment
    assert found.environment["GOPROXY"] == "https://proxy.invalid"


def test_a_process_is_alive_until_its_last_thread_has_ended() -> None:
    """A killed program's first thread ends before the others, which still hold its ports."""
    script = (
        "import ctypes, sys, threading\n"
        "threading.Thread(target=sys.stdin.read).start()\n"
        "print('two threads', flush=True); ctypes.CDLL(None).pthread_exit(None)"
    )
    program = subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert program.stdout is not None
    program.stdout.readline()
    identity = processes.Identity.of(program.pid)
    assert identity is not None
    status = Path(f"/proc/{program.pid}/status")
    eventually(lambda: "Z (zombie)" in status.read_text())

    assert identity.is_alive()

    program.kill()
    program.communicate()
    assert not identity.is_alive()


def eventually(holds: Callable[[], bool]) -> None:
    """Ask until it holds."""
    deadline = time.monotonic() + 60.0
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)  # between two looks
