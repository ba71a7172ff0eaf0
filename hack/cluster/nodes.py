"""How is a node added to a control plane, and taken away with everything that it runs?

Knows the `process` node only; must not know what a Pod is.
"""

import sys
import time
from pathlib import Path

from hack.cluster import certificates, controlplane, errors, health, kubeconfigs, processes, settings
from hack.cluster.node import shim

PROCESS = "process"
"""The name of the node and of its folder."""

AGENT = "process-node"
"""The name of its component."""

READY_SECONDS = 30.0
POD_GRACE_SECONDS = 3.0
STOP_SECONDS = 5.0
POLL_SECONDS = 0.05


def start(plane: controlplane.ControlPlane) -> None:
    """Start the node agent, unless it runs, and wait until the node takes Pods.

    Raises:
        StartFailed: the agent ended, or the node did not become ready in time.
    """
    log = plane.plan.folder / "logs" / f"{AGENT}.log"
    deadline = time.monotonic() + READY_SECONDS
    is_started = False
    while not is_ready(plane):
        if plane.records.find(AGENT) is None:
            # One that ran already and died just now is restarted; one of ours has failed.
            if is_started:
                raise errors.StartFailed(f"the process node ended while starting; its log: {log}")
            plane.records.start(_agent(plane, log))
            is_started = True
        if time.monotonic() > deadline:
            raise errors.StartFailed(f"the process node did not become ready; its log: {log}")
        time.sleep(POLL_SECONDS)


def is_ready(plane: controlplane.ControlPlane) -> bool:
    """Tell whether the agent answers, the node is Ready and the scheduler may use it."""
    agent = find(plane)
    if agent is None or health.read_agent_pid(plane.plan) != agent.pid:
        return False
    node = health.read(plane.plan, f"/api/v1/nodes/{PROCESS}", plane.admin)
    if node is None:
        return False
    conditions = node.get("status", {}).get("conditions", ())
    is_true = any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)
    return is_true and not node.get("spec", {}).get("taints")


def find(plane: controlplane.ControlPlane) -> processes.Identity | None:
    """Find the node agent."""
    return plane.records.find(AGENT)


def stop(plane: controlplane.ControlPlane) -> None:
    """Stop the node agent, then every process of its Pods, also those of an agent that was killed."""
    agent = find(plane)
    if agent is not None:
        processes.stop([agent], grace_seconds=STOP_SECONDS)
    plane.records.forget(AGENT)
    pods = shim.alive(_folder(plane.plan.folder) / "pods")
    processes.stop(pods, grace_seconds=POD_GRACE_SECONDS, is_group=True)


def _agent(plane: controlplane.ControlPlane, log: Path) -> processes.Component:
    return processes.Component(
        name=AGENT,
        argv=_argv(plane),
        log=log,
        environment={
            "PATH": _path(),
            "HOME": str(_folder(plane.plan.folder)),
            "LANG": "C.UTF-8",
            "PYTHONUNBUFFERED": "1",
        },
        cwd=settings.REPOSITORY,
    )


def _argv(plane: controlplane.ControlPlane) -> list[str]:
    plan, folder = plane.plan, _folder(plane.plan.folder)
    authority = certificates.Authority(pair=plan.pair("ca"))
    served = authority.server(plan.folder / "pki", "kubelet")
    # The node authorizer grants this user what belongs to the Pods bound to the node, and no more.
    user = f"system:node:{PROCESS}"
    client = authority.client(plan.folder / "pki", "kubelet-client", user, ("system:nodes",))
    kubeconfig = kubeconfigs.write(
        plan.kubeconfig("kubelet"),
        cluster=plan.folder.name,
        server=plan.server,
        ca=authority.pair.certificate,
        client=client,
        user=user,
    )
    options = {
        "name": PROCESS,
        "folder": folder,
        "kubeconfig": kubeconfig,
        "port": plan.ports["kubelet"],
        "certificate": served.certificate,
        "key": served.key,
        "authority": authority.pair.certificate,
        "path": _path(),
        "version": f"v{plane.version}-process",
    }
    flags = [word for name, value in options.items() for word in (f"--{name}", str(value))]
    return [sys.executable, "-m", "hack.cluster.node", *flags]


def _folder(cluster: Path) -> Path:
    return cluster / "nodes" / PROCESS


def _path() -> str:
    """Put the repository's own programs first, then the system's."""
    own = settings.REPOSITORY / ".venv" / "bin"
    first = own if own.is_dir() else Path(sys.executable).parent
    return f"{first}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
