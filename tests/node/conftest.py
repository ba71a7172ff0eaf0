"""On which node do these tests run? A containerd node of the test run's own, with one small image in it."""

import dataclasses
import json
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from hack.cluster import addresses, build, errors, guardian, lifecycle, processes, progress, settings
from hack.cluster import programs as definitions
from hack.cluster.containerd import archive, images, requirements
from tests.integration.cluster.conftest import Kubectl, until

IMAGE = "localhost/keelstep-probe:1"
SHOWN = progress.quiet()


@pytest.fixture(scope="session")
def configured(tmp_path_factory: pytest.TempPathFactory) -> settings.Settings:
    """Give settings whose clusters live in the test run's own folder; skip where no node can be had, and say why."""
    found = dataclasses.replace(settings.read(), state=tmp_path_factory.mktemp("state"))
    try:
        requirements.check(found)
    except errors.MissingPrerequisite as missing:
        pytest.skip(f"no containerd node: {missing}")
    return found


@pytest.fixture(scope="package")
def node(configured: settings.Settings) -> Iterator[lifecycle.Status]:
    """Give a cluster with a containerd node, and the tests' image in it."""
    # Here, so that a first build's progress is seen.
    build.ensure(configured, definitions.CONTROL_PLANE + definitions.CONTAINERD_NODE, progress.Progress())
    up = lifecycle.up(configured, "tests", "containerd", SHOWN)
    guarded = guardian.Guardian([part.pid for part in up.parts if part.pid])
    try:
        load_probe(configured, up.folder)
        yield up
    finally:
        guarded.dismiss()
        lifecycle.down(configured, "tests", SHOWN)


@pytest.fixture
def kubectl(node: lifecycle.Status) -> Iterator[Kubectl]:
    """Give kubectl in a namespace of this test's own, where Pod Security `restricted` is enforced."""
    namespace = f"t-{uuid.uuid4().hex[:8]}"
    one = Kubectl(program=node.kubectl, kubeconfig=node.kubeconfig, namespace=namespace)
    one.do("create", "namespace", namespace)
    one.do("label", "namespace", namespace, "pod-security.kubernetes.io/enforce=restricted")
    until(lambda: one.run("get", "sa", "default").returncode == 0, "a default service account")
    yield one
    one.do("delete", "pods", "--all", "--now", "--wait=false")
    one.do("delete", "namespace", namespace, "--wait=false")


def load_probe(configured: settings.Settings, folder: Path) -> None:
    """Make the tests' image, of one program without a shell, and load it into a node."""
    program = build.ensure(configured, definitions.PROBE)["probe"]
    made = folder / "probe.tar"
    archive.write(program, IMAGE, made)
    images.load(folder, made)


def probe(name: str, *words: str, **spec: Any) -> dict[str, Any]:
    """Build a Pod that runs the probe as strictly as Pod Security knows."""
    container = {
        "name": "main",
        "image": IMAGE,
        "args": [*words],
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {"app": name}},
        "spec": {
            "restartPolicy": "Never",
            "terminationGracePeriodSeconds": 1,
            "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [container],
            **spec,
        },
    }


def serve(kubectl: Kubectl, name: str, text: str) -> None:
    """Run a Pod that answers with a text, behind a Service of its name."""
    kubectl.create(probe(name, "serve", text, "8080"))
    kubectl.create(
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": name},
            "spec": {"selector": {"app": name}, "ports": [{"port": 80, "targetPort": 8080}]},
        }
    )
    kubectl.do("wait", "--for=condition=Ready", f"pod/{name}", "--timeout=60s")


def answer(kubectl: Kubectl, name: str, *words: str) -> str:
    """Run a probe to its end, and give what it said."""
    kubectl.create(probe(name, *words))
    kubectl.wait_phase(name, "Succeeded")
    return kubectl.do("logs", name)


def records_of(status: lifecycle.Status) -> processes.Records:
    """What is known of a cluster's processes."""
    return processes.Records(status.folder / "processes")


def status_of(configured: settings.Settings, name: str) -> Mapping[str, int | None]:
    """Give each part's pid."""
    return {part.name: part.pid for part in lifecycle.status(configured, name).parts}


def address_of(status: lifecycle.Status) -> str:
    """The node's own address."""
    return addresses.load(status.folder).node


def addresses_of(kubectl: Kubectl, name: str) -> list[str]:
    """Where a Service's Pods are, as the API server knows."""
    found = json.loads(
        kubectl.do("get", "endpointslices", "-l", f"kubernetes.io/service-name={name}", "-o", "json")
    )
    return [one for each in found["items"] for end in each["endpoints"] or () for one in end["addresses"]]
