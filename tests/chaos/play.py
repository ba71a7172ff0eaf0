"""How does a story act upon a run? As the people of its tenant, as its shop's operator, and by waiting until things are so.

Everything here may be done while servers are away: it is tried until it is done. A story that waits in vain says what it
waited for (`StuckError`); that is a finding like any other.
"""

import http.client
import json
import string
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import nats.errors
import yaml

from examples.ops import render as runbooks
from hack.local.api import GROUP, RefusedError
from hack.local.world import APPROVER, OVER, REQUESTER
from tests.chaos.checker import evidence
from tests.chaos.stage import HERE, Stage

WAIT_SECONDS = 150.0
"""Longer than every lease, freeze and backoff together."""
POLL_SECONDS = 0.05
RUN = "run"
"""The Execution's name in every tenant."""
STRATEGY = "worker"


class StuckError(Exception):
    """What a story waited for did not come."""


@dataclass(slots=True)
class Play:
    """One run in a tenant of its own."""

    stage: Stage
    tenant: str
    goal: str
    deadline_seconds: int = 600
    stopped_at: int = 0
    """When a kill was acknowledged, nanoseconds since 1970."""
    stopped_tool: str = ""
    """The one tool it was about; empty where it was about everything."""
    patience_seconds: float = WAIT_SECONDS

    # the tenant

    def furnish(self) -> None:
        """Namespace, people, credentials, contracts, strategy; ready to run."""
        admin = self.stage.person("admin")
        manifests = self.stage.platform.manifests()
        admin.create("/api/v1/namespaces", {"metadata": {"name": self.tenant}})
        for file in ("access.yaml", "credentials.yaml"):
            for manifest in yaml.safe_load_all((manifests / file).read_text()):
                self._create(manifest)
        text = string.Template((HERE / "manifests.yaml").read_text()).safe_substitute(
            SHOP_URL=self.stage.shop_url, PYTHON=runbooks.COMMAND[0], RUNBOOKS=runbooks.COMMAND[1]
        )
        for manifest in yaml.safe_load(text):
            self._create(manifest)

        def is_ready() -> bool:
            found = self.find("agentstrategies", STRATEGY) or {}
            conditions = found.get("status", {}).get("conditions", [])
            return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)

        self.until("the strategy to be ready", is_ready)

    def _create(self, manifest: Any) -> None:
        kind, version = manifest["kind"], manifest["apiVersion"]
        root = "/api/v1" if version == "v1" else f"/apis/{version}"
        plural = {"AgentStrategy": "agentstrategies"}.get(kind, f"{kind.lower()}s")
        manifest["metadata"]["namespace"] = self.tenant
        self.stage.person("admin").create(f"{root}/namespaces/{self.tenant}/{plural}", manifest)

    # the run

    def ask(self, goal: str = "", name: str = RUN) -> None:
        """Apply the run, or another one beside it, as the requester."""
        spec: dict[str, Any] = {
            "strategyRef": {"name": STRATEGY},
            "goal": goal or f"{self.goal}: as always",
            "requestedBy": REQUESTER,
            "budget": {"costUSD": "1.00"},
            "deadlineSeconds": self.deadline_seconds,
        }
        manifest = {
            "apiVersion": "keelstep.io/v1alpha1",
            "kind": "Execution",
            "metadata": {"name": name, "namespace": self.tenant},
            "spec": spec,
        }
        self.stage.person(REQUESTER).create(self.path("executions"), manifest)

    def wish(self, **spec: Any) -> None:
        """Change what may be changed of the run."""
        self.stage.person(REQUESTER).merge(self.path("executions", RUN), {"spec": spec})

    def path(self, plural: str, name: str = "") -> str:
        """Where objects of ours lie."""
        found = f"{GROUP}/namespaces/{self.tenant}/{plural}"
        return f"{found}/{name}" if name else found

    def find(self, plural: str, name: str) -> Any:
        """An object, or None."""
        return self.stage.person("admin").get(self.path(plural, name))

    def status(self) -> Any:
        """The run's status."""
        return (self.find("executions", RUN) or {}).get("status", {})

    @property
    def is_over(self) -> bool:
        """It ended."""
        return self.status().get("phase") in OVER

    def until(self, what: str, holds: Callable[[], Any]) -> Any:
        """Wait for a condition; what it holds.

        Raises:
            StuckError: it did not come to hold.
        """
        deadline = time.monotonic() + self.patience_seconds
        while not (found := holds()):
            if time.monotonic() > deadline:
                raise StuckError(
                    f"waited {self.patience_seconds:.0f} s for {what}; the run's status: {json.dumps(self.status())}"
                )
            time.sleep(POLL_SECONDS)
        return found

    def until_phase(self, *phases: str) -> Any:
        """Wait until the run is in one of these phases, or over."""
        return self.until(
            f"phase {' or '.join(phases)}", lambda: self.status().get("phase") in (*phases, *OVER)
        )

    def until_over(self) -> None:
        """Wait for the end."""
        self.until("the end", lambda: self.is_over)

    def until_all_over(self) -> None:
        """Wait for the end of every run of the tenant."""
        path, admin = self.path("executions"), self.stage.person("admin")
        self.until(
            "the end of all runs",
            lambda: all(each.get("status", {}).get("phase") in OVER for each in admin.get(path)["items"]),
        )

    def until_said(self, what: str, stream: str, pattern: str, kind: str = "") -> None:
        """Wait until a message stands in a stream of the broker; an event of this type where one is named."""
        places = self.stage.witness()

        def is_there() -> bool:
            try:
                found = evidence.stored(places, stream, pattern)
            except (OSError, nats.errors.Error):
                return False
            return any(not kind or each.event.get("type") == kind for each in found)

        self.until(what, is_there)

    # people

    def allow_daily(self, usd: str) -> None:
        """Say what the tenant may spend in a day; returns once the gateways can know."""
        note = {"metadata": {"annotations": {"keelstep.io/daily-budget-usd": usd}}}
        self.stage.person("admin").merge(f"/api/v1/namespaces/{self.tenant}", note)
        self.until_said("the daily budget to be in force", "CONTROL", f"control.budget.{self.tenant}")

    def answer(self, verdict: str) -> None:
        """Decide the run's pending gate, once there is one; nothing where the run ended before."""
        gate = self.until("a gate, or the end", lambda: self.is_over or self._gate())
        if gate is True:
            return
        path = self.path("approvalgates", gate["metadata"]["name"])
        decision = {"verdict": verdict, "approver": APPROVER, "reason": "seen"}

        def is_given() -> bool:
            found = self.stage.person("admin").get(path) or {}
            if found.get("spec", {}).get("decisions"):
                return True
            try:
                self.stage.person(APPROVER).change(
                    path, [{"op": "add", "path": "/spec/decisions/-", "value": decision}]
                )
            except RefusedError as refused:
                return self._is_settled(path) if refused.status < 500 else False
            except (OSError, http.client.HTTPException):
                return False  # nobody knows: look first, then again
            return True

        self.until("the answer to be given", is_given)

    def _gate(self) -> Any:
        found = self.stage.person("admin").get(self.path("approvalgates"))["items"]
        return next((gate for gate in found if gate.get("status", {}).get("phase") == "Pending"), None)

    def _is_settled(self, path: str) -> bool:
        """Too late to answer: it was decided otherwise."""
        found = self.stage.person("admin").get(path) or {}
        return bool(found.get("status", {}).get("phase", "Pending") != "Pending")

    def kill(self, plural: str, name: str) -> None:
        """Engage a kill switch; returns once the kill is acknowledged, and notes where the log stood then."""
        switch = {"engaged": True, "reason": "chaos"}
        self.stage.person("admin").merge(self.path(plural, name), {"spec": {"killSwitch": switch}})
        self.until(f"the kill of {name} to be acknowledged", lambda: self._acknowledges(plural, name))
        self.note_stop(name if plural == "toolcontracts" else "")

    def kill_tenant(self) -> None:
        """The same for the whole namespace, by its label; acknowledged by an Event."""
        labels = {"keelstep.io/kill-switch": "engaged"}
        self.stage.person("admin").merge(
            f"/api/v1/namespaces/{self.tenant}", {"metadata": {"labels": labels}}
        )
        self.until("the run to be killed", lambda: self.is_over)
        self.note_stop()

    def _acknowledges(self, plural: str, name: str) -> bool:
        status = (self.find(plural, name) or {}).get("status", {})
        if plural == "executions":
            return status.get("phase") in OVER
        killed: dict[str, Any] = next(
            (each for each in status.get("conditions", []) if each["type"] == "Killed"), {}
        )
        return bool(killed.get("status") == "True" and killed.get("reason") == "Killed")

    def note_stop(self, tool: str = "") -> None:
        """A kill is acknowledged now: nothing that it is about may begin after this moment."""
        self.stopped_at, self.stopped_tool = time.time_ns(), tool

    # the shop

    def shop(self, method: str, path: str, body: Any = None) -> Any:
        """Ask the shop, past every link, until it answers."""

        def answered() -> Any:
            try:
                return [self.stage.platform.shop(method, path, body)]
            except (urllib.error.URLError, OSError):
                return None

        return self.until(f"the shop to answer {path}", answered)[0]

    def misbehave(self, path: str, mode: str, **fields: Any) -> None:
        """Arm a fault of the shop."""
        self.shop("POST", "/faults", {"path": path, "mode": mode, **fields})

    def until_held(self) -> bool:
        """Wait until the shop holds a call, or the run is over; tells whether it does."""
        self.until("the shop to hold a call", lambda: self._holds() or self.is_over)
        return self._holds()

    def _holds(self) -> bool:
        return bool(self.shop("GET", "/faults/state")["waiting"] > 0)

    def release(self) -> None:
        """Let held calls go on, and hold no more."""
        self.shop("DELETE", "/faults")
