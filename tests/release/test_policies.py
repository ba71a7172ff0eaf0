"""Do the chart's NetworkPolicies leave open what the installation needs, and nothing else, where they are enforced?

kind, and most clusters in the world, enforce them: a way that is missing is an installation that never comes up.
"""

import dataclasses
import json
from collections.abc import Iterator

import pytest

from hack import release
from hack.cluster import controlplane, progress, settings
from hack.release import NOW, SYSTEM, TENANT, Scene
from tests.release import enforcing
from tests.release.enforcing import Enforcer

DONE = ("Succeeded", "Failed", "Cancelled", "Killed")
TRY = """
import socket, sys
for target in sys.argv[1:]:
    host, port = target.rsplit(":", 1)
    try:
        socket.create_connection((host, int(port)), timeout=4).close()
        print(target)
    except OSError:
        pass
"""
"""Prints what can be connected to; four seconds are three SYNs."""
BROKER, MONITOR = f"keelstep-nats.{SYSTEM}.svc:4222", f"keelstep-nats.{SYSTEM}.svc:8222"
DATABASE, VIEWS = f"keelstep-postgres.{SYSTEM}.svc:5432", f"keelstep-views.{SYSTEM}.svc:443"
SHOP = f"shop.{TENANT}.svc:8080"
API = "kubernetes.default.svc:443"
EVERYTHING = (BROKER, DATABASE, VIEWS, SHOP, API)
RUNNER = {"keelstep.io/component": "runner"}
WAYS: dict[str, tuple[str, dict[str, str], set[str]]] = {
    "anybody": (TENANT, {}, {VIEWS, SHOP, API}),
    "a runner": (TENANT, RUNNER, {BROKER}),
    "a runner's label elsewhere": ("default", RUNNER, {VIEWS, SHOP, API}),
    "an operator's label elsewhere": (
        "default",
        {"app.kubernetes.io/name": "keelstep-operator"},
        {VIEWS, SHOP, API},
    ),
}
"""Where a Pod is, what it bears, and all that it can connect to."""


@pytest.fixture(scope="module")
def enforced(
    tmp_path_factory: pytest.TempPathFactory, node_is_possible: settings.Settings
) -> Iterator[tuple[Scene, Enforcer]]:
    """A cluster whose policies hold, before anything is installed."""
    configured = dataclasses.replace(node_is_possible, state=tmp_path_factory.mktemp("state"))
    folder, shown = tmp_path_factory.mktemp("policies"), progress.Progress()
    archives = release.images(settings.REPOSITORY, folder / "images", NOW, shown)
    with release.staged(configured, folder, archives, shown) as scene, enforcing.enforced(scene) as enforcer:
        scene.helm.run("install", "keelstep-crds", str(scene.chart("keelstep-crds", NOW)), "-n", SYSTEM)
        scene.install_example(NOW)
        scene.install(NOW, *_places(scene), "--set", "archive.enabled=true,archive.size=1Gi")
        yield scene, enforcer


def _places(scene: Scene) -> Iterator[str]:
    """What no selector can say: on this node CoreDNS is no Pod, and the API server has a port of its own."""
    plane = controlplane.find(scene.status.folder)
    assert plane is not None
    dns = [{"ipBlock": {"cidr": f"{plane.plan.network.node}/32"}}]
    server = {"cidrs": [f"{plane.plan.network.server}/32"], "ports": [plane.plan.ports["kube-apiserver"]]}
    yield from ("--set-json", f"networkPolicies.dnsPeers={json.dumps(dns)}")
    yield from ("--set-json", f"networkPolicies.apiServer={json.dumps(server)}")


def test_an_installation_works_where_policies_hold(enforced: tuple[Scene, Enforcer]) -> None:
    """A run ends well, a person is asked and answers, one refund is booked; views, `helm test` and the Jobs work."""
    scene, _ = enforced
    assert scene.until_phase("small-claim", *DONE)["phase"] == "Succeeded"
    scene.approve(scene.until_gate("refund-approved"))
    assert scene.until_phase("refund-approved", *DONE)["phase"] == "Succeeded"
    assert len(scene.refunds()) == 1
    scene.until_available()
    assert "FAIL" not in scene.helm.run("test", "keelstep", "-n", SYSTEM, "--logs", "--timeout", "3m")
    trace = scene.person("grace").run("get", "executiontraces", "refund-approved", "-n", TENANT)
    assert "refund.issue" in trace
    for job in ("archive", "renewal"):
        scene.admin.run("create", "job", f"{job}-now", f"--from=cronjob/keelstep-{job}", "-n", SYSTEM)
        scene.admin.run("wait", "--for=condition=Complete", f"job/{job}-now", "-n", SYSTEM, "--timeout=120s")


@pytest.mark.parametrize("who", WAYS)
def test_a_pod_reaches_what_it_may_and_nothing_else(who: str, enforced: tuple[Scene, Enforcer]) -> None:
    """Runners: the broker alone. Whoever is no program of ours: neither broker nor database, whatever labels it bears."""
    namespace, labels, reached = WAYS[who]
    scene, enforcer = enforced
    name = who.replace(" ", "-").replace("'", "")
    scene.admin.run("create", "-f", "-", stdin=json.dumps(_pod(name, namespace, labels)))
    scene.admin.run("wait", "--for=condition=Ready", f"pod/{name}", "-n", namespace, "--timeout=120s")
    address = scene.admin.get("pod", name, "-n", namespace)["status"]["podIP"]
    scene.until("the rules to know the Pod", lambda: address in enforcer.known)
    said = scene.admin.run("exec", name, "-n", namespace, "--", "python3", "-c", TRY, *EVERYTHING, MONITOR)
    scene.admin.run("delete", "pod", name, "-n", namespace, "--now", "--wait=false")
    assert set(said.split()) == reached


def _pod(name: str, namespace: str, labels: dict[str, str]) -> dict[str, object]:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace, "labels": labels},
        "spec": {
            "terminationGracePeriodSeconds": 1,
            "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [
                {
                    "name": "main",
                    "image": f"localhost/keelstep-example:{NOW}",
                    "imagePullPolicy": "Never",
                    "command": ["python3", "-c", "import signal; signal.pause()"],
                    "securityContext": {
                        "allowPrivilegeEscalation": False,
                        "readOnlyRootFilesystem": True,
                        "capabilities": {"drop": ["ALL"]},
                    },
                }
            ],
        },
    }
