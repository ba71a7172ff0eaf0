"""Can people do their part with nothing but kubectl and their own role?"""

import json

import pytest

from tests.integration.kinds import api, plane
from tests.integration.policies import samples


def _holder(governed: plane.Governed, namespace: str, user: str, role: str) -> api.Persona:
    samples.bind(governed, namespace, user, {"kind": "ClusterRole", "name": role}, samples.first_rule(role))
    return governed.persona(user)


def _patch(approver: str) -> str:
    value = {"verdict": "Approved", "approver": approver, "reason": "photo shows the damage"}
    return json.dumps([{"op": "add", "path": "/spec/decisions/-", "value": value}])


def test_an_approver_decides_with_plain_kubectl(enforced: plane.Governed, namespace: str) -> None:
    """The role approver alone is enough to read a gate and to decide it in one's own name."""
    gate = samples.given("gate", namespace)
    enforced.place(gate)
    grace = _holder(enforced, namespace, "grace@shop.example", "keelstep-approver")
    name, here = gate["metadata"]["name"], f"--namespace={namespace}"
    assert name in enforced.kubectl("get", "gate", here, persona=grace).output
    enforced.kubectl(
        "patch", "gate", name, here, "--type=json", f"--patch={_patch(grace.name)}", persona=grace
    )
    assert [d["approver"] for d in enforced.admin.get(gate).body["spec"]["decisions"]] == [grace.name]


@pytest.mark.parametrize("role", ["keelstep-viewer", "keelstep-author", "keelstep-gateway"])
def test_no_other_role_decides(role: str, enforced: plane.Governed, namespace: str) -> None:
    """Whoever is not an approver is refused."""
    gate = samples.given("gate", namespace)
    enforced.place(gate)
    holder = _holder(enforced, namespace, "kim@shop.example", role)
    patch = ("--type=json", f"--patch={_patch(holder.name)}")
    refused = enforced.kubectl(
        "patch", "gate", gate["metadata"]["name"], f"--namespace={namespace}", *patch, persona=holder
    )
    assert "Forbidden" in refused.error
    assert enforced.admin.get(gate).body["spec"]["decisions"] == []


def test_a_refusal_reads_as_a_sentence_in_kubectl(enforced: plane.Governed, namespace: str) -> None:
    """A person who approves their own run is told why not, on one line and without a stack trace."""
    gate = samples.given("gate", namespace)
    enforced.place(gate)
    ada = _holder(enforced, namespace, "ada@shop.example", "keelstep-approver")
    patch = ("--type=json", f"--patch={_patch(ada.name)}")
    refused = enforced.kubectl(
        "patch", "gate", gate["metadata"]["name"], f"--namespace={namespace}", *patch, persona=ada
    )
    (line,) = refused.error.strip().splitlines()
    assert line.endswith("decisions: ada@shop.example asked for this run and may not decide its gate")


def test_the_gateway_reads_one_secret_and_no_other(enforced: plane.Governed, namespace: str) -> None:
    """A RoleBinding lets the gateway read `keelstep-credentials`, and nothing beside it."""
    for name in ("keelstep-credentials", "another"):
        secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": namespace}}
        assert enforced.admin.create(secret).is_ok
    gateway = _holder(
        enforced, namespace, "system:serviceaccount:keelstep-system:keelstep-gateway", "keelstep-gateway"
    )
    secrets = f"/api/v1/namespaces/{namespace}/secrets"
    assert gateway.fetch(f"{secrets}/keelstep-credentials").is_ok
    assert gateway.fetch(f"{secrets}/another").status == 403
    assert gateway.fetch(secrets).status == 403
    # A watch of one object is a list with a field selector; it ends at its timeout.
    one = f"{secrets}?fieldSelector=metadata.name%3Dkeelstep-credentials&watch=true&timeoutSeconds=1"
    assert gateway.status_of(one) == 200
