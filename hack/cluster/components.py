"""With which flags does each program of the control plane run? Pure: paths and ports in, argv out.

Starts nothing; every flag that is not a mere path says why it is there.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from hack.cluster import addresses, certificates

ETCD, APISERVER = "etcd", "kube-apiserver"
CONTROLLER_MANAGER, SCHEDULER = "kube-controller-manager", "kube-scheduler"
CONTROL_PLANE = (ETCD, APISERVER, CONTROLLER_MANAGER, SCHEDULER)
"""In the order in which they start; they stop in the reverse order."""

PORTS = ("etcd", "etcd-peer", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet")
"""Every port a cluster holds, by the name it is recorded under."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """All that the command lines of one control plane depend on."""

    folder: Path
    programs: Mapping[str, Path]
    ports: Mapping[str, int]
    is_durable: bool
    """False only for tests: etcd then skips fsync and loses data if the machine stops."""
    network: addresses.Network = addresses.LOOPBACK

    def pair(self, name: str) -> certificates.Pair:
        """Name the files of a certificate that `Identities` made."""
        pki = self.folder / "pki"
        return certificates.Pair(certificate=pki / f"{name}.crt", key=pki / f"{name}.key")

    def kubeconfig(self, name: str) -> Path:
        """Name the kubeconfig of one of our own components."""
        return self.folder / "pki" / f"{name}.kubeconfig"

    @property
    def server(self) -> str:
        """The URL of the API server."""
        return f"https://{self.network.server}:{self.ports['kube-apiserver']}"


def build_argv(name: str, plan: Plan) -> list[str]:
    """Build the command line of a component."""
    flags = {
        ETCD: _etcd,
        APISERVER: _apiserver,
        CONTROLLER_MANAGER: _controller_manager,
        SCHEDULER: _scheduler,
    }[name](plan)
    return [
        str(plan.programs[name]),
        *(f"--{flag}" if value is None else f"--{flag}={value}" for flag, value in flags.items()),
    ]


Flags = dict[str, object]


def _etcd(plan: Plan) -> Flags:
    client = f"https://127.0.0.1:{plan.ports['etcd']}"
    peer = f"https://127.0.0.1:{plan.ports['etcd-peer']}"
    authority, served = plan.pair("etcd-ca").certificate, plan.pair("etcd-server")
    flags: Flags = {
        "name": "keelstep",
        "data-dir": plan.folder / "etcd",
        "listen-client-urls": client,
        "advertise-client-urls": client,
        "listen-peer-urls": peer,
        "initial-advertise-peer-urls": peer,
        "initial-cluster": f"keelstep={peer}",
        # Whoever reads etcd reads every Secret: other users of this machine need a certificate.
        "client-cert-auth": None,
        "trusted-ca-file": authority,
        "cert-file": served.certificate,
        "key-file": served.key,
        "peer-client-cert-auth": None,
        "peer-trusted-ca-file": authority,
        "peer-cert-file": served.certificate,
        "peer-key-file": served.key,
        "log-level": "warn",
    }
    return flags if plan.is_durable else flags | {"unsafe-no-fsync": None}


def _apiserver(plan: Plan) -> Flags:
    served, to_etcd = plan.pair("apiserver"), plan.pair("apiserver-etcd")
    to_kubelet, as_proxy = plan.pair("apiserver-kubelet"), plan.pair("front-proxy")
    return {
        "bind-address": plan.network.server,
        # A machine without any network has no other address to advertise than 127.0.0.1.
        "advertise-address": plan.network.server,
        "secure-port": plan.ports["kube-apiserver"],
        "tls-cert-file": served.certificate,
        "tls-private-key-file": served.key,
        "client-ca-file": plan.pair("ca").certificate,
        "etcd-servers": f"https://127.0.0.1:{plan.ports['etcd']}",
        "etcd-cafile": plan.pair("etcd-ca").certificate,
        "etcd-certfile": to_etcd.certificate,
        "etcd-keyfile": to_etcd.key,
        "authorization-mode": "Node,RBAC",
        "enable-admission-plugins": "NodeRestriction",
        "allow-privileged": "true",
        # A loopback address is not allowed in Endpoints; nothing reads them without kube-proxy.
        "endpoint-reconciler-type": "none" if plan.network.is_loopback else "lease",
        "service-cluster-ip-range": plan.network.services,
        "service-account-issuer": "https://kubernetes.default.svc.cluster.local",
        "service-account-key-file": plan.folder / "pki" / "service-accounts.pub",
        "service-account-signing-key-file": plan.folder / "pki" / "service-accounts.key",
        "kubelet-certificate-authority": plan.pair("ca").certificate,
        "kubelet-client-certificate": to_kubelet.certificate,
        "kubelet-client-key": to_kubelet.key,
        # Otherwise `kubectl logs` looks the node's name up in DNS.
        "kubelet-preferred-address-types": "InternalIP",
        # Aggregated API servers: they believe X-Remote-User from this certificate alone.
        "requestheader-client-ca-file": plan.pair("front-proxy-ca").certificate,
        "requestheader-allowed-names": "front-proxy-client",
        "requestheader-username-headers": "X-Remote-User",
        "requestheader-group-headers": "X-Remote-Group",
        "requestheader-extra-headers-prefix": "X-Remote-Extra-",
        "proxy-client-cert-file": as_proxy.certificate,
        "proxy-client-key-file": as_proxy.key,
        # Told to end, it would wait a minute for whoever watches to go, and be killed meanwhile.
        "shutdown-watch-termination-grace-period": "1s",
        "profiling": "false",
    }


def _controller_manager(plan: Plan) -> Flags:
    authority = plan.pair("ca")
    flags: Flags = _talks_to_apiserver(plan, CONTROLLER_MANAGER) | {
        # Without it every controller would act as one user, which RBAC grants almost nothing.
        "use-service-account-credentials": "true",
        # The default of 20 requests a second makes thirty controllers take four seconds to start.
        "kube-api-qps": 300,
        "kube-api-burst": 600,
        "root-ca-file": authority.certificate,
        "service-account-private-key-file": plan.folder / "pki" / "service-accounts.key",
        # By default it makes a folder below /usr.
        "flex-volume-plugin-dir": plan.folder / "volume-plugins",
    }
    # Each of four signers watches both files by an inotify instance, of which a user has 128 by default; without a
    # kubelet nobody asks for a certificate.
    signing = {"cluster-signing-cert-file": authority.certificate, "cluster-signing-key-file": authority.key}
    return flags if plan.network.is_loopback else flags | signing


def _scheduler(plan: Plan) -> Flags:
    return _talks_to_apiserver(plan, SCHEDULER)


def _talks_to_apiserver(plan: Plan, name: str) -> Flags:
    kubeconfig, served = plan.kubeconfig(name), plan.pair(name)
    return {
        "kubeconfig": kubeconfig,
        "authentication-kubeconfig": kubeconfig,
        "authorization-kubeconfig": kubeconfig,
        "bind-address": "127.0.0.1",
        "secure-port": plan.ports[name],
        "tls-cert-file": served.certificate,
        "tls-private-key-file": served.key,
        # There is one of each: nobody to elect, and a start without waiting for a lease.
        "leader-elect": "false",
        "profiling": "false",
    }
