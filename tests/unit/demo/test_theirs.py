"""Is a person's own cluster recognised by what its nodes say, and is nothing guessed?"""

import re
from pathlib import Path
from typing import Any

import pytest

from hack.cluster import settings
from hack.demo.theirs import access, images, providers

ARCHIVE = "/tmp/runner.tar"


def node(
    name: str, *, provider: str = "", runtime: str = "containerd://2.1.4", arch: str = "amd64", **labels: str
) -> dict[str, Any]:
    """A node as the API server shows it."""
    said = {key.replace("_", "/"): value for key, value in labels.items()}
    return {
        "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name, **said}},
        "spec": {"providerID": provider} if provider else {},
        "status": {"nodeInfo": {"containerRuntimeVersion": runtime, "architecture": arch}},
    }


KNOWN = {
    "kind, whatever its context is called": (
        [
            node("dev-control-plane", provider="kind://docker/dev/dev-control-plane"),
            node("dev-worker", provider="kind://docker/dev/dev-worker"),
        ],
        f"kind load image-archive {ARCHIVE} --name dev",
    ),
    "kind with podman": (
        [node("kind-control-plane", provider="kind://podman/kind/kind-control-plane")],
        f"kind load image-archive {ARCHIVE} --name kind",
    ),
    "minikube with a profile": (
        [node("lab", **{"minikube.k8s.io_name": "lab"})],
        f"minikube image load {ARCHIVE} --profile lab",
    ),
    "minikube of two nodes": (
        [node("minikube", **{"minikube.k8s.io_name": "minikube"}), node("minikube-m02")],
        f"minikube image load {ARCHIVE} --profile minikube",
    ),
    "k3d": (
        [
            node("k3d-my-lab-server-0", provider="k3s://k3d-my-lab-server-0"),
            node("k3d-my-lab-agent-0", provider="k3s://k3d-my-lab-agent-0"),
        ],
        f"k3d image import {ARCHIVE} --cluster my-lab",
    ),
    "Docker Desktop": (
        [node("docker-desktop", runtime="docker://28.2.2")],
        f"docker load --quiet --input {ARCHIVE}",
    ),
    "Colima with Docker": (
        [node("colima", runtime="docker://27.0.0")],
        f"docker load --quiet --input {ARCHIVE}",
    ),
    "Rancher Desktop with containerd": (
        [node("lima-rancher-desktop")],
        f"nerdctl --namespace k8s.io load --input {ARCHIVE}",
    ),
    "MicroK8s on this machine": (
        [node("here", **{"microk8s.io_cluster": "true"})],
        f"microk8s ctr image import {ARCHIVE}",
    ),
    "k3s on this machine": ([node("here", provider="k3s://here")], f"k3s ctr images import {ARCHIVE}"),
}
UNKNOWN = {
    "no node at all": [],
    "a cloud's nodes": [node("ip-10-0-0-1", provider="aws:///eu-central-1a/i-0abc")],
    "k3s on another machine": [node("there", provider="k3s://there")],
    "k3s of several nodes": [node("here", provider="k3s://here"), node("there", provider="k3s://there")],
    "Colima with containerd": [node("colima")],
    "a node that says nothing of itself": [node("node-1")],
}


@pytest.mark.parametrize("about", KNOWN)
def test_a_clusters_own_tool_gives_it_images(about: str) -> None:
    """Recognised by its nodes: a context is called what a person likes."""
    nodes, command = KNOWN[about]
    way = providers.recognise(nodes, machine="here")
    assert way is not None
    assert " ".join(way.load(ARCHIVE)) == command
    assert way.tool == command.split()[0]


@pytest.mark.parametrize("about", UNKNOWN)
def test_what_is_not_recognised_needs_a_registry(about: str) -> None:
    """Nothing is guessed: an image in the wrong place is a Pod that never starts."""
    assert providers.recognise(UNKNOWN[about], machine="here") is None


def test_nodes_of_another_architecture_are_named() -> None:
    """What is built here cannot run there."""
    nodes = [node("a", arch="amd64"), node("b", arch="arm64")]
    assert providers.foreign_architectures(nodes, processor="x86_64") == ["arm64"]
    assert providers.foreign_architectures(nodes, processor="aarch64") == ["amd64"]
    assert providers.foreign_architectures(nodes[:1], processor="AMD64") == []


@pytest.mark.parametrize(
    ("is_root", "there", "chosen"),
    [
        (True, {"buildah", "docker"}, "buildah"),
        (False, {"buildah", "docker", "podman"}, "docker"),
        (False, {"podman"}, "podman"),
        (True, {"podman"}, "podman"),
    ],
)
def test_images_are_built_by_what_is_here(is_root: bool, there: set[str], chosen: str) -> None:
    """buildah takes root; whoever runs kind or k3d has Docker or podman."""
    assert images.builder(is_root, there.__contains__) == chosen


def test_without_anything_that_builds_it_says_what_would_help() -> None:
    """Before anything was made."""
    with pytest.raises(images.DeliveryError, match=r"docker, podman, or buildah as root"):
        images.builder(False, {"buildah"}.__contains__)


def test_a_tag_is_named_by_what_is_in_the_images() -> None:
    """The same images, the same tag; a changed program is another image, so that its Pods are replaced."""
    tag = images.tag_of(["sha256:1", "sha256:2"])
    assert re.fullmatch(r"demo-[0-9a-f]{12}", tag)
    assert tag == images.tag_of(["sha256:1", "sha256:2"])
    assert tag != images.tag_of(["sha256:1", "sha256:3"])


def test_every_context_has_a_folder_of_its_own(tmp_path: Path) -> None:
    """Names that look alike as paths are two clusters."""
    configured = settings.read({"HOME": str(tmp_path)})
    names = ("kind-dev", "arn:aws:eks:eu/x", "arn:aws:eks:eu-x", "../../etc", "")
    places = [access.place(configured, name) for name in names]
    assert len(set(places)) == len(names)
    assert {place.parent for place in places} == {configured.state / "demo-contexts"}
