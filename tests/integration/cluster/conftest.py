"""Which clusters do these tests run against? Real ones, in a state folder of the test run's own."""

import dataclasses
import json
import os
import signal
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from hack.cluster import guardian, lifecycle, progress, settings
from hack.cluster.testing import programs

__all__ = ["cluster", "configured", "kubectl", "programs"]

DEADLINE_SECONDS = 60.0


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Kubectl:
    """The kubectl of a cluster, in one namespace, as one user."""

    program: Path
    kubeconfig: Path
    namespace: str

    def run(self, *words: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        """Run kubectl and give whatever it answers."""
        command = [str(self.program), "--kubeconfig", str(self.kubeconfig)]
        return subprocess.run(
            [*command, "--namespace", self.namespace, *words],
            input=stdin,
            capture_output=True,
            text=True,
            timeout=2 * DEADLINE_SECONDS,
            check=False,
        )

    def do(self, *words: str, stdin: str | None = None) -> str:
        """Run kubectl and give its output; any error fails the test."""
        done = self.run(*words, stdin=stdin)
        assert done.returncode == 0, f"kubectl {' '.join(words)}: {done.stderr}"
        return done.stdout

    def create(self, manifest: Mapping[str, Any]) -> None:
        """Create an object."""
        self.do("create", "-f", "-", stdin=json.dumps(manifest))

    def get(self, kind: str, name: str) -> dict[str, Any]:
        """Read an object."""
        found: dict[str, Any] = json.loads(self.do("get", kind, name, "-o", "json"))
        return found

    def wait_phase(self, name: str, phase: str) -> dict[str, Any]:
        """Wait until a Pod is in a phase, and read it."""
        wanted = f"jsonpath={{.status.phase}}={phase}"
        timeout = f"--timeout={DEADLINE_SECONDS:.0f}s"
        done = self.run("wait", f"--for={wanted}", f"pod/{name}", timeout)
        pod = self.get("pod", name)
        assert done.returncode == 0, f"Pod {name} is not {phase}: {pod['status']}"
        return pod


def pod(name: str, *command: str, **spec: Any) -> dict[str, Any]:
    """Build a Pod of one container that runs a command once."""
    container = {"name": "main", "image": "none", "command": list(command)}
    container |= spec.pop("container", {})
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, **spec.pop("metadata", {})},
        "spec": {"restartPolicy": "Never", "containers": [container], **spec},
    }


def until(is_true: Callable[[], object], what: str) -> None:
    """Wait until something is true, or fail saying what never was."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not is_true():
        assert time.monotonic() < deadline, f"it never happened: {what}"
        # A pause between two looks, not a guess at how long something takes.
        time.sleep(0.05)


@pytest.fixture(scope="session")
def configured(programs: Mapping[str, Path], tmp_path_factory: pytest.TempPathFactory) -> settings.Settings:
    """Give settings whose clusters live in the test run's own folder; programs are shared."""
    # Depends on `programs` so that a first build happens here, where its progress is shown.
    assert programs
    return dataclasses.replace(settings.read(), state=tmp_path_factory.mktemp("state"))


@pytest.fixture(scope="package")
def cluster(configured: settings.Settings) -> Iterator[lifecycle.Status]:
    """Give a cluster with the process node."""
    shown = progress.quiet()
    up = lifecycle.up(configured, "tests", "process", shown)
    guarded = guardian.Guardian([part.pid for part in up.parts if part.pid])
    yield up
    guarded.dismiss()
    lifecycle.down(configured, "tests", shown)


@pytest.fixture
def kubectl(cluster: lifecycle.Status) -> Iterator[Kubectl]:
    """Give kubectl in a namespace of this test's own."""
    namespace = f"t-{uuid.uuid4().hex[:8]}"
    one = Kubectl(program=cluster.kubectl, kubeconfig=cluster.kubeconfig, namespace=namespace)
    one.do("create", "namespace", namespace)
    until(lambda: one.run("get", "sa", "default").returncode == 0, "a default service account")
    yield one
    one.do("delete", "pods", "--all", "--now", "--wait=false")
    one.do("delete", "namespace", namespace, "--wait=false")


def kill_agent(cluster: lifecycle.Status) -> int:
    """Kill the node agent without warning; give the pid it had."""
    pid = next(part.pid for part in cluster.parts if part.name == "process node")
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    return pid
