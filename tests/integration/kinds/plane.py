"""What does a governed API server look like to a test? Our CRDs, roles and policies, and a persona for everyone.

One control plane for the whole run. The files are applied as they lie in the repository, with kubectl, as a person
would. It must not know what a particular test asks.
"""

import itertools
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import pytest

from hack.cluster import build, components, controlplane, progress, settings
from tests.integration.kinds import api

ROOT = Path(__file__).resolve().parents[3]
OPERATOR = "system:serviceaccount:keelstep-system:keelstep-operator"
MASTERS = ("system:masters",)
"""The group that RBAC lets do everything, so that only schemas and policies can refuse."""
DEADLINE_SECONDS = 60.0

Answered = TypeVar("Answered")


class Governed:
    """A control plane with our CRDs, roles and policies, all in force."""

    def __init__(self, *planes: controlplane.ControlPlane) -> None:
        self.plane = planes[0]
        self._planes = planes
        self._personas: dict[tuple[str, tuple[str, ...]], api.Persona] = {}
        self._numbers = itertools.count(1)

    def persona(self, user: str, groups: Sequence[str] = ()) -> api.Persona:
        """Someone with a client certificate: this user, in these groups."""
        key = (user, tuple(groups))
        if key not in self._personas:
            self._personas[key] = api.Persona(self.plane.kubeconfig_for(user, groups))
        return self._personas[key]

    @property
    def admin(self) -> api.Persona:
        """A person who may do everything that no policy refuses."""
        return self.persona("admin", MASTERS)

    @property
    def operator(self) -> api.Persona:
        """The operator's identity, with every right: what it sets up is not the matter of the test."""
        return self.persona(OPERATOR, MASTERS)

    def namespace(self) -> str:
        """A fresh namespace of the test's own."""
        name = f"t{next(self._numbers)}"
        manifest = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
        answer = self.admin.create(manifest)
        assert answer.is_ok, answer.message
        return name

    def place(self, manifest: api.Object) -> api.Object:
        """Bring an object about as it comes about in reality, whatever the policies say to shortcuts.

        The operator creates it, each approver adds their own decision, the operator writes the status.
        """
        if manifest["kind"] == "ConfigMap":  # of the platform team, who is nobody's operator
            answer = self.admin.create(manifest)
            assert answer.is_ok, answer.message
            return answer.body
        decisions = manifest["spec"].get("decisions", [])
        bare = api.merge(manifest, {"status": None, "spec": {"decisions": None}})
        answer = self.operator.create(bare)
        assert answer.is_ok, answer.message
        for count, decision in enumerate(decisions, start=1):
            approver = self.persona(decision["approver"], MASTERS)
            answer = approver.patch(manifest, {"spec": {"decisions": decisions[:count]}})
            assert answer.is_ok, answer.message
        if "status" in manifest:
            answer = self.operator.patch(manifest, {"status": manifest["status"]}, subresource="status")
            assert answer.is_ok, answer.message
        return self.operator.get(manifest).body

    def kubectl(self, *arguments: str, persona: api.Persona | None = None) -> "Spoken":
        """Run the cluster's own kubectl as a persona, by default the admin."""
        who = persona or self.admin
        done = subprocess.run(
            [str(self.plane.kubectl), f"--kubeconfig={who.kubeconfig}", *arguments],
            capture_output=True,
            text=True,
            timeout=2 * DEADLINE_SECONDS,
            check=False,
        )
        return Spoken(done.returncode, done.stdout, done.stderr)

    def close(self) -> None:
        """Close every persona's connections and stop what was started for it."""
        for persona in self._personas.values():
            persona.close()
        for plane in self._planes:
            plane.stop()


@dataclass(frozen=True, slots=True)
class Spoken:
    """What kubectl said."""

    status: int
    stdout: str
    stderr: str

    @property
    def output(self) -> str:
        """What it printed; the test fails here if kubectl did not succeed."""
        assert self.status == 0, self.stderr
        return self.stdout

    @property
    def error(self) -> str:
        """Why it failed; the test fails here if kubectl succeeded."""
        assert self.status != 0, self.stdout
        return self.stderr


def until(holds: Callable[[], Answered], what: str) -> Answered:
    """Ask again until the answer is true and return it; the deadline's message says what was awaited."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not (answer := holds()):
        assert time.monotonic() < deadline, f"not within {DEADLINE_SECONDS:.0f} s: {what}"
        time.sleep(0.02)  # between two questions, not instead of one
    return answer


def start(folder: Path) -> Governed:
    """Start a control plane in `folder` and apply our CRDs, roles and policies.

    Policies are enforced about a second later; whoever depends on one must wait for it.
    """
    programs = build.ensure(settings.read(), shown=progress.Progress())
    servers = (components.ETCD, components.APISERVER)
    # The controllers come last: they learn of kinds when they start, and again only every 30 s.
    first = controlplane.start(folder, programs, names=servers)
    try:
        _install(Governed(first))
        whole = controlplane.start(folder, programs, names=(*servers, components.CONTROLLER_MANAGER))
    except BaseException:
        first.stop()
        raise
    return Governed(whole, first)


def _install(bare: Governed) -> None:
    folders = [f"--filename={ROOT / name}" for name in ("crds", "policies/rbac", "policies/admission")]
    assert bare.kubectl("apply", "--server-side", *folders).output
    established = ("--for=condition=Established", "--timeout=60s", f"--filename={ROOT / 'crds'}")
    assert bare.kubectl("wait", *established).output


_STARTED = pytest.StashKey[Governed]()


@pytest.fixture(scope="session")
def governed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Governed:
    """The one governed control plane of the run, whichever folder's tests ask first."""
    config = request.config
    if _STARTED not in config.stash:
        config.stash[_STARTED] = start(tmp_path_factory.mktemp("governed"))
        config.add_cleanup(config.stash[_STARTED].close)
    return config.stash[_STARTED]


@pytest.fixture
def namespace(governed: Governed) -> str:
    """A namespace of the test's own."""
    return governed.namespace()
