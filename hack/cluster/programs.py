"""Which programs is a cluster made of, and how is each compiled?

Pure data and digests: what is built, never how a build runs (that is `build`).
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

KUBERNETES_VERSION = "1.35.4"
"""The version `gomod/kubernetes` pins; stamped into the programs, else they report v0.0.0."""

ETCD_VERSION = "3.6.5"
"""The version `gomod/etcd` pins."""

COREDNS_VERSION = "1.12.4"
"""The version `gomod/node` pins."""

PROMETHEUS_VERSION = "3.11.3"
"""The version `gomod/prometheus` pins: recent, and compiled by Go 1.25."""

HELM_VERSION = "4.1.4"
"""The version `gomod/helm` pins: the newest that Go 1.25 compiles."""

GOMOD = Path(__file__).parent / "gomod"


def _kubernetes_stamps() -> str:
    major, minor, _ = KUBERNETES_VERSION.split(".")
    values = {
        "gitVersion": f"v{KUBERNETES_VERSION}",
        "gitMajor": major,
        "gitMinor": minor,
        "gitTreeState": "clean",
    }
    stamped = ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
    return " ".join(f"-X {package}.{k}={v}" for package in stamped for k, v in values.items())


@dataclass(frozen=True, slots=True, kw_only=True)
class Module:
    """A Go module of ours whose go.sum pins everything that its programs are compiled from."""

    name: str
    folder: Path
    packages: tuple[tuple[str, str], ...]
    """(program, import path of its main package)."""
    ldflags: str
    tags: str = ""
    """Build tags, separated by commas."""

    def digest(self, toolchain: str) -> str:
        """Name a build by all that decides its bytes: module files, our own sources, flags and toolchain."""
        told = hashlib.sha256()
        for part in (
            (self.folder / "go.mod").read_bytes(),
            (self.folder / "go.sum").read_bytes(),
            *(source.read_bytes() for source in sorted(self.folder.rglob("*.go"))),
            self.ldflags.encode(),
            toolchain.encode(),
            *((self.tags.encode(),) if self.tags else ()),
        ):
            told.update(len(part).to_bytes(8, "big") + part)
        return told.hexdigest()[:24]


MODULES = (
    Module(
        name=f"etcd {ETCD_VERSION}",
        folder=GOMOD / "etcd",
        packages=(("etcd", "go.etcd.io/etcd/server/v3"),),
        ldflags="-s -w",
    ),
    Module(
        name=f"Kubernetes {KUBERNETES_VERSION}",
        folder=GOMOD / "kubernetes",
        packages=(
            ("kube-apiserver", "k8s.io/kubernetes/cmd/kube-apiserver"),
            ("kube-controller-manager", "k8s.io/kubernetes/cmd/kube-controller-manager"),
            ("kube-scheduler", "k8s.io/kubernetes/cmd/kube-scheduler"),
            ("kubectl", "k8s.io/kubernetes/cmd/kubectl"),
            ("kubelet", "k8s.io/kubernetes/cmd/kubelet"),
            ("kube-proxy", "k8s.io/kubernetes/cmd/kube-proxy"),
        ),
        ldflags=f"-s -w {_kubernetes_stamps()}",
    ),
    Module(
        name=f"CoreDNS {COREDNS_VERSION}",
        folder=GOMOD / "node",
        packages=(
            ("coredns", "keelstep.io/hack/cluster/node/coredns"),
            ("pause", "keelstep.io/hack/cluster/node/pause"),
            ("probe", "keelstep.io/hack/cluster/node/probe"),
        ),
        ldflags="-s -w",
    ),
    Module(
        name=f"Prometheus {PROMETHEUS_VERSION}",
        folder=GOMOD / "prometheus",
        packages=(
            ("prometheus", "github.com/prometheus/prometheus/cmd/prometheus"),
            ("promtool", "github.com/prometheus/prometheus/cmd/promtool"),
        ),
        ldflags=f"-s -w -X github.com/prometheus/common/version.Version={PROMETHEUS_VERSION}",
        # Without it every cloud's client library is compiled in, to discover machines that we have none of.
        tags="remove_all_sd",
    ),
    Module(
        name=f"Helm {HELM_VERSION}",
        folder=GOMOD / "helm",
        packages=(("helm", "helm.sh/helm/v4/cmd/helm"),),
        ldflags=f"-s -w -X helm.sh/helm/v4/internal/version.version=v{HELM_VERSION}",
    ),
)


def wanted(names: Sequence[str]) -> list[tuple[Module, dict[str, str]]]:
    """Pick the modules that hold the named programs, each with its `{program: package}`."""
    picked = [(m, {p: path for p, path in m.packages if p in names}) for m in MODULES]
    return [(module, packages) for module, packages in picked if packages]


CONTROL_PLANE = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubectl")
"""What every cluster needs, whatever its node."""

PROBE = ("probe",)
"""What tests run in Pods."""

MONITORING = ("prometheus", "promtool")
"""What tests of alerts and dashboards run; no cluster needs it."""

HELM = ("helm",)
"""What installs our charts; no cluster needs it."""

CONTAINERD_NODE = ("kubelet", "kube-proxy", "coredns", "pause")
"""What a containerd node needs beside what the system's packages bring."""
