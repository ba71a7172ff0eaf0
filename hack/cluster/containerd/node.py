"""How does a containerd node come up beside a control plane, and go away with everything that it runs?

    prepare   namespaces ─► wire to this machine      before the control plane: the API server listens on the wire
    start     containerd ─► its pause image ─► kubelet, kube-proxy, CoreDNS ─► the node is Ready
    end_pods  kubelet ─► Pods (asked, then killed) ─► all else that holds a connection to the API server
    stop      namespaces and all in them ─► control groups

Calling any of them again goes on where the last one was interrupted. Must not know what runs in the Pods.
"""

import os
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

from hack.cluster import addresses, controlplane, errors, files, health, processes, settings
from hack.cluster.containerd import archive, cgroups, commands, images, link, namespaces, parts, requirements

READY_SECONDS = 90.0
STOP_SECONDS = 3.0
POD_GRACE_SECONDS = 5.0
POLL_SECONDS = 0.05
RBAC = Path(__file__).parent / "rbac.yaml"


def prepare(configured: settings.Settings, folder: Path, programs: Mapping[str, Path]) -> None:
    """Make what the control plane needs of the node: an address that Pods can reach.

    Raises:
        MissingPrerequisite: this machine cannot have such a node.
        StartFailed: the kernel refused a namespace or the wire.
    """
    requirements.check(configured)
    # Of two clusters that start at once, the second must see what the first one took.
    with files.lock(configured.state / "locks" / ".network"):
        others = [other for other in configured.clusters.glob("*") if other != folder]
        network = addresses.choose(folder, link.networks_in_use(), others)
        records = processes.Records(folder / "processes")
        own = commands.own(folder)
        own.mkdir(parents=True, exist_ok=True, mode=0o700)
        first = namespaces.start(records, own, programs["pause"], _log(folder, parts.HOLDER))
        link.ensure(folder, network, first)
    cgroups.create(cgroups.name(folder))


def start(plane: controlplane.ControlPlane) -> None:
    """Start what does not run of the node, and wait until it takes Pods, and Services and names work.

    Raises:
        MissingPrerequisite: the user has too few inotify instances left.
        StartFailed: a part ended or was not ready in time; the end of its log is told.
    """
    if plane.records.find(parts.KUBELET) is None:
        requirements.check_watchers()
    folder, deadline = plane.plan.folder, time.monotonic() + READY_SECONDS
    wanted = commands.write(plane)
    started: set[str] = set()
    _start(plane, parts.CONTAINERD, wanted, started)
    while not parts.is_healthy(plane, parts.CONTAINERD):
        _check(plane, parts.CONTAINERD, wanted, started, deadline)
    _load_pause(plane)
    _grant(plane)
    for part in parts.PROGRAMS:
        _start(plane, part, wanted, started)
    waiting = [*parts.PROGRAMS]
    while waiting := [part for part in waiting if not parts.is_healthy(plane, part)]:
        for part in waiting:
            _check(plane, part, wanted, started, deadline)
    while not is_ready(plane):
        if time.monotonic() > deadline:
            raise errors.StartFailed(f"the node did not become Ready; log: {_log(folder, parts.KUBELET)}")
        time.sleep(POLL_SECONDS)


def is_ready(plane: controlplane.ControlPlane) -> bool:
    """Tell whether the node says Ready and the scheduler may use it."""
    node = health.read(plane.plan, f"/api/v1/nodes/{commands.NAME}", plane.admin)
    if node is None:
        return False
    conditions = node.get("status", {}).get("conditions", ())
    is_true = any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)
    return is_true and not node.get("spec", {}).get("taints")


def end_pods(folder: Path) -> None:
    """End every Pod, and whatever else of the node would keep the API server from ending.

    The kubelet goes first, so that nothing starts again what ends.
    """
    records = processes.Records(folder / "processes")
    for part in (parts.KUBELET, parts.PROXY, parts.DNS):
        running = records.find(part)
        if running is not None:
            processes.stop([running], grace_seconds=STOP_SECONDS, is_group=True)
    cgroups.end(cgroups.name(folder), POD_GRACE_SECONDS)


def stop(folder: Path) -> None:
    """End the node of the cluster in this folder, whatever still runs, and take its control groups away.

    The control plane's address goes with it: stop that first. Safe where there is no such node.
    """
    records = processes.Records(folder / "processes")
    namespaces.stop(records)
    link.remove(folder)
    for part in parts.PROGRAMS:
        records.forget(part)
    cgroups.remove(cgroups.name(folder))


def _start(plane: controlplane.ControlPlane, part: str, wanted: commands.Commands, started: set[str]) -> None:
    first = namespaces.find(plane.records)
    if first is None:
        raise errors.StartFailed(f"the node's namespaces have ended; log: {_log(plane.plan.folder, 'node')}")
    if plane.records.find(part) is None:
        plane.records.start(
            processes.Component(
                name=part,
                argv=[*namespaces.enter(first), *wanted[part]],
                log=_log(plane.plan.folder, part),
                environment={"PATH": requirements.SYSTEM_PATH, "HOME": "/var/lib"},
                cwd=Path("/"),
            )
        )
        started.add(part)


def _check(
    plane: controlplane.ControlPlane,
    part: str,
    wanted: commands.Commands,
    started: set[str],
    deadline: float,
) -> None:
    """Restart what ran before and died just now; give up on what we started, and at the deadline."""
    log = _log(plane.plan.folder, part)
    if plane.records.find(part) is None:
        if part in started:
            raise errors.StartFailed(f"{part} ended while starting\n{_tail(log)}")
        _start(plane, part, wanted, started)
    if time.monotonic() > deadline:
        raise errors.StartFailed(f"{part} did not become healthy\n{_tail(log)}")
    time.sleep(POLL_SECONDS)


def _load_pause(plane: controlplane.ControlPlane) -> None:
    image = commands.own(plane.plan.folder) / "pause.tar"
    archive.write(plane.plan.programs["pause"], archive.PAUSE, image)
    images.load(plane.plan.folder, image)


def _grant(plane: controlplane.ControlPlane) -> None:
    command = [str(plane.kubectl), "--kubeconfig", str(plane.admin_kubeconfig), "apply", "--server-side"]
    done = subprocess.run(
        [*command, "-f", str(RBAC)],
        env={"PATH": os.environ.get("PATH", ""), "HOME": str(plane.plan.folder)},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise errors.StartFailed(f"the node's programs were not granted their rights: {done.stderr.strip()}")


def _log(folder: Path, part: str) -> Path:
    return folder / "logs" / f"{part}.log"


def _tail(log: Path, lines: int = 6) -> str:
    text = log.read_text(errors="replace").splitlines() if log.exists() else []
    return f"  log: {log}\n" + "\n".join(f"  {line[:300]}" for line in text[-lines:])
