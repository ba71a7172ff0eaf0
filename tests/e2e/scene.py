"""Which runs stand there when something is lost? One in every state, and what a person knows of each.

Finished, killed, parked before a person twice, and one whose call the shop has booked and not yet answered.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from hack.local.kubectl import Kubectl
from hack.local.platform import Platform
from hack.local.world import AUTHOR, REQUESTER, Tenant
from tests.e2e import person, record
from tests.e2e.test_bad_input_people import binding

FINISHED, KILLED, WAITING, RUNNING, LEFT = (
    "small-claim",
    "runaway",
    "refund-approved",
    "in-flight",
    "left-behind",
)
STANDING = {FINISHED: "Succeeded", KILLED: "Killed", WAITING: "WaitingForApproval", RUNNING: "Running"}
CREDIT = "Order 1042 arrived with a chipped mug. The customer would like something for it."
REFUND = "The kettle of order 1071 leaks. The customer wants the money back."
"""Goals that the scripted model knows."""
ENGAGED = '{"spec":{"killSwitch":{"engaged":true,"reason":"it loops"}}}'
PATIENT = {"timeoutSeconds": 300}
"""How long a call may take: the shop's answer is held while servers are lost."""


@dataclass(slots=True)
class Scene:
    """Runs that stand in every state."""

    tenant: Tenant
    asked: list[Any] = field(default_factory=list)
    """The Executions as they were applied: what a Git repository holds."""

    @property
    def platform(self) -> Platform:
        """Where it plays."""
        return self.tenant.platform

    def ask(self, *manifests: Any) -> None:
        """Apply Executions as the requester, and keep them."""
        self.asked += manifests
        self.tenant.apply(self.tenant.person(REQUESTER), manifests)

    def example(self, name: str) -> Any:
        """One of the example's Executions."""
        found = self.tenant.manifests("executions.yaml")
        return next(each for each in found if each["metadata"]["name"] == name)

    def define(self) -> None:
        """Apply everything but the Executions, as Git has it."""
        tenant = self.tenant
        for file in ("namespace.yaml", "access.yaml", "credentials.yaml"):
            tenant.apply(tenant.admin, tenant.manifests(file))
        author = tenant.person(AUTHOR)
        contracts = [
            person.changed(each, each["metadata"]["name"], PATIENT)
            for each in tenant.manifests("contracts.yaml")
        ]
        tenant.apply(author, contracts)
        tenant.apply(author, tenant.manifests("strategies.yaml"))
        person.until_condition(tenant, "agentstrategies", "support-agent", "Ready", "Ready")

    def set_up(self) -> None:
        """Bring a run into each state."""
        self.ask(self.example(FINISHED), self.example(KILLED))
        self.ask(self.example(WAITING), person.execution(self.tenant, LEFT, REFUND))
        self.tenant.until_phase(FINISHED, "Succeeded")
        self.tenant.until_gate(WAITING)
        self.tenant.until_gate(LEFT)
        self.kill()
        self.platform.shop("POST", "/faults", {"path": "/credits", "mode": "hold"})
        self.ask(person.execution(self.tenant, RUNNING, CREDIT))
        self.tenant.until("the shop to book and hold its answer", self.is_held)
        for name, phase in STANDING.items():
            self.tenant.until_phase(name, phase)

    def kill(self) -> None:
        """Throw the kill switch of the agent that runs away."""
        self.tenant.until("the runaway to think", lambda: person.log(self.tenant, KILLED)[5:])
        author = self.tenant.person(AUTHOR)
        author.run(
            "patch", "agentstrategy", "runaway-agent", "-n", self.tenant.name, "--type=merge", "-p", ENGAGED
        )
        self.tenant.until_phase(KILLED, "Killed")
        self.tenant.until("what it had begun to be settled", self._is_closed)

    def _is_closed(self) -> bool:
        """The model call of the killed run got its reply, which costs."""
        log = person.log(self.tenant, KILLED)
        return len(person.of_type(log, "model.called")) == len(person.of_type(log, "model.replied"))

    def is_held(self) -> bool:
        """The shop has committed a call and not answered it."""
        return bool(self.platform.shop("GET", "/faults/state")["waiting"] > 0)

    def settled(self) -> dict[str, Any]:
        """Every run's status once it shows the whole log; when a condition changed is not of the log."""
        return {name: self.until_settled(name) for name in self.names}

    def until_settled(self, name: str) -> Any:
        """A run's status once it shows the whole log."""
        return self.tenant.until(f"{name} to be settled", lambda: self._settled(name))

    @property
    def names(self) -> Sequence[str]:
        """The runs."""
        return [each["metadata"]["name"] for each in self.asked]

    def until_identified(self, name: str) -> str:
        """The identity that a run's status shows, once it does."""
        found: str = self.tenant.until(
            f"{name} to have its log", lambda: self.tenant.status(name).get("executionID")
        )
        return found

    def _settled(self, name: str) -> Any:
        status = self.tenant.status(name)
        log = (
            record.events(self.platform, self.tenant.name, status["executionID"])
            if "executionID" in status
            else []
        )
        if not log or status.get("observedHash") != hashlib.sha256(log[-1][1]).hexdigest():
            return None
        for condition in status["conditions"]:
            del condition["lastTransitionTime"]
        return status

    def wipe(self) -> None:
        """Empty the status of every Execution, with the only identity that may."""
        operator = Kubectl(
            binary=self.platform.kubectl_binary,
            kubeconfig=self.platform.places.operator_kubeconfig,
            persona="operator",
            show=lambda line: None,
        )
        self._let_kubectl_look()
        patch = '[{"op":"remove","path":"/status"}]'
        where = ("-n", self.tenant.name, "--subresource=status", "--type=json", "-p", patch)
        for name in self.names:
            operator.run("patch", "execution", name, *where)

    def _let_kubectl_look(self) -> None:
        """The operator's role can patch a status; kubectl reads it first."""
        role: Any = {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "Role",
            "metadata": {"name": "reads-status", "namespace": self.tenant.name},
            "rules": [{"apiGroups": ["keelstep.io"], "resources": ["executions/status"], "verbs": ["get"]}],
        }
        operator = "system:serviceaccount:keelstep-system:keelstep-operator"
        bound = binding("reads-status", "reads-status", operator, "Role")
        bound["metadata"]["namespace"] = self.tenant.name
        self.tenant.apply(self.tenant.admin, [role, bound])
