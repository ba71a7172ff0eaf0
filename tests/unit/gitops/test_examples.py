"""Do the files of `examples/gitops` name the same people, places and paths?"""

from typing import Any

import yaml

from keelstep import kinds
from tests.unit.gitops import health


def _read(path: str, kind: str) -> dict[str, Any]:
    documents = yaml.safe_load_all((health.GITOPS / path).read_text())
    found: dict[str, Any] = next(document for document in documents if document["kind"] == kind)
    return found


ACCOUNT = _read("tenant/access.yaml", "ServiceAccount")["metadata"]


def test_argo_cd_applies_as_the_tenants_service_account() -> None:
    """Not as its own, which may do everything, createfor and approve included."""
    project = _read("argocd/application.yaml", "AppProject")["spec"]
    (impersonated,) = project["destinationServiceAccounts"]
    assert impersonated["namespace"] == ACCOUNT["namespace"]
    assert impersonated["defaultServiceAccount"] == ACCOUNT["name"]


def test_flux_applies_as_the_tenants_service_account() -> None:
    """The Kustomization runs in the tenant's namespace, as its account."""
    kustomization = _read("flux/kustomization.yaml", "Kustomization")
    assert kustomization["metadata"]["namespace"] == ACCOUNT["namespace"]
    assert kustomization["spec"]["serviceAccountName"] == ACCOUNT["name"]


def test_both_sync_a_folder_that_exists() -> None:
    """The path is that of the overlay."""
    argocd = _read("argocd/application.yaml", "Application")["spec"]["source"]["path"]
    flux = _read("flux/kustomization.yaml", "Kustomization")["spec"]["path"]
    assert argocd == flux.removeprefix("./")
    assert (health.ROOT / argocd / "kustomization.yaml").is_file()


def test_argo_cd_may_sync_every_kind_that_people_write_and_no_gate() -> None:
    """An ApprovalGate in Git would be refused by admission; here it is not even tried."""
    project = _read("argocd/application.yaml", "AppProject")["spec"]
    allowed = {entry["kind"] for entry in project["namespaceResourceWhitelist"]}
    assert allowed == {kind.crd.kind for kind in kinds.KINDS} - {"ApprovalGate"}


def test_the_health_of_every_kind_is_configured() -> None:
    """A kind that is added needs a health check."""
    keys = {f"resource.customizations.health.keelstep.io_{kind.crd.kind}" for kind in kinds.KINDS}
    assert _read("argocd/health.yaml", "ConfigMap")["data"].keys() == keys
