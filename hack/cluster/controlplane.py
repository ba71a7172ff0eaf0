"""How does a control plane come up, stay known, and go away? For test fixtures and for `up`.

    start(folder)             etcd ─► kube-apiserver ─► controller-manager, scheduler
      certificates, ports       │            │                   │
      kept in the folder        └─ dead? the tail of its log, StartFailed

Calling `start` again on the same folder keeps what runs and restarts what died, with the same
data and certificates. Must not know about nodes, and never waits without a deadline.
"""

import hashlib
import re
import shutil
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from hack.cluster import (
    addresses,
    certificates,
    components,
    errors,
    files,
    guardian,
    health,
    kubeconfigs,
    processes,
    progress,
)
from hack.cluster import programs as definitions
from keelstep.testing import ports

START_SECONDS = 90.0
"""Far beyond the two to seven seconds measured, for a machine that is busy or cold."""

STOP_SECONDS = 10.0
POLL_SECONDS = 0.05

ADMIN_GROUPS = ("system:masters",)
KUBELET_CLIENT = "kube-apiserver-kubelet-client"
"""The one user whom a node lets read logs: the API server itself."""


class ControlPlane:
    """A running control plane in a folder of its own."""

    def __init__(self, plan: components.Plan, names: Sequence[str]) -> None:
        self._plan = plan
        self._names = tuple(names)
        self.records = processes.Records(plan.folder / "processes")
        self._guardian: guardian.Guardian | None = None

    @property
    def plan(self) -> components.Plan:
        """Paths, programs and ports."""
        return self._plan

    @property
    def server_url(self) -> str:
        """The API server's URL."""
        return self._plan.server

    @property
    def ca_file(self) -> Path:
        """The authority that signs servers and users of this cluster."""
        return self._plan.pair("ca").certificate

    @property
    def version(self) -> str:
        """The version of this Kubernetes."""
        return definitions.KUBERNETES_VERSION

    @property
    def admin(self) -> certificates.Pair:
        """The client certificate of the administrator."""
        return self.client_pair("admin", ADMIN_GROUPS)

    @property
    def admin_kubeconfig(self) -> Path:
        """A kubeconfig of group system:masters: it may do everything."""
        return self.kubeconfig_for("admin", ADMIN_GROUPS)

    @property
    def kubectl(self) -> Path:
        """The kubectl of exactly this Kubernetes version."""
        return self._plan.programs["kubectl"]

    @property
    def front_proxy_ca_file(self) -> Path:
        """The authority behind X-Remote-User: aggregated API servers must trust no other."""
        return self._plan.pair("front-proxy-ca").certificate

    def kubeconfig_for(self, user: str, groups: Sequence[str] = ()) -> Path:
        """Write a kubeconfig for a persona, with a client certificate minted for it."""
        client = self.client_pair(user, groups)
        return kubeconfigs.write(
            client.certificate.with_suffix(".kubeconfig"),
            cluster=self._plan.folder.name,
            server=self.server_url,
            ca=self.ca_file,
            client=client,
            user=user,
        )

    def client_pair(self, user: str, groups: Sequence[str] = ()) -> certificates.Pair:
        """Mint (once) a client certificate for a persona: its user name and its groups."""
        told = "+".join((user, *groups))
        # The digest keeps apart what is equal once its special characters are gone.
        digest = hashlib.sha256(told.encode()).hexdigest()[:8]
        plain = re.sub(r"[^a-zA-Z0-9-]+", "_", told)[:60] + f"-{digest}"
        authority = certificates.Authority(pair=self._plan.pair("ca"))
        return authority.client(self._plan.folder / "users", plain, user, groups)

    def serving_pair(self, name: str, hosts: Sequence[str] = certificates.LOOPBACK) -> certificates.Pair:
        """Mint a server certificate of the cluster's authority (a webhook, an aggregated API)."""
        authority = certificates.Authority(pair=self._plan.pair("ca"))
        return authority.server(self._plan.folder / "pki", name, hosts)

    def health(self) -> dict[str, tuple[processes.Identity | None, bool]]:
        """Tell for each component whether its process runs and whether it answers."""
        found = {name: self.records.find(name) for name in self._names}
        return {
            name: (identity, identity is not None and health.is_healthy(name, self._plan))
            for name, identity in found.items()
        }

    def bring_up(self, shown: progress.Progress) -> None:
        """Start what does not run and wait until all of it is healthy."""
        deadline = time.monotonic() + START_SECONDS
        with shown.step("Starting etcd and the API server"):
            self._forget_a_first_start_cut_short()
            self._start_and_await([n for n in self._names if n in components.CONTROL_PLANE[:2]], deadline)
            self._has_started.touch()
        others = [name for name in self._names if name in components.CONTROL_PLANE[2:]]
        if others:
            with shown.step("Starting controllers and the scheduler"):
                self._start_and_await(others, deadline)

    @property
    def _has_started(self) -> Path:
        return self._plan.folder / "has-started"

    def _forget_a_first_start_cut_short(self) -> None:
        """An etcd that was ended while it founded its cluster never elects a leader again; nothing was in it yet."""
        folder = self._plan.folder
        # `up` writes the kubeconfig last, also where this marker is not known yet
        if self._has_started.exists() or (folder / "kubeconfig").exists() or self.records.find("etcd"):
            return
        shutil.rmtree(folder / "etcd", ignore_errors=True)

    def guard(self) -> None:
        """End every component when this very process ends, however it ends (tests)."""
        pids = [identity.pid for identity, _ in self.health().values() if identity]
        self._guardian = guardian.Guardian(pids)

    def stop(self, grace_seconds: float | None = None) -> None:
        """Stop the components, the last started first; their data stays.

        By default what syncs to disk is given time to end, and what is made for tests is killed.
        """
        if grace_seconds is None:
            grace_seconds = STOP_SECONDS if self._plan.is_durable else 0.0
        if self._guardian is not None:
            self._guardian.dismiss()
        for name in reversed(self._names):
            identity = self.records.find(name)
            if identity is not None:
                processes.stop([identity], grace_seconds=grace_seconds)
            self.records.forget(name)

    def _start_and_await(self, names: Sequence[str], deadline: float) -> None:
        started: set[str] = set()
        waiting = list(names)
        while waiting:
            for name in waiting:
                if self.records.find(name) is not None:
                    continue
                # One that ran already and died just now is restarted; one of ours has failed.
                if name in started:
                    raise errors.StartFailed(f"{name} ended while starting\n{self._tail(name)}")
                self._start(name)
                started.add(name)
            waiting = [name for name in waiting if not health.is_healthy(name, self._plan)]
            if waiting and time.monotonic() > deadline:
                told = "\n".join(self._tail(name) for name in waiting)
                raise errors.StartFailed(f"{', '.join(waiting)} did not become healthy\n{told}")
            if waiting:
                time.sleep(POLL_SECONDS)

    def _start(self, name: str) -> None:
        self.records.start(
            processes.Component(
                name=name,
                argv=components.build_argv(name, self._plan),
                log=self._log(name),
                # Nothing of the person's environment (proxies!) may reach a local server.
                environment={"PATH": "/usr/bin:/bin", "HOME": str(self._plan.folder)},
            )
        )

    def _log(self, name: str) -> Path:
        return self._plan.folder / "logs" / f"{name}.log"

    def _tail(self, name: str, lines: int = 6) -> str:
        log = self._log(name)
        text = log.read_text(errors="replace").splitlines() if log.exists() else []
        return f"  log: {log}\n" + "\n".join(f"  {line[:300]}" for line in text[-lines:])


def start(
    folder: Path,
    programs: Mapping[str, Path],
    *,
    names: Sequence[str] = components.CONTROL_PLANE,
    is_durable: bool = False,
    is_guarded: bool = True,
    shown: progress.Progress | None = None,
) -> ControlPlane:
    """Start a control plane in `folder`, or bring back the one that lives there.

    `names` are the components wanted, e.g. `components.CONTROL_PLANE[:2]` for API tests. By
    default it is made for tests: no fsync, and it ends when the caller's process ends.

    Raises:
        StartFailed: a component ended or did not become healthy in time; the log's tail is told.
    """
    plan = prepare(folder, programs, is_durable=is_durable)
    plane = ControlPlane(plan, names)
    try:
        plane.bring_up(shown or progress.quiet())
    except BaseException:
        # An API server that waits for etcd does not hear SIGTERM; it has nothing to lose yet.
        plane.stop(grace_seconds=1.0)
        raise
    if is_guarded:
        plane.guard()
    return plane


def find(folder: Path) -> ControlPlane | None:
    """Find the control plane that lives in a folder, running or not, without changing anything."""
    remembered = files.read_json(folder / "ports.json")
    if remembered is None:
        return None
    plan = components.Plan(
        folder=folder, programs={}, ports=remembered, is_durable=True, network=addresses.load(folder)
    )
    return ControlPlane(plan, components.CONTROL_PLANE)


def prepare(folder: Path, programs: Mapping[str, Path], *, is_durable: bool) -> components.Plan:
    """Make or load the folder's ports, certificates and kubeconfigs, without starting anything."""
    remembered = files.read_json(folder / "ports.json")
    if remembered is None or not _is_usable(folder, remembered):
        picked = ports.pick(len(components.PORTS))
        remembered = dict(zip(components.PORTS, picked, strict=True))
        files.write_json(folder / "ports.json", remembered)
    plan = components.Plan(
        folder=folder,
        programs=programs,
        ports=remembered,
        is_durable=is_durable,
        network=addresses.load(folder),
    )
    _issue(plan)
    return plan


def _is_usable(folder: Path, remembered: Mapping[str, int]) -> bool:
    """Keep ports while anything of ours runs on them, or while nobody else took them."""
    records = processes.Records(folder / "processes")
    if any(records.find(name) for name in components.CONTROL_PLANE):
        return True
    return all(ports.is_free(port) for port in remembered.values())


def _issue(plan: components.Plan) -> None:
    """Make every certificate that the components name; existing ones are kept."""
    pki = plan.folder / "pki"
    ca = certificates.Authority.create_or_load(pki, "ca")
    etcd_ca = certificates.Authority.create_or_load(pki, "etcd-ca")
    proxy_ca = certificates.Authority.create_or_load(pki, "front-proxy-ca")
    certificates.signing_key(pki, "service-accounts")
    etcd_ca.server(pki, "etcd-server")
    etcd_ca.client(pki, "apiserver-etcd", "kube-apiserver")
    names = ("kubernetes", "kubernetes.default", "kubernetes.default.svc")
    own = () if plan.network.is_loopback else (plan.network.server, plan.network.service_of_api)
    ca.server(pki, "apiserver", (*certificates.LOOPBACK, *names, *own))
    ca.client(pki, "apiserver-kubelet", KUBELET_CLIENT)
    proxy_ca.client(pki, "front-proxy", "front-proxy-client")
    for name in (components.CONTROLLER_MANAGER, components.SCHEDULER):
        ca.server(pki, name)
        client = ca.client(pki, f"{name}-client", f"system:{name}")
        kubeconfigs.write(
            plan.kubeconfig(name),
            cluster=plan.folder.name,
            server=plan.server,
            ca=ca.pair.certificate,
            client=client,
            user=name,
        )
