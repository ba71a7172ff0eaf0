"""How does a cluster that a person uses come up, tell of itself, and go away?

    up     build ─► (containerd: its network) ─► control plane ─► node ─► ready   (again: mends what died)
    down   node and its Pods ─► control plane ─► folder removed

One folder per cluster holds everything; `~/.kube/config` is never read or written.
"""

import re
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from hack.cluster import (
    build,
    components,
    controlplane,
    errors,
    files,
    health,
    nodes,
    progress,
    settings,
)
from hack.cluster import programs as definitions
from hack.cluster.containerd import node as containerd
from hack.cluster.containerd import parts, requirements

NodeKind = Literal["process", "containerd", "none"]

READY_SECONDS = 60.0
POLL_SECONDS = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One process of a cluster."""

    name: str
    pid: int | None
    port: int | None
    is_healthy: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """What there is to know about a cluster."""

    name: str
    folder: Path
    kubeconfig: Path
    kubectl: Path
    server: str
    parts: tuple[Part, ...]

    @property
    def is_healthy(self) -> bool:
        """True where every part runs and answers."""
        return all(part.is_healthy for part in self.parts)


def up(configured: settings.Settings, name: str, node: NodeKind, shown: progress.Progress) -> Status:
    """Bring a cluster up, or mend it where an earlier `up` was interrupted or a part died.

    Raises:
        ClusterError: it cannot be built or started; nothing that was started is left behind.
    """
    folder = _folder(configured, name)
    wanted: tuple[str, ...] = definitions.CONTROL_PLANE
    if node == "containerd":
        requirements.check(configured)
        wanted += definitions.CONTAINERD_NODE
    programs = build.ensure(configured, wanted, shown)
    with _locked(configured, name, shown):
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        _keep_kind(folder, name, node)
        try:
            if node == "containerd":
                with shown.step("Making the node's namespaces and network"):
                    containerd.prepare(configured, folder, programs)
            plane = controlplane.start(folder, programs, is_durable=True, is_guarded=False, shown=shown)
            if node == "process":
                with shown.step("Starting the process node (a development tool)"):
                    nodes.start(plane)
            elif node == "containerd":
                with shown.step("Starting containerd, kubelet, kube-proxy and CoreDNS"):
                    containerd.start(plane)
            with shown.step("Waiting for the default service account"):
                _await_service_account(plane)
        except BaseException:
            _stop(folder)
            raise
        shutil.copyfile(plane.admin_kubeconfig, folder / "kubeconfig")
        (folder / "kubeconfig").chmod(0o600)
        _link(folder / "bin" / "kubectl", programs["kubectl"])
    return status(configured, name)


def down(
    configured: settings.Settings, name: str, shown: progress.Progress, *, keep_data: bool = False
) -> bool:
    """Stop what `up` started, and remove its folder; False where there is no such cluster."""
    folder = _folder(configured, name)
    if not folder.exists():
        return False
    with _locked(configured, name, shown):
        with shown.step(f"Stopping cluster {name}"):
            _stop(folder)
        if not keep_data:
            shutil.rmtree(folder)
    return True


def status(configured: settings.Settings, name: str) -> Status:
    """Tell what runs of a cluster.

    Raises:
        NoSuchCluster: there is none of this name.
    """
    folder = _folder(configured, name)
    plane = controlplane.find(folder)
    if plane is None:
        raise errors.NoSuchCluster(f"there is no cluster {name!r} here; start it with `up`")
    found = [
        Part(
            name=part,
            pid=identity.pid if identity else None,
            port=plane.plan.ports[part],
            is_healthy=is_healthy,
        )
        for part, (identity, is_healthy) in plane.health().items()
    ]
    described = files.read_json(folder / "cluster.json") or {}
    if described.get("node") == "process":
        agent = nodes.find(plane)
        found.append(
            Part(
                name="process node",
                pid=agent.pid if agent else None,
                port=plane.plan.ports["kubelet"],
                is_healthy=agent is not None and nodes.is_ready(plane),
            )
        )
    if described.get("node") == "containerd":
        found += _containerd_parts(plane)
    return Status(
        name=name,
        folder=folder,
        kubeconfig=folder / "kubeconfig",
        kubectl=folder / "bin" / "kubectl",
        server=plane.server_url,
        parts=tuple(found),
    )


def _containerd_parts(plane: controlplane.ControlPlane) -> Iterator[Part]:
    for name in parts.ALL:
        running = plane.records.find(name)
        yield Part(
            name=name,
            pid=running.pid if running else None,
            port=parts.port(plane, name),
            is_healthy=parts.is_healthy(plane, name),
        )


def _keep_kind(folder: Path, name: str, node: NodeKind) -> None:
    """Record the node, and refuse another one where addresses would change under everything that knows them."""
    before = (files.read_json(folder / "cluster.json") or {}).get("node", node)
    if before != node and "containerd" in (before, node):
        raise errors.ClusterError(
            f"cluster {name!r} has the node `{before}`; end it with `down --name {name}`, or choose another --name"
        )
    files.write_json(folder / "cluster.json", {"name": name, "node": node})


def _stop(folder: Path) -> None:
    """End everything that runs of the cluster in this folder, whatever its node."""
    plane = controlplane.find(folder)
    containerd.end_pods(folder)
    if plane is not None:
        nodes.stop(plane)
        plane.stop()
    containerd.stop(folder)


def kubeconfig(configured: settings.Settings, name: str) -> Path:
    """Give the administrator's kubeconfig of a cluster.

    Raises:
        NoSuchCluster: there is none of this name.
    """
    path = _folder(configured, name) / "kubeconfig"
    if not path.exists():
        raise errors.NoSuchCluster(f"there is no cluster {name!r} here; start it with `up`")
    return path


def _folder(configured: settings.Settings, name: str) -> Path:
    if not re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?", name):
        raise errors.ClusterError(
            f"{name!r} is no cluster name: up to 40 of a-z, 0-9 and -, no - at either end"
        )
    return configured.clusters / name


@contextmanager
def _locked(configured: settings.Settings, name: str, shown: progress.Progress) -> Iterator[None]:
    def say() -> None:
        shown.note("another up or down of this cluster is running; waiting for it")

    # Outside the cluster's folder, which `down` removes; a lock file itself must stay, or two could
    # hold two files of one name.
    with files.lock(configured.state / "locks" / name, on_wait=say):
        yield


def _await_service_account(plane: controlplane.ControlPlane) -> None:
    """Wait for what the controllers make last: without it no Pod can be created."""
    deadline = time.monotonic() + READY_SECONDS
    path = "/api/v1/namespaces/default/serviceaccounts/default"
    while health.read(plane.plan, path, plane.admin) is None:
        if time.monotonic() > deadline:
            log = plane.plan.folder / "logs" / f"{components.CONTROLLER_MANAGER}.log"
            raise errors.StartFailed(f"the controllers made no default service account; log: {log}")
        time.sleep(POLL_SECONDS)


def _link(link: Path, target: Path) -> None:
    link.parent.mkdir(exist_ok=True)
    link.unlink(missing_ok=True)
    link.symlink_to(target)
