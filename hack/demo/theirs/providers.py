"""What is this cluster, and how does an image get into it without a registry? From its nodes alone, as data.

Asks nothing and runs nothing. What is not recognised is not guessed at: it needs a registry.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

ARCHIVE = "{archive}"
"""In a command: the file that holds one image, as `docker save` writes it."""
_MACHINES = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """How an archive becomes an image of every node."""

    cluster: str
    """What the cluster is, for a person. Example: `kind, cluster dev`."""
    command: tuple[str, ...]

    @property
    def tool(self) -> str:
        """The program that this takes."""
        return self.command[0]

    def load(self, archive: str) -> tuple[str, ...]:
        """The command for one archive."""
        return tuple(archive if word == ARCHIVE else word for word in self.command)


def recognise(nodes: Sequence[Mapping[str, Any]], *, machine: str) -> Way | None:
    """The way into a cluster with these nodes, as seen from a machine of this name; none where there is none known."""
    if not nodes:
        return None
    first = nodes[0]
    name, labels = first["metadata"]["name"], first["metadata"].get("labels", {})
    provider = first.get("spec", {}).get("providerID", "")
    runtime = first.get("status", {}).get("nodeInfo", {}).get("containerRuntimeVersion", "")
    if found := re.match(r"kind://[^/]+/([^/]+)/", provider):
        cluster = found[1]
        return Way(
            cluster=f"kind, cluster {cluster}",
            command=("kind", "load", "image-archive", ARCHIVE, "--name", cluster),
        )
    if profile := labels.get("minikube.k8s.io/name"):
        return Way(
            cluster=f"minikube, profile {profile}",
            command=("minikube", "image", "load", ARCHIVE, "--profile", profile),
        )
    if found := re.match(r"k3d-(.+)-(server|agent)-\d+$", name):
        cluster = found[1]
        return Way(
            cluster=f"k3d, cluster {cluster}",
            command=("k3d", "image", "import", ARCHIVE, "--cluster", cluster),
        )
    if len(nodes) > 1:
        return None  # what follows speaks with one node only
    if name in ("docker-desktop", "lima-rancher-desktop", "colima") or name.startswith("colima-"):
        if runtime.startswith("docker://"):
            return Way(
                cluster=f"{name}, which shares Docker's images",
                command=("docker", "load", "--quiet", "--input", ARCHIVE),
            )
        if name == "lima-rancher-desktop":
            return Way(
                cluster="Rancher Desktop with containerd",
                command=("nerdctl", "--namespace", "k8s.io", "load", "--input", ARCHIVE),
            )
        return None
    if name == machine and labels.get("microk8s.io/cluster"):
        return Way(
            cluster="MicroK8s on this machine", command=("microk8s", "ctr", "image", "import", ARCHIVE)
        )
    if name == machine and provider.startswith("k3s://"):
        return Way(cluster="k3s on this machine", command=("k3s", "ctr", "images", "import", ARCHIVE))
    return None


def foreign_architectures(nodes: Sequence[Mapping[str, Any]], *, processor: str) -> list[str]:
    """Processor architectures of nodes that cannot run what a machine with this processor builds."""
    ours = _MACHINES.get(processor.lower(), processor)
    found = {str(node["status"]["nodeInfo"]["architecture"]) for node in nodes}
    return sorted(found - {ours})
