"""How does this node look to the cluster? Pure builders of the Node and its Lease.

The Node says plainly that it is a development tool: a label, an annotation, its version.
"""

import os
import platform
from typing import Any

import psutil

from hack.cluster.node import decisions, statuses

Object = dict[str, Any]

LABEL = "keelstep.io/node"
WARNING = "keelstep.io/development-only"

LEASE_SECONDS = 40
"""How long the cluster trusts the node without news; it is renewed every 10 s."""

PODS = 500
"""How many Pods may be bound at once: they are mere processes."""


def build_node(name: str) -> Object:
    """Build the Node to register."""
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": name,
            "labels": {
                LABEL: "process",
                "kubernetes.io/hostname": name,
                "kubernetes.io/os": platform.system().lower(),
                "kubernetes.io/arch": _architecture(),
            },
            "annotations": {WARNING: "runs the commands of Pods as local processes, without any isolation"},
        },
    }


def build_status(port: int, now: float, version: str) -> Object:
    """Build the Node's status: ready, and where its logs are served."""
    capacity = {
        "cpu": str(os.cpu_count() or 1),
        "memory": str(psutil.virtual_memory().total),
        "pods": str(PODS),
    }
    unmeasured = ("False", "ProcessNode", "the process node does not measure it")
    pressures = dict.fromkeys(("MemoryPressure", "DiskPressure", "PIDPressure"), unmeasured)
    ready = {"Ready": ("True", "ProcessNodeReady", "runs Pods as local processes (development)")}
    moment = decisions.timestamp(now)
    return {
        "capacity": capacity,
        "allocatable": capacity,
        "addresses": [
            {"type": "InternalIP", "address": statuses.ADDRESS},
            {"type": "Hostname", "address": "localhost"},
        ],
        "daemonEndpoints": {"kubeletEndpoint": {"Port": port}},
        "conditions": [
            {
                "type": kind,
                "status": value,
                "reason": reason,
                "message": message,
                "lastHeartbeatTime": moment,
                "lastTransitionTime": moment,
            }
            for kind, (value, reason, message) in (pressures | ready).items()
        ],
        "nodeInfo": {
            "architecture": _architecture(),
            "bootID": "",
            "containerRuntimeVersion": "process://1",
            "kernelVersion": platform.release(),
            "kubeProxyVersion": "",
            "kubeletVersion": version,
            "machineID": "",
            "operatingSystem": platform.system().lower(),
            "osImage": "local processes (keelstep development node)",
            "systemUUID": "",
        },
    }


def build_lease(name: str, uid: str, now: float) -> Object:
    """Build the Lease by which the cluster knows that the node lives."""
    owner = {"apiVersion": "v1", "kind": "Node", "name": name, "uid": uid}
    return {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": name, "ownerReferences": [owner]},
        "spec": {
            "holderIdentity": name,
            "leaseDurationSeconds": LEASE_SECONDS,
            "renewTime": decisions.timestamp(now).replace("Z", ".000000Z"),
        },
    }


def _architecture() -> str:
    machine = platform.machine()
    return {"x86_64": "amd64", "aarch64": "arm64"}.get(machine, machine)
