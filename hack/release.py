"""What is a release installed on? A cluster of its own with a containerd node, its images, volumes, and nothing else.

Everything is done as a platform team does it: helm and kubectl. Pod Security `restricted` is enforced in every
namespace. Two releases are kept apart by their charts' versions and their images' tags. Tests and benches start here.
"""

import base64
import io
import json
import os
import subprocess
import sys
import tarfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from hack import helm
from hack.cluster import build, controlplane, guardian, lifecycle, processes, progress, settings
from hack.cluster import programs as definitions
from hack.cluster.containerd import images as node_images
from hack.cluster.containerd import namespaces as node_namespaces
from hack.helm import Helm
from hack.local.kubectl import CommandError, Kubectl
from keelstep.events import clock

SYSTEM, TENANT = "keelstep-system", "refunds"
RESTRICTED = "pod-security.kubernetes.io/enforce=restricted"
BEFORE, NOW = "0.0.9", "0.1.0"
"""The versions of the release that is upgraded from, and of this one."""
COMMIT_BEFORE = "1c0782817042309801b27a8112f0d72485bf6015"
"""Whose charts and programs are the release before until there are two: the first that `make e2e` installed."""
WAIT_SECONDS = 180.0
POLL_SECONDS = 0.1
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """What a Pod has used up to a moment."""

    at: int
    """Nanoseconds since 1970."""
    cpu_ns: int
    """Since it began."""
    resident_bytes: int
    working_set_bytes: int
    """What the kubelet looks at when memory is short: resident, and the files that it reads and maps."""


@dataclass(slots=True, kw_only=True)
class Scene:
    """A cluster, and how to act on it."""

    status: lifecycle.Status
    folder: Path
    helm: Helm
    before: Path | None = None
    """The sources of the release before, where something is upgraded."""
    timings: dict[str, float] = field(default_factory=dict)
    """What took how long, in seconds, by what it was."""

    def person(self, name: str) -> Kubectl:
        """kubectl as somebody with a client certificate; `admin` may do everything."""
        plane = controlplane.find(self.status.folder)
        assert plane is not None
        groups = ("system:masters",) if name == "admin" else ()
        kubeconfig = plane.kubeconfig_for(name, groups)
        return Kubectl(
            binary=self.status.kubectl, kubeconfig=kubeconfig, persona=name, show=lambda line: None
        )

    @property
    def admin(self) -> Kubectl:
        """Who installs."""
        return self.person("admin")

    def chart(self, name: str, version: str) -> Path:
        """A chart as a release of this version has it."""
        target = self.folder / "charts"
        packaged = target / f"{name}-{version}.tgz"
        if not packaged.exists():
            source = self._charts(version) / name
            self.helm.run(
                "package", str(source), "--version", version, "--app-version", version, "-d", str(target)
            )
        return packaged

    def install(self, version: str, *words: str) -> None:
        """`helm upgrade --install` of keelstep and its kinds, in their versions of one release."""
        for name in ("keelstep-crds", "keelstep"):
            values = (
                ()
                if name == "keelstep-crds"
                else ("--values", str(self._charts(version) / "keelstep-example" / "keelstep.yaml"))
            )
            self.helm.run(
                "upgrade", "--install", name, str(self.chart(name, version)), "-n", SYSTEM, *values, *words
            )

    def _charts(self, version: str) -> Path:
        if version == BEFORE:
            assert self.before is not None, "there is no release before"
            return self.before / "charts"
        return helm.CHARTS

    def install_example(self, version: str) -> None:
        """`helm install` of the example, in the tenant's namespace."""
        chart = str(self.chart("keelstep-example", version))
        self.helm.run("upgrade", "--install", TENANT, chart, "-n", TENANT)

    def uninstall(self) -> None:
        """`helm uninstall` of keelstep and its kinds."""
        for name in ("keelstep", "keelstep-crds"):
            self.helm.run("uninstall", name, "-n", SYSTEM, "--wait")

    def ask(self, template: str, name: str) -> None:
        """Ask as demo-requester for a run of the example's, under another name."""
        file = settings.REPOSITORY / "examples" / "refund" / "manifests" / "executions.yaml"
        found = {each["metadata"]["name"]: each for each in yaml.safe_load_all(file.read_text())}
        manifest = {**found[template], "metadata": {"name": name, "namespace": TENANT}}
        self.person("demo-requester").run("create", "-f", "-", stdin=yaml.safe_dump(manifest))

    def run_status(self, name: str) -> Any:
        """An execution's status."""
        try:
            return self.admin.get("execution", name, "-n", TENANT).get("status", {})
        except CommandError:
            return {}

    def until_phase(self, name: str, *phases: str) -> Any:
        """Wait until an execution is in one of these phases; its status."""

        def reached() -> Any:
            found = self.run_status(name)
            return found if found.get("phase") in phases else None

        return self.until(f"{name} to be {' or '.join(phases)}", reached, lambda: self.run_status(name))

    def until_gate(self, name: str) -> Any:
        """Wait for an execution's pending gate."""

        def pending() -> Any:
            for gate in self.admin.get("approvalgates", "-n", TENANT)["items"]:
                asks = gate["spec"]["executionRef"]["name"] == name
                if asks and gate.get("status", {}).get("phase") == "Pending":
                    return gate
            return None

        return self.until(f"{name} to ask a person", pending, lambda: self.run_status(name))

    def approve(self, gate: Any, *, as_: str = "grace") -> None:
        """Decide a gate with plain kubectl."""
        decision = {"verdict": "Approved", "approver": as_, "reason": "the photo shows the leak"}
        patch = json.dumps([{"op": "add", "path": "/spec/decisions/-", "value": decision}])
        self.person(as_).run(
            "patch", "approvalgate", gate["metadata"]["name"], "-n", TENANT, "--type=json", "-p", patch
        )

    def until(
        self,
        what: str,
        holds: Callable[[], Any],
        described: Callable[[], object] = lambda: "",
        seconds: float = WAIT_SECONDS,
    ) -> Any:
        """Wait for a condition; what it holds.

        Raises:
            AssertionError: it did not hold in time; says what stood there.
        """
        deadline = time.monotonic() + seconds
        while not (found := holds()):
            if time.monotonic() > deadline:
                raise AssertionError(f"waited {seconds:.0f} s for {what}; {described()}\n{self.told()}")
            time.sleep(POLL_SECONDS)
        return found

    def told(self) -> str:
        """What a person would look at first where something does not happen."""
        pods = self.admin.run("get", "pods", "-A", "-o", "wide")
        events = self.admin.run("get", "events", "-A", "--sort-by=.lastTimestamp").splitlines()[-20:]
        return "\n".join([pods, *events])

    @contextmanager
    def timed(self, what: str) -> Iterator[None]:
        """Keep how long the block takes."""
        begun = time.monotonic()
        yield
        self.timings[what] = time.monotonic() - begun

    def shop(self, method: str, path: str, body: Any = None) -> Any:
        """Ask the shop something, at its Service's address."""
        service = self.admin.get("service", "shop", "-n", TENANT)
        secret = self.admin.get("secret", "keelstep-credentials", "-n", TENANT)
        token = base64.b64decode(secret["data"]["shop-token"]).decode()
        request = urllib.request.Request(
            f"http://{service['spec']['clusterIP']}:8080{path}",
            method=method,
            data=json.dumps(body).encode() if body is not None else None,
            headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
        )
        with _OPENER.open(request, timeout=10) as reply:
            return json.load(reply)

    def refunds(self) -> list[Any]:
        """Refunds in the shop's own books."""
        return [each for each in self.shop("GET", "/ledger")["bookings"] if each["kind"] == "refund"]

    def uses(self) -> dict[str, Use]:
        """What each Pod of ours uses, as the kubelet counts it every ten seconds or so; by its name."""
        (node,) = self.admin.get("nodes")["items"]
        path = f"/api/v1/nodes/{node['metadata']['name']}/proxy/stats/summary"
        found = json.loads(self.admin.run("get", "--raw", path))["pods"]
        return {
            pod["podRef"]["name"]: Use(
                at=clock.parse(pod["cpu"]["time"]),
                cpu_ns=pod["cpu"]["usageCoreNanoSeconds"],
                resident_bytes=pod["memory"]["rssBytes"],
                working_set_bytes=pod["memory"]["workingSetBytes"],
            )
            for pod in found
            if pod["podRef"]["namespace"] == SYSTEM and "usageCoreNanoSeconds" in pod.get("cpu", {})
        }

    def into_node(self) -> list[str]:
        """What to put before a command so that it runs in the node, among its interfaces and rules.

        Raises:
            AssertionError: the node has ended.
        """
        first = node_namespaces.find(processes.Records(self.status.folder / "processes"))
        assert first is not None, "the node has ended"
        return node_namespaces.enter(first)

    def until_available(self) -> None:
        """Wait until every program is."""
        words = ("--for=condition=Available", "deployment", "--all", "-n", SYSTEM, "--timeout=180s")
        self.admin.run("wait", *words)


def sources_before(folder: Path) -> Path | None:
    """The sources of the release before, in this folder; None where this clone has not so much of its past."""
    packed = subprocess.run(
        ["git", "archive", os.environ.get("KEELSTEP_RELEASE_BEFORE", COMMIT_BEFORE)],
        cwd=settings.REPOSITORY,
        capture_output=True,
        check=False,
    )
    if packed.returncode:
        return None
    with tarfile.open(fileobj=io.BytesIO(packed.stdout)) as sources:
        sources.extractall(folder, filter="data")
    return folder


def images(sources: Path, folder: Path, tag: str, shown: progress.Progress) -> list[Path]:
    """Archives of every image, built of these sources by their own rules.

    Raises:
        subprocess.CalledProcessError: they could not be built; standard error says why.
    """
    command = [sys.executable, "-m", "hack.images"]
    with shown.step(f"Building every image of release {tag}"):
        for words in (("build",), ("save", str(folder))):
            subprocess.run([*command, *words, "--tag", tag], cwd=sources, stdout=subprocess.PIPE, check=True)
    return sorted(folder.glob("*.tar"))


@contextmanager
def staged(
    configured: settings.Settings,
    folder: Path,
    archives: Sequence[Path],
    shown: progress.Progress,
    before: Path | None = None,
) -> Iterator[Scene]:
    """A cluster with a containerd node, the images of these archives, volumes, and two namespaces; ended with the block."""
    build.ensure(configured, definitions.CONTROL_PLANE + definitions.CONTAINERD_NODE, shown)
    up = lifecycle.up(configured, "release", "containerd", shown)
    guarded = guardian.Guardian([part.pid for part in up.parts if part.pid])
    try:
        for archive in archives:
            node_images.load(up.folder, archive)
        tool = Helm.ensure(folder / "helm", up.kubeconfig)
        scene = Scene(status=up, folder=folder, helm=tool, before=before)
        _furnish(scene)
        yield scene
    finally:
        guarded.dismiss()
        lifecycle.down(configured, "release", shown)


def _furnish(scene: Scene) -> None:
    """Namespaces, and a volume for each claim to come: this cluster makes none by itself."""
    admin = scene.admin
    for namespace in (SYSTEM, TENANT):
        admin.run("create", "namespace", namespace)
    admin.run("label", "namespace", "--all", RESTRICTED)
    (node,) = admin.get("nodes")["items"]
    for name in ("one", "two", "three"):
        place = scene.folder / "volumes" / name
        place.mkdir(parents=True)
        place.chmod(0o777)
        admin.run("create", "-f", "-", stdin=json.dumps(_volume(name, place, node["metadata"]["name"])))


def _volume(name: str, place: Path, node: str) -> dict[str, Any]:
    on_node = {"key": "kubernetes.io/hostname", "operator": "In", "values": [node]}
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": name},
        "spec": {
            "capacity": {"storage": "10Gi"},
            "accessModes": ["ReadWriteOnce"],
            "persistentVolumeReclaimPolicy": "Retain",
            "local": {"path": str(place)},
            "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [on_node]}]}},
        },
    }
