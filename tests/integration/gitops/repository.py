"""What does a Git repository of manifests look like to a test, and who applies it?

A copy of `examples/gitops` in a namespace of the test's own, applied with kubectl as Argo CD does it: server-side, under a
field manager of its own, with the tenant's service account and no other right than the example gives it.
"""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import yaml

from tests.integration.kinds import api, plane
from tests.integration.operator import manifests
from tests.integration.operator.stage import Stage
from tests.unit.gitops import health

MANAGER = "argocd-controller"
_APPLYSET = "configmaps/harbour"
"""What `--prune` keeps its list in; it marks what is on it with a label that `diff` does not know."""
_SYNC = ("--server-side", f"--field-manager={MANAGER}", "--force-conflicts")


@dataclass(slots=True)
class Repository:
    """The manifests of one tenant, and the service account that applies them."""

    folder: Path
    tenant: str
    gitops: api.Persona
    governed: plane.Governed

    @property
    def agents(self) -> Path:
        """Where the tenant's own resources stand."""
        return self.folder / "agents"

    @property
    def contract(self) -> api.Object:
        """What books a berth."""
        return self._named("ToolContract", "berth.book")

    @property
    def strategy(self) -> api.Object:
        """The agent."""
        return self._named("AgentStrategy", "pilot")

    @property
    def run(self) -> api.Object:
        """Its one run."""
        return self._named("Execution", "berth-for-aurora")

    def sync(self, *, prune: bool = False) -> None:
        """Apply everything; with `prune`, delete what was applied so before and is no longer there."""
        arguments = [f"--kustomize={self.folder / 'here'}", *_SYNC]
        if prune:
            arguments += [f"--namespace={self.tenant}", "--prune", f"--applyset={_APPLYSET}"]
        assert self._kubectl("apply", *arguments).output

    def is_in_sync(self) -> bool:
        """Whether kubectl sees no difference between Git and the cluster; what differs fails the test."""
        arguments = (f"--kustomize={self.folder / 'here'}", "--server-side", f"--field-manager={MANAGER}")
        said = self._kubectl("diff", *arguments, "--force-conflicts")
        assert said.status == 0, said.stdout + said.stderr
        return True

    def edit(self, file: str, patch: api.Object) -> None:
        """Commit a change to a file of one resource."""
        path = self.agents / file
        changed = api.merge(yaml.safe_load(path.read_text()), patch)
        path.write_text(yaml.safe_dump(changed))

    def leave_out(self, file: str) -> None:
        """Commit that a file is no longer part of it."""
        self._resources(lambda names: [name for name in names if name != file])

    def take_in(self, file: str) -> None:
        """Commit that a file is part of it."""
        self._resources(lambda names: [*names, file])

    def all(self) -> list[api.Object]:
        """Every resource of ours that Git owns, as the API server has it."""
        found = []
        for plural in ("agentstrategies", "toolcontracts", "executions"):
            answer = self.governed.admin.fetch(
                f"/apis/keelstep.io/v1alpha1/namespaces/{self.tenant}/{plural}"
            )
            assert answer.is_ok, answer.message
            found += answer.body["items"]
        return found

    def _resources(self, change: Callable[[list[str]], list[str]]) -> None:
        path = self.agents / "kustomization.yaml"
        known = yaml.safe_load(path.read_text())
        path.write_text(yaml.safe_dump({**known, "resources": change(known["resources"])}))

    def _named(self, kind: str, name: str) -> api.Object:
        metadata = {"name": name, "namespace": self.tenant}
        return {"apiVersion": "keelstep.io/v1alpha1", "kind": kind, "metadata": metadata}

    def _kubectl(self, *arguments: str) -> plane.Spoken:
        return self.governed.kubectl(*arguments, persona=self.gitops)


def clone(stage: Stage, folder: Path) -> Repository:
    """A copy of the example in a fresh namespace, with the example's own service account and roles."""
    shutil.copytree(health.GITOPS, folder)
    tenant = stage.namespace()
    for name, base in (("here", "../production"), ("rights", "../tenant")):
        (folder / name).mkdir()
        overlay = {"namespace": tenant, "resources": [base]}
        (folder / name / "kustomization.yaml").write_text(yaml.safe_dump(overlay))
    assert stage.governed.kubectl("apply", f"--kustomize={folder / 'rights'}").output
    account = f"system:serviceaccount:{tenant}:keelstep-gitops"
    _grant_applyset(stage, tenant, account)
    return Repository(folder, tenant, stage.governed.persona(account), stage.governed)


def _grant_applyset(stage: Stage, tenant: str, account: str) -> None:
    """What kubectl alone needs for its list of what it applied."""
    group = "rbac.authorization.k8s.io"
    rule = {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["create", "get", "patch"]}
    role = manifests.core("Role", tenant, "applyset", rules=[rule])
    binding = manifests.core(
        "RoleBinding",
        tenant,
        "applyset",
        roleRef={"apiGroup": group, "kind": "Role", "name": "applyset"},
        subjects=[{"apiGroup": group, "kind": "User", "name": account}],
    )
    for manifest in (role, binding):
        stage.create({**manifest, "apiVersion": f"{group}/v1"})
