"""Does each role give the rights it is for, and none besides?"""

from typing import Any

import pytest
import yaml

from tests.integration.kinds import plane
from tests.integration.policies import samples

TABLE: dict[str, dict[str, Any]] = yaml.safe_load((samples.FOLDER / "roles.yaml").read_text())
RESOURCES = sorted(
    {resource for role in TABLE.values() for resource in role["may"]}
    | {"/pods/exec", "/pods/log", "/configmaps", "/nodes", "/serviceaccounts/token"}
    | {"rbac.authorization.k8s.io/rolebindings", "rbac.authorization.k8s.io/clusterroles"}
    | {"admissionregistration.k8s.io/validatingadmissionpolicies", "coordination.k8s.io/leases"}
)
VERBS = (
    *("get", "list", "watch", "create", "update", "patch", "delete", "deletecollection"),
    *("approve", "createfor", "govern", "bind", "escalate", "impersonate"),
)
GRANTED_TO_ALL = {("authentication.k8s.io/selfsubjectreviews", "create")}
"""What Kubernetes itself grants to whoever is authenticated."""


@pytest.mark.parametrize("role", sorted(TABLE))
def test_a_role_gives_exactly_its_rights(role: str, governed: plane.Governed, namespace: str) -> None:
    """Of every verb on every resource in the table, a role's holder may do what its row says and no more."""
    entry = TABLE[role]
    wanted = {(resource, verb) for resource, verbs in entry["may"].items() for verb in verbs}
    if entry["where"] == "cluster":
        user = plane.OPERATOR
    else:
        user = f"holder-of-{role}"
        samples.bind(
            governed, namespace, user, {"kind": "ClusterRole", "name": role}, samples.first_rule(role)
        )
    held = {
        (resource, verb)
        for resource in RESOURCES
        for verb in VERBS
        if samples.may(governed, user, _attributes(resource, verb, namespace))
    }
    assert held - GRANTED_TO_ALL == wanted - GRANTED_TO_ALL


@pytest.mark.parametrize("role", sorted(role for role, entry in TABLE.items() if entry["where"] == "tenant"))
def test_a_tenants_role_ends_at_its_namespace(role: str, governed: plane.Governed, namespace: str) -> None:
    """Who holds a role in one tenant's namespace holds nothing in another's."""
    user = f"holder-of-{role}"
    samples.bind(governed, namespace, user, {"kind": "ClusterRole", "name": role}, samples.first_rule(role))
    elsewhere = governed.namespace()
    for resource, verbs in TABLE[role]["may"].items():
        for verb in verbs:
            assert samples.may(governed, user, _attributes(resource, verb, namespace))
            assert not samples.may(governed, user, _attributes(resource, verb, elsewhere))


def test_every_role_is_in_the_table() -> None:
    """No ClusterRole of ours goes without a row."""
    documents = [d for path in samples.ROLES.glob("*.yaml") for d in yaml.safe_load_all(path.read_text())]
    assert {d["metadata"]["name"] for d in documents if d["kind"] == "ClusterRole"} == TABLE.keys()


def _attributes(resource: str, verb: str, namespace: str) -> dict[str, str]:
    resource, _, name = resource.partition(":")
    group, _, rest = resource.partition("/")
    plural, _, subresource = rest.partition("/")
    return {
        "namespace": namespace,
        "group": group,
        "resource": plural,
        "subresource": subresource,
        "name": name,
        "verb": verb,
    }
