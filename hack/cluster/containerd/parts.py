"""Which processes is a node made of, where does each listen, and does it answer?

Asks once and waits for nothing: deadlines belong to the callers.
"""

import socket
import urllib.error
import urllib.request
from pathlib import Path

from hack.cluster import controlplane, health
from hack.cluster.containerd import configuration, images, namespaces

HOLDER = namespaces.HOLDER
CONTAINERD, KUBELET, PROXY, DNS = "containerd", "kubelet", "kube-proxy", "coredns"
PROGRAMS = (CONTAINERD, KUBELET, PROXY, DNS)
ALL = (HOLDER, *PROGRAMS)
"""What has a process of its own; the first one holds the others together."""


def port(plane: controlplane.ControlPlane, part: str) -> int | None:
    """Where a part listens, at the node's address; None where it does not."""
    return {
        KUBELET: plane.plan.ports["kubelet"],
        PROXY: configuration.PROXY_HEALTH_PORT,
        DNS: configuration.DNS_PORT,
    }.get(part)


def is_healthy(plane: controlplane.ControlPlane, part: str) -> bool:
    """Tell whether a part runs and answers."""
    if plane.records.find(part) is None:
        return False
    at = f"http://{plane.plan.network.node}"
    match part:
        case namespaces.HOLDER:
            return namespaces.find(plane.records) is not None
        case "containerd":
            return _accepts(images.socket_of(plane.plan.folder))
        case "kubelet":
            return _answers(f"{at}:{configuration.KUBELET_HEALTH_PORT}/healthz")
        case "kube-proxy":
            return _answers(f"{at}:{configuration.PROXY_HEALTH_PORT}/healthz")
        case _:
            return _answers(f"{at}:{configuration.DNS_READY_PORT}/ready")


def _answers(url: str) -> bool:
    # Never by way of a proxy: the address is this machine's own.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=health.TIMEOUT_SECONDS) as reply:
            return bool(reply.status == 200)
    except (OSError, urllib.error.URLError):
        return False


def _accepts(path: Path | None) -> bool:
    if path is None:
        return False
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(path))
        except OSError:
            return False
    return True
