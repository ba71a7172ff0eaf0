"""What does the demo keep running? One local cluster and one keelstep in it, found again by the next command."""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hack.cluster import controlplane, errors, lifecycle, progress, settings
from hack.demo import people
from hack.local import ops, platform, postgres, world
from hack.local.kubectl import Kubectl
from hack.local.platform import Platform

CLUSTER = "demo"
PEOPLE = (world.AUTHOR, world.REQUESTER, world.APPROVER)
PROGRAMS = ("nats-server", "postgres", "shop", "model", "operator", "gateway", "projector", "views")


@dataclass(frozen=True, slots=True, kw_only=True)
class Demo:
    """A running demo."""

    status: lifecycle.Status
    platform: Platform

    @property
    def folder(self) -> Path:
        """Where everything of the demo lies."""
        return self.platform.folder

    @property
    def manifests(self) -> Path:
        """The example's manifests, filled in."""
        return self.platform.manifests()

    def kubectl(self, persona: str, show: Callable[[str], None]) -> Kubectl:
        """kubectl as a persona."""
        return self.platform.kubectl(persona, show)

    def ledger(self) -> list[Any]:
        """What the shop booked."""
        return self.platform.ledger()


def start(
    configured: settings.Settings, shown: progress.Progress, namespace: str, own_models: Path | None = None
) -> Demo:
    """Start what does not run yet; it goes on running. The gateway knows a person's own models too, where there are any.

    The people of the demo are at home in this namespace.

    Raises:
        ClusterError, PlatformError, CommandError: a part did not start; the message names its log.
    """
    status = lifecycle.up(configured, CLUSTER, "process", shown)
    local = _platform(configured)
    people.add(
        status.kubeconfig,
        [(name, local.kubectl(name).kubeconfig) for name in PEOPLE],
        namespace,
    )
    with shown.step("Starting NATS JetStream, the example's shop and its scripted model"):
        local.start_broker()
        local.start_example(ops.SCRIPT)
    with shown.step("Installing the kinds, the roles and the admission policies"):
        local.define()
    with shown.step("Starting operator and gateway"):
        local.start_operator()
        if own_models is not None:
            local.know_models(own_models)
        local.start_gateway()
    with shown.step("Starting Postgres, the projector and the views API"):
        local.start_views()
    return Demo(status=status, platform=local)


def runs(configured: settings.Settings) -> bool:
    """True where every part of the demo runs."""
    plane = controlplane.find(configured.clusters / CLUSTER)
    if plane is None or not lifecycle.status(configured, CLUSTER).is_healthy:
        return False
    local = _platform(configured)
    return all(local.find(name) for name in PROGRAMS)


def know_models(configured: settings.Settings, own: Path) -> list[str]:
    """Start the running demo's gateway again, with a person's own models; their names.

    Raises:
        ModelsError: the folder's files cannot be used; nothing was changed.
    """
    return _platform(configured).know_models(own)


def stop(configured: settings.Settings, shown: progress.Progress) -> bool:
    """End everything `start` started and forget it; False where there is nothing."""
    folder = configured.state / CLUSTER
    was_there = folder.exists()
    if was_there:
        with shown.step("Stopping operator, gateway, NATS and the example"):
            platform.stop_recorded(folder)
        shutil.rmtree(postgres.place(configured.clusters / CLUSTER), ignore_errors=True)
        shutil.rmtree(folder)
    return lifecycle.down(configured, CLUSTER, shown) or was_there


def describe(configured: settings.Settings) -> Iterator[str]:
    """What runs, a line each."""
    status = lifecycle.status(configured, CLUSTER)
    for part in status.parts:
        yield f"{part.name:24} {'running' if part.is_healthy else 'not running'}"
    local = _platform(configured)
    for name in PROGRAMS:
        found = local.find(name)
        yield f"{name:24} {f'running, pid {found.pid}' if found else 'not running'}"
    yield f"logs: {local.folder / 'logs'}"


def _platform(configured: settings.Settings) -> Platform:
    plane = controlplane.find(configured.clusters / CLUSTER)
    if plane is None:
        raise errors.NoSuchCluster("the demo does not run; start it with `make demo`")
    kubectl = lifecycle.status(configured, CLUSTER).kubectl
    return Platform(folder=configured.state / CLUSTER, plane=plane, kubectl_binary=kubectl)
