"""Does `make demo CONTEXT=…` bring a newcomer's cluster to a question they can answer, and `make down` take it away?

On a cluster with a containerd node, known to the demo by nothing but a context of a kubeconfig.
"""

import dataclasses
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from hack.cluster import build, guardian, lifecycle, progress, settings
from hack.cluster import programs as definitions
from hack.cluster.settings import Settings
from hack.local.kubectl import Kubectl
from tests.integration.cluster.conftest import until

CONTEXT, OTHER = "workshop", "payroll"
WIDE = (
    "namespaces,crd,clusterroles,clusterrolebindings,apiservices,validatingadmissionpolicies,"
    "validatingadmissionpolicybindings,priorityclasses,persistentvolumes"
)
"""What is the whole cluster's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Newcomer:
    """Somebody with a cluster and a kubeconfig, which has another context too."""

    configured: Settings
    status: lifecycle.Status
    kubeconfig: Path
    admin: Kubectl
    """kubectl on the cluster itself."""
    before: str
    """What there was before the demo, of all that is the whole cluster's."""

    @property
    def environment(self) -> dict[str, str]:
        """Theirs: kubectl on the PATH, and KUBECONFIG."""
        path = os.pathsep.join((str(self.status.kubectl.parent), os.environ["PATH"]))
        return {
            **os.environ,
            "PATH": path,
            "KUBECONFIG": str(self.kubeconfig),
            "KEELSTEP_STATE": str(self.configured.state),
        }

    def demo(self, *words: str) -> subprocess.CompletedProcess[str]:
        """What the Makefile's line does."""
        return subprocess.run(
            [sys.executable, "-m", "hack.demo", *words],
            cwd=settings.REPOSITORY,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )

    def paste(self, line: str) -> str:
        """A line that was printed for pasting."""
        done = subprocess.run(
            line, shell=True, env=self.environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{line}\n{done.stderr}"
        return done.stdout


@pytest.fixture(scope="module")
def newcomer(tmp_path_factory: pytest.TempPathFactory, node_is_possible: Settings) -> Iterator[Newcomer]:
    """A cluster of their own, and a context that leads nowhere as the current one."""
    configured = dataclasses.replace(node_is_possible, state=tmp_path_factory.mktemp("theirs"))
    shown = progress.Progress()
    build.ensure(configured, definitions.CONTROL_PLANE + definitions.CONTAINERD_NODE, shown)
    up = lifecycle.up(configured, "theirs", "containerd", shown)
    guarded = guardian.Guardian([part.pid for part in up.parts if part.pid])
    try:
        found = yaml.safe_load(up.kubeconfig.read_text())
        [context] = found["contexts"]
        context["name"] = CONTEXT
        elsewhere = {"name": OTHER, "cluster": {"server": "https://127.0.0.1:1"}}
        found["clusters"].append(elsewhere)
        about = {"cluster": OTHER, "user": context["context"]["user"]}
        found["contexts"].append({"name": OTHER, "context": about})
        found["current-context"] = OTHER
        kubeconfig = tmp_path_factory.mktemp("home") / "config"
        kubeconfig.write_text(yaml.safe_dump(found))
        kubeconfig.chmod(0o600)
        admin = Kubectl(binary=up.kubectl, kubeconfig=up.kubeconfig, persona="admin", show=lambda line: None)
        before = admin.run("get", WIDE, "-o", "name")
        yield Newcomer(configured=configured, status=up, kubeconfig=kubeconfig, admin=admin, before=before)
    finally:
        guarded.dismiss()
        lifecycle.down(configured, "theirs", shown)


def test_one_command_leads_to_a_question_that_a_person_answers(newcomer: Newcomer) -> None:
    """What is missing is named first; the lines that it prints do what they say; again, and nothing is done twice."""
    kubeconfig = newcomer.kubeconfig.read_bytes()
    done = newcomer.demo("up", "--context", CONTEXT)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "no default StorageClass" in done.stdout
    assert done.stdout.index("ok   cluster: Kubernetes") < done.stdout.index("refund-approved waits")
    lines = [line.strip() for line in done.stdout.splitlines()]
    (approval,) = [line for line in lines if " patch approvalgate " in line]
    (waiting,) = [line for line in lines if " wait --for=condition=Succeeded " in line]
    (trace,) = [line for line in lines if " get executiontraces " in line]
    assert {f"--context {CONTEXT} " in line for line in (approval, waiting, trace)} == {True}
    newcomer.paste(approval)
    newcomer.paste(waiting)
    assert "refund.issue" in newcomer.paste(trace)
    again = newcomer.demo("up", "--context", CONTEXT)
    assert again.returncode == 0, again.stdout + again.stderr
    assert " patch approvalgate " not in again.stdout
    assert newcomer.kubeconfig.read_bytes() == kubeconfig


def test_a_namespace_of_anothers_is_left_alone(newcomer: Newcomer) -> None:
    """Neither used nor removed: it does not bear the demo's mark."""
    newcomer.admin.run("label", "namespace", "refunds", "keelstep.io/made-by-")
    done = newcomer.demo("up", "--context", CONTEXT)
    assert done.returncode == 1
    assert "has a namespace refunds that `make demo` did not make" in done.stderr
    newcomer.admin.run("label", "namespace", "refunds", "keelstep.io/made-by=demo")


def test_a_context_that_leads_nowhere_is_said(newcomer: Newcomer) -> None:
    """And one that does not exist, with those that do."""
    gone = newcomer.demo("up", "--context", OTHER)
    assert (gone.returncode, "not reached" in gone.stderr) == (1, True), gone.stderr
    unknown = newcomer.demo("up", "--context", "wrokshop")
    assert unknown.returncode == 1
    assert f"there are: {OTHER}, {CONTEXT}" in unknown.stderr


def test_down_takes_all_of_it_away(newcomer: Newcomer) -> None:
    """Programs, kinds, roles, policies, namespaces; a second time there is nothing to do."""
    done = newcomer.demo("down", "--context", CONTEXT)
    assert done.returncode == 0, done.stdout + done.stderr
    # the API server drops what it made of a kind a moment after the kind
    until(
        lambda: newcomer.admin.run("get", WIDE, "-o", "name") == newcomer.before, "nothing of it to be left"
    )
    assert not list((newcomer.configured.state / "demo-contexts").iterdir())
    again = newcomer.demo("down", "--context", CONTEXT)
    assert (again.returncode, "there is no demo here" in again.stdout) == (0, True), again.stderr
