"""Does a containerd node come up beside another, survive interruptions, and go away without a trace?"""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from hack.cluster import errors, lifecycle, settings
from hack.cluster.containerd import cgroups, link, namespaces
from tests.integration.cluster.conftest import Kubectl, until
from tests.node import conftest
from tests.node.conftest import SHOWN

KERNEL = [Path("/proc/sys", setting) for setting in namespaces.KERNEL_SETTINGS]
BEFORE = [file.read_text() if file.exists() else "" for file in KERNEL]
"""What this machine had before any node of the test run was started."""


def trace_of(folder: Path) -> list[str]:
    """Everything a node may have left on this machine, in words."""
    left = [f"process {one.pid}" for one in psutil.process_iter() if _belongs(one, folder)]
    if link.exists(folder):
        left.append(f"interface {link.name(folder)}")
    if cgroups.exists(cgroups.name(folder)):
        left.append(f"control group {cgroups.name(folder)}")
    left += [line for line in Path("/proc/self/mounts").read_text().splitlines() if str(folder) in line]
    return left


def _belongs(process: psutil.Process, folder: Path) -> bool:
    """Whether a process names the folder, or lives in its control groups."""
    try:
        groups = Path(f"/proc/{process.pid}/cgroup").read_text()
        return cgroups.name(folder) in groups or str(folder) in " ".join(process.cmdline())
    except (OSError, psutil.Error):
        return False


@pytest.fixture(scope="module")
def beside(configured: settings.Settings, node: lifecycle.Status) -> Iterator[lifecycle.Status]:
    """Give a second cluster with a containerd node, while the first one runs; the last test of it ends it."""
    try:
        up = lifecycle.up(configured, "beside", "containerd", SHOWN)
        conftest.load_probe(configured, up.folder)
        yield up
    finally:
        lifecycle.down(configured, "beside", SHOWN)


def test_what_holds_a_node_together_is_killed_and_up_brings_all_back_with_its_images(
    configured: settings.Settings, beside: lifecycle.Status
) -> None:
    """`kill -9` of one process ends every Pod, mount and interface at once; nothing runs on where nobody sees it."""
    one = Kubectl(program=beside.kubectl, kubeconfig=beside.kubeconfig, namespace="default")
    one.create(conftest.probe("kept", "serve", "again", "8080", restartPolicy="Always"))
    one.do("wait", "--for=condition=Ready", "pod/kept", "--timeout=60s")
    holder = conftest.status_of(configured, "beside")[namespaces.HOLDER]
    assert holder is not None

    os.kill(holder, signal.SIGKILL)

    until(lambda: not link.exists(beside.folder), "the wire has gone")

    def gone() -> set[str]:
        return {part for part, pid in conftest.status_of(configured, "beside").items() if pid is None}

    until(lambda: gone() >= {"node", "containerd", "kubelet", "coredns"}, "no part of it is left")
    again = lifecycle.up(configured, "beside", "containerd", SHOWN)
    assert again.is_healthy
    until(lambda: _restarts(one, "kept") == 1, "the Pod runs again, of the same image")


def test_nodes_stand_side_by_side_and_down_leaves_nothing_of_its_own(
    configured: settings.Settings, node: lifecycle.Status, beside: lifecycle.Status
) -> None:
    """Same names, same bridge, same ports, other addresses; what goes away takes nothing of the other along."""
    one = Kubectl(program=beside.kubectl, kubeconfig=beside.kubeconfig, namespace="default")
    conftest.serve(one, "shop", "beside")
    assert conftest.answer(one, "asks", "get", "http://shop.default.svc.cluster.local/") == "beside"
    assert conftest.address_of(beside) != conftest.address_of(node)
    assert trace_of(beside.folder) != []

    assert lifecycle.down(configured, "beside", SHOWN)

    assert trace_of(beside.folder) == []
    assert not beside.folder.exists()
    assert lifecycle.status(configured, "tests").is_healthy


def test_a_node_changes_no_setting_of_the_machine(
    configured: settings.Settings, node: lifecycle.Status
) -> None:
    """A kubelet that read the machine's own would have written its own over them."""
    assert [file.read_text() for file in KERNEL] == BEFORE
    first = namespaces.find(conftest.records_of(node))
    assert first is not None
    shown = subprocess.run(
        [*namespaces.enter(first), "cat", *map(str, KERNEL)], capture_output=True, text=True, check=True
    )
    assert shown.stdout.split() == list(namespaces.KERNEL_SETTINGS.values())


def test_a_part_that_died_is_started_again_and_pods_run_on(
    configured: settings.Settings, node: lifecycle.Status, kubectl: Kubectl
) -> None:
    """containerd and the kubelet may go and come: a Pod notices neither."""
    kubectl.create(conftest.probe("steady", "serve", "on", "8080", restartPolicy="Always"))
    kubectl.do("wait", "--for=condition=Ready", "pod/steady", "--timeout=60s")
    before = conftest.status_of(configured, "tests")
    for part in ("containerd", "kubelet"):
        pid = before[part]
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
    after = lifecycle.up(configured, "tests", "containerd", SHOWN)
    assert after.is_healthy
    changed = {part.name for part in after.parts if part.pid != before[part.name]}
    assert changed == {"containerd", "kubelet"}
    until(lambda: kubectl.run("logs", "steady").stdout == "serving on\n", "its log is read again")
    assert _restarts(kubectl, "steady") == 0


def test_an_interrupted_up_leaves_nothing_and_can_be_run_again(configured: settings.Settings) -> None:
    """Ctrl-C at any moment; here when the machine's end of the wire is there."""
    folder = configured.clusters / "cut-short"
    command = [sys.executable, "-m", "hack.cluster", "up", "--node", "containerd", "--name", "cut-short"]
    environment = os.environ | {
        "KEELSTEP_STATE": str(configured.state),
        "KEELSTEP_CACHE": str(configured.cache),
    }
    try:
        with subprocess.Popen(
            command, cwd=settings.REPOSITORY, env=environment, stderr=subprocess.PIPE, text=True
        ) as up:
            until(lambda: link.exists(folder) or up.poll() is not None, "its wire is laid")
            up.send_signal(signal.SIGINT)
            assert up.stderr is not None
            said = up.stderr.read()
        assert up.returncode == 130, said
        assert "interrupted" in said
        assert trace_of(folder) == []
        assert lifecycle.up(configured, "cut-short", "containerd", SHOWN).is_healthy
    finally:
        lifecycle.down(configured, "cut-short", SHOWN)
    assert trace_of(folder) == []


def test_another_node_for_a_cluster_that_has_one_is_refused(
    configured: settings.Settings, node: lifecycle.Status
) -> None:
    """Every address would change under programs that know the old ones."""
    with pytest.raises(
        errors.ClusterError, match="has the node `containerd`; end it with `down --name tests`"
    ):
        lifecycle.up(configured, "tests", "process", SHOWN)
    assert lifecycle.status(configured, "tests").is_healthy


def _restarts(kubectl: Kubectl, pod: str) -> int:
    statuses = kubectl.get("pod", pod)["status"].get("containerStatuses", ())
    return sum(int(each["restartCount"]) for each in statuses if each["ready"] or each["restartCount"])
