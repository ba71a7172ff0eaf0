"""Does a cluster come up, mend itself, stand beside others and go away without a trace?"""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from hack.cluster import (
    build,
    components,
    controlplane,
    errors,
    files,
    lifecycle,
    processes,
    progress,
    settings,
)
from tests.integration.cluster import conftest

SHOWN = progress.quiet()


def command_line(configured: settings.Settings, home: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run the command line as a person would, with a HOME of its own."""
    environment = os.environ | {
        "KEELSTEP_CACHE": str(configured.cache),
        "KEELSTEP_STATE": str(configured.state),
        "HOME": str(home),
    }
    return subprocess.run(
        [sys.executable, "-m", "hack.cluster", *words],
        cwd=settings.REPOSITORY,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def pids(status: lifecycle.Status) -> dict[str, int | None]:
    """Give each part's pid."""
    return {part.name: part.pid for part in status.parts}


def test_a_second_up_keeps_everything_that_runs(
    configured: settings.Settings, cluster: lifecycle.Status
) -> None:
    """`up` is idempotent: the same processes, the same ports, the same certificates."""
    before = lifecycle.status(configured, "tests")
    again = lifecycle.up(configured, "tests", "process", SHOWN)
    assert pids(again) == pids(before)
    assert again.server == before.server
    assert again.is_healthy


def test_up_restarts_a_part_that_died_with_the_same_data(
    configured: settings.Settings, cluster: lifecycle.Status, kubectl: conftest.Kubectl
) -> None:
    """What died comes back on the same ports; what lived is left alone; nothing is lost."""
    kubectl.do("create", "configmap", "kept", "--from-literal=a=b")
    before = pids(lifecycle.status(configured, "tests"))
    victim = before["kube-scheduler"]
    assert victim is not None
    os.kill(victim, signal.SIGKILL)
    after = lifecycle.up(configured, "tests", "process", SHOWN)
    changed = {name for name, pid in pids(after).items() if pid != before[name]}
    assert changed == {"kube-scheduler"}
    assert after.is_healthy
    assert kubectl.get("configmap", "kept")["data"] == {"a": "b"}


@pytest.fixture
def beside(configured: settings.Settings, tmp_path: Path) -> Iterator[lifecycle.Status]:
    """Give a second cluster, brought up from the command line with an empty home."""
    try:
        up = command_line(configured, tmp_path, "up", "--name", "beside")
        assert up.returncode == 0, up.stderr
        status = lifecycle.status(configured, "beside")
        assert up.stdout == f"export KUBECONFIG={status.kubeconfig}\n"
        yield status
    finally:
        lifecycle.down(configured, "beside", SHOWN)


def test_clusters_stand_side_by_side_and_down_ends_only_its_own(
    configured: settings.Settings,
    cluster: lifecycle.Status,
    beside: lifecycle.Status,
    tmp_path: Path,
) -> None:
    """A second cluster shares nothing with the first, and leaves no process and no file behind.

    Even the processes of Pods whose node agent was killed are ended, and `~/.kube/config` is
    neither read nor written.
    """
    told = command_line(configured, tmp_path, "status", "--name", "beside", "--output", "json")
    assert told.returncode == 0, told.stderr
    ports = {part["port"] for part in json.loads(told.stdout)["parts"]}
    assert ports.isdisjoint(part.port for part in cluster.parts)

    one = conftest.Kubectl(program=beside.kubectl, kubeconfig=beside.kubeconfig, namespace="default")
    marker = tmp_path / "pid"
    one.create(conftest.pod("orphan", "sh", "-c", f"echo $$$$ >{marker}; exec sleep 600"))
    conftest.until(lambda: marker.exists() and marker.read_text().strip(), "the Pod runs")
    orphan = processes.Identity.of(int(marker.read_text()))
    assert orphan is not None
    own = [processes.Identity.of(part.pid) for part in beside.parts if part.pid]
    assert len(own) == 5
    conftest.kill_agent(beside)

    down = command_line(configured, tmp_path, "down", "--name", "beside")
    assert down.returncode == 0, down.stderr
    assert not orphan.is_alive()
    assert [one for one in own if one and one.is_alive()] == []
    assert not beside.folder.exists()
    assert not (tmp_path / ".kube").exists()
    assert lifecycle.status(configured, "tests").is_healthy


def test_kept_data_is_there_after_the_next_up_even_on_other_ports(
    configured: settings.Settings,
) -> None:
    """`down --keep-data` ends the processes and keeps what was stored.

    Ports are remembered too, but a stranger on one of them does not keep a cluster from starting.
    """
    first = lifecycle.up(configured, "kept", "none", SHOWN)
    try:
        one = conftest.Kubectl(program=first.kubectl, kubeconfig=first.kubeconfig, namespace="default")
        one.do("create", "configmap", "kept", "--from-literal=a=b")
        assert lifecycle.down(configured, "kept", SHOWN, keep_data=True)
        assert not any(part.pid for part in lifecycle.status(configured, "kept").parts)
        taken = next(part.port for part in first.parts if part.name == "kube-apiserver")
        with socket.socket() as stranger:
            stranger.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            stranger.bind(("127.0.0.1", taken))
            stranger.listen()
            second = lifecycle.up(configured, "kept", "none", SHOWN)
        assert second.is_healthy
        assert second.server != first.server
        assert one.get("configmap", "kept")["data"] == {"a": "b"}
    finally:
        lifecycle.down(configured, "kept", SHOWN)


def test_a_first_start_that_was_cut_short_is_begun_again(tmp_path: Path) -> None:
    """Ctrl-C while etcd founds its cluster: such an etcd never elects a leader, and nothing was in it yet."""
    programs = build.ensure(settings.read(), shown=SHOWN)
    folder, names = tmp_path / "cut-short", components.CONTROL_PLANE[:2]
    plane = controlplane.ControlPlane(controlplane.prepare(folder, programs, is_durable=True), names)
    etcd = plane.records.start(
        processes.Component(
            name="etcd",
            argv=components.build_argv("etcd", plane.plan),
            log=tmp_path / "etcd.log",
            environment={"PATH": "/usr/bin:/bin"},
        )
    )
    deadline = time.monotonic() + 30
    while not list(folder.glob("etcd/member/wal/*.wal")):
        assert time.monotonic() < deadline, "etcd founds its cluster"
    processes.stop([etcd], grace_seconds=0)

    again = controlplane.start(folder, programs, names=names, is_durable=True)

    assert all(is_healthy for _, is_healthy in again.health().values())
    again.stop()


def test_down_never_signals_a_process_that_took_over_a_recorded_pid(
    configured: settings.Settings,
) -> None:
    """A pid alone says nothing: who has it now may be a stranger."""
    stranger = subprocess.Popen(["sleep", "600"])
    try:
        folder = configured.clusters / "stale"
        ports = dict.fromkeys(("etcd", "kube-apiserver", "kubelet"), 1)
        files.write_json(folder / "ports.json", ports)
        record = {"pid": stranger.pid, "created": "another boot/1"}
        files.write_json(folder / "processes" / "etcd.json", record)
        assert lifecycle.down(configured, "stale", SHOWN)
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_a_wrong_name_is_told_in_words(configured: settings.Settings, tmp_path: Path) -> None:
    """A mistake ends in a sentence and exit code 1, never in a stack trace."""
    for words, reason in (
        (("status", "--name", "nowhere"), "there is no cluster 'nowhere' here"),
        (("up", "--name", "../escape"), "is no cluster name"),
    ):
        done = command_line(configured, tmp_path, *words)
        assert done.returncode == 1
        assert reason in done.stderr
        assert "Traceback" not in done.stderr
    done = command_line(configured, tmp_path, "down", "--name", "nowhere")
    assert (done.returncode, "nothing to stop" in done.stderr) == (0, True)


def test_a_component_that_cannot_start_is_named_with_its_log(
    configured: settings.Settings, programs: dict[str, Path]
) -> None:
    """A failed start names the component, shows the end of its log, and leaves nothing running."""
    folder = configured.clusters / "broken"
    (folder / "etcd").mkdir(parents=True)
    (folder / "etcd" / "member").write_text("not a folder")
    (folder / "has-started").touch()  # so it is no first start, whose etcd would be founded anew
    with pytest.raises(errors.StartFailed, match=r"etcd ended while starting"):
        lifecycle.up(configured, "broken", "none", SHOWN)
    assert not any(part.pid for part in lifecycle.status(configured, "broken").parts)
    lifecycle.down(configured, "broken", SHOWN)
