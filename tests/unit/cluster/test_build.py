"""Is a program built once, whole, and with a word about what went wrong? With a stand-in for `go`."""

import os
import threading
from pathlib import Path

import pytest

from hack.cluster import build, errors, progress, settings

GO = """#!/bin/sh
echo "$1" >>"{calls}"
case $1 in
version) echo go version go1.26.0 linux/amd64; exit ;;
list) echo package; exit ;;
esac
while [ "$1" != -o ]; do shift; done
out=$2; shift 2
{trouble}
case $out in
*/) for package; do echo built >"$out${{package##*/}}"; done ;;
*) echo built >"$out" ;;
esac
"""


class Machine:
    """A machine whose Go compiler does what a test wants, and whose calls can be counted."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.configured = settings.read({"HOME": str(folder), "PATH": f"{folder}:{os.environ['PATH']}"})
        self.set_trouble("true")

    def set_trouble(self, shell: str) -> None:
        """Have the compiler run a line of shell before it writes anything."""
        go = self._folder / "go"
        go.write_text(GO.format(calls=self._folder / "calls", trouble=shell))
        go.chmod(0o755)

    def builds(self) -> int:
        """Count how often the compiler built something."""
        return (self._folder / "calls").read_text().splitlines().count("build")


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """Give such a machine."""
    return Machine(tmp_path)


def test_what_is_in_the_cache_is_not_built_again(machine: Machine) -> None:
    """The first call builds each module once; the second only looks."""
    first = build.ensure(machine.configured)
    assert set(first) == {
        *("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubectl"),
    }
    assert all(path.read_text() == "built\n" for path in first.values())
    assert machine.builds() == 2
    assert build.ensure(machine.configured) == first
    assert machine.builds() == 2


def test_of_two_builds_at_once_the_second_waits_and_uses_the_first(machine: Machine) -> None:
    """Two shells that run `up` for the first time do not build twice, nor into each other."""
    results: list[dict[str, Path]] = []
    both = [
        threading.Thread(target=lambda: results.append(build.ensure(machine.configured))) for _ in range(2)
    ]
    for thread in both:
        thread.start()
    for thread in both:
        thread.join(timeout=30)
    assert len(results) == 2
    assert results[0] == results[1]
    assert machine.builds() == 2


def test_a_failed_build_tells_the_compilers_last_words_and_can_be_repeated(
    machine: Machine,
) -> None:
    """Nothing half-built stays behind, and the log is named."""
    machine.set_trouble('echo half >"${out%/}x"; echo no space left; exit 1')
    with pytest.raises(errors.BuildFailed, match=r"(?s)build\.log.*no space left.*GOPROXY"):
        build.ensure(machine.configured, ["etcd"])
    kept = [path.name for path in machine.configured.cache.rglob("*") if path.is_file()]
    assert sorted(kept) == ["build.lock", "build.log"]
    machine.set_trouble("true")
    assert build.ensure(machine.configured, ["etcd"])["etcd"].exists()


def test_litter_of_a_killed_build_is_swept(machine: Machine) -> None:
    """`kill -9` leaves a folder aside; the next build removes it."""
    (built,) = build.ensure(machine.configured, ["etcd"]).values()
    built.unlink()
    litter = built.parent / ".building.old"
    litter.mkdir()
    build.ensure(machine.configured, ["etcd"], progress.quiet())
    assert not litter.exists()
