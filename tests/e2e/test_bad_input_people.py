"""What does a person hear who decides what they may not decide? Every refusal is the API server's, on a real gate."""

import functools
from typing import Any

import pytest
import yaml

from hack.local.kubectl import CommandError
from hack.local.world import APPROVER, AUTHOR, REQUESTER, Tenant
from tests.e2e import person

pytestmark = pytest.mark.usefixtures("programs_stay_calm")

OTHER_AMOUNT = {"op": "replace", "path": "/spec/action/args/amount", "value": "18900.00"}

REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "without the verb": (
        {"who": AUTHOR},
        'User "ada" cannot patch resource "approvalgates"',
    ),
    "with the right to patch but without the verb": (
        {"who": "kim"},
        "decisions: kim lacks the verb approve on this gate; the role keelstep-approver has it",
    ),
    "in another's name": (
        {"approver": "linus"},
        "decisions: the approver must be you, grace; nobody decides in another name",
    ),
    "by whoever asked for the run": (
        {"who": REQUESTER},
        "decisions: demo-requester asked for this run and may not decide its gate",
    ),
    "of other arguments": (
        {"also": [OTHER_AMOUNT]},
        "spec: the question is immutable; only decisions may be appended",
    ),
}

_KIM: list[Any] = [
    {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "Role",
        "metadata": {"name": "patches-gates"},
        "rules": [
            {"apiGroups": ["keelstep.io"], "resources": ["approvalgates"], "verbs": ["get", "list", "patch"]}
        ],
    }
]


def binding(name: str, role: str, user: str, kind: str = "ClusterRole") -> Any:
    """Somebody gets a role."""
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": {"name": name},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": role},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user}],
    }


@pytest.fixture(scope="module")
def waiting(shared: Tenant) -> str:
    """A gate that waits. The requester is an approver here too, and kim may patch gates."""
    rules = [
        *_KIM,
        binding("kim", "patches-gates", "kim", "Role"),
        binding("requester-approves", "keelstep-approver", REQUESTER),
    ]
    for each in rules:
        each["metadata"]["namespace"] = shared.name
    shared.apply(shared.admin, rules)
    person.ask(shared, "waits", "Refund order 1071")
    name = str(shared.until_gate("waits")["metadata"]["name"])

    for user in ("kim", REQUESTER):
        shared.until(f"{user} to be known to the authorizer", functools.partial(_yes, shared, user))
    return name


def _yes(tenant: Tenant, user: str) -> bool:
    words = ("auth", "can-i", "patch", "approvalgates", "-n", tenant.name, "--as", user)
    try:
        return tenant.admin.run(*words).strip() == "yes"
    except CommandError:
        return False


@pytest.mark.parametrize("sentence", REFUSED)
def test_an_approval(sentence: str, waiting: str, shared: Tenant) -> None:
    """Refused in one sentence; the gate waits as before and no money moved."""
    how, says = REFUSED[sentence]
    before = shared.refunds()
    who = how.get("who", APPROVER)
    said = person.refusal(shared.person(who), *person.decide(shared, waiting, **how))
    assert says in said
    assert len(said.splitlines()) == 1, said
    gate = shared.get("approvalgates", waiting)
    assert (gate["spec"].get("decisions", []), gate["status"]["phase"]) == ([], "Pending")
    assert shared.refunds() == before


def test_an_approval_counts_once(tenant: Tenant) -> None:
    """The same person again, and another one after it, are refused; one refund is booked."""
    before = len(tenant.refunds())
    person.ask(tenant, "once", "Refund order 1071")
    gate = tenant.until_gate("once")
    name = gate["metadata"]["name"]
    tenant.answer(gate, "Approved")
    said = person.refusal(tenant.person(APPROVER), *person.decide(tenant, name))
    assert "each approver decides once" in said or "this gate is Approved; it takes no more decisions" in said
    tenant.until_phase("once", "Succeeded", "Failed")
    late = person.refusal(tenant.admin, *person.decide(tenant, name, who="admin"))
    assert "decisions: this gate is Approved; it takes no more decisions" in late
    typed = person.keelstep(tenant, "gate", "approve", name)
    assert (typed.status, typed.output) == (4, "")
    assert typed.complaint == f"keelstep: gate {name} is Approved; it takes no more decisions\n"
    assert len(tenant.refunds()) - before == 1


def test_an_approval_after_expiry_is_refused_and_nothing_is_done(tenant: Tenant) -> None:
    """Expiry means no: the run goes on without the refund, and says that nobody answered."""
    refund = next(
        each for each in tenant.manifests("contracts.yaml") if each["metadata"]["name"] == "refund.issue"
    )
    hasty = person.changed(refund, "refund.issue", {"approval": {"deadlineSeconds": 1}})
    tenant.apply(tenant.person(AUTHOR), [hasty])

    def is_known() -> bool:
        found = tenant.get("toolcontracts", "refund.issue")
        return bool(found["status"].get("observedGeneration") == found["metadata"]["generation"])

    tenant.until("the changed contract to be known", is_known)
    before = tenant.refunds()
    person.ask(tenant, "late", "Refund order 1071")

    def expired() -> Any:
        return next(
            (each for each in tenant.items("approvalgates") if each["status"].get("phase") == "Expired"), None
        )

    gate = tenant.until("the gate to expire", expired)
    said = person.refusal(tenant.person(APPROVER), *person.decide(tenant, gate["metadata"]["name"]))
    assert "decisions: this gate is Expired; it takes no more decisions" in said
    tenant.until_phase("late", "Succeeded", "Failed")
    results = person.of_type(person.log(tenant, "late"), "tool.result")
    denied = next(each for each in results if each["tool"] == "refund.issue")
    assert (denied["status"], denied["error"]["reason"]) == ("denied", "GateExpired")
    assert tenant.refunds() == before


def test_a_gate_made_in_advance_is_refused(waiting: str, shared: Tenant) -> None:
    """Not even an administrator makes a gate: an approval that nobody asked for cannot be lying about."""
    forged = shared.get("approvalgates", waiting)
    forged = {
        "apiVersion": forged["apiVersion"],
        "kind": forged["kind"],
        "metadata": {"name": "waits-g99", "namespace": shared.name},
        "spec": forged["spec"],
    }
    said = person.refusal(shared.admin, "create", "-f", "-", stdin=yaml.safe_dump(forged))
    assert "approvalgates: only the operator creates a gate" in said


def test_a_name_in_use_is_refused_for_another_question(waiting: str, shared: Tenant) -> None:
    """Applied again with another goal: the API server refuses; by the CLI: exit 4. The run goes on as it was."""
    other = yaml.safe_dump(person.execution(shared, "waits", "Answer in prose"))
    said = person.refusal(shared.person(REQUESTER), "apply", "-f", "-", stdin=other)
    assert "spec: what was asked is immutable" in said
    words = ("run", "support-agent", "--goal", "Answer in prose", "--input", "customer_name=Lena")
    typed = person.keelstep(shared, *words, "--name", "waits")
    assert typed.status == 4
    assert 'executions.keelstep.io "waits" already exists' in typed.complaint
    assert shared.status("waits")["gate"] == waiting
