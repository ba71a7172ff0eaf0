"""How does a test run whole executions? A keelstep of its own, a tenant per test, people with certificates.

Everything is real: the API server, the scheduler, the node's processes, the broker, the shop and its books. Waiting is
on a condition with a deadline, never for a time.
"""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from hack.cluster import build, controlplane, nodes, processes, progress, settings
from hack.local import api
from hack.local.kubectl import Kubectl
from hack.local.platform import Platform

WAIT_SECONDS = 120.0
POLL_SECONDS = 0.05
AUTHOR, REQUESTER, APPROVER = "ada", "demo-requester", "grace"
OVER = ("Succeeded", "Failed", "Cancelled", "Killed")


@contextmanager
def running(folder: Path, *scripts: Path, brokers: int = 1) -> Iterator[Platform]:
    """A whole keelstep in a folder, ended with the block however it is left; its model speaks these scripts too."""
    programs = build.ensure(settings.read(), shown=progress.Progress())
    plane = controlplane.start(folder / "cluster", programs)
    try:
        platform = Platform(
            folder=folder / "keelstep", plane=plane, kubectl_binary=programs["kubectl"], brokers=brokers
        )
        try:
            at_once(
                lambda: nodes.start(plane),
                platform.start_broker,
                lambda: platform.start_example(*scripts),
                platform.define,
            )
            yield platform
        finally:
            platform.stop_all()
    finally:
        nodes.stop(plane)
        plane.stop()


def at_once(*starts: Callable[[], object]) -> None:
    """Start several parts at the same time, and wait for all of them: each spends most of it waiting itself."""
    with ThreadPoolExecutor(len(starts)) as pool:
        for started in [pool.submit(start) for start in starts]:
            started.result()


@dataclass(frozen=True, slots=True, kw_only=True)
class Tenant:
    """An example, the refunds, in a namespace of a test's own."""

    platform: Platform
    name: str
    example: Callable[[Platform], Path] = Platform.manifests
    """Where its manifests are, filled in."""

    @property
    def admin(self) -> Kubectl:
        """kubectl that may do everything."""
        return self.platform.kubectl("admin")

    def person(self, name: str) -> Kubectl:
        """kubectl as somebody."""
        return self.platform.kubectl(name)

    def manifests(self, file: str) -> list[Any]:
        """The example's manifests of one file, in this namespace."""
        text = (self.example(self.platform) / file).read_text()
        return [_moved(each, self.name) for each in yaml.safe_load_all(text) if each]

    def apply(self, who: Kubectl, manifests: Sequence[Any]) -> None:
        """Have objects be as their manifests say, as somebody."""
        for manifest in manifests:
            self.platform.api(who.persona).apply(manifest)

    def furnish(self) -> None:
        """Make the namespace, its people, credentials, contracts and strategies; wait until they are ready."""
        for file in ("namespace.yaml", "access.yaml", "credentials.yaml"):
            self.apply(self.admin, self.manifests(file))
        author = self.person(AUTHOR)
        for file in ("contracts.yaml", "strategies.yaml"):
            self.apply(author, self.manifests(file))
        self.until("every strategy to be ready", lambda: all(map(is_ready, self.items("agentstrategies"))))

    def ask(self, *names: str) -> None:
        """Apply the example's executions of these names, as the requester."""
        wanted = [each for each in self.manifests("executions.yaml") if each["metadata"]["name"] in names]
        self.apply(self.person(REQUESTER), wanted)

    def get(self, plural: str, name: str) -> Any:
        """An object; None where there is none."""
        return self.platform.api("admin").get(api.path(plural, self.name, name))

    def items(self, plural: str) -> list[Any]:
        """All objects of a kind."""
        found: list[Any] = self.platform.api("admin").get(api.path(plural, self.name))["items"]
        return found

    def status(self, name: str) -> Any:
        """An execution's status."""
        return (self.get("executions", name) or {}).get("status", {})

    def until(self, what: str, holds: Callable[[], Any], seconds: float = WAIT_SECONDS) -> Any:
        """Wait for a condition; what it holds.

        Raises:
            AssertionError: it did not hold in time; says what stood there.
        """
        deadline = time.monotonic() + seconds
        while not (found := holds()):
            if time.monotonic() > deadline:
                raise AssertionError(f"waited {seconds:.0f} s for {what}; {self.described()}")
            time.sleep(POLL_SECONDS)
        return found

    def until_phase(self, name: str, *phases: str, seconds: float = WAIT_SECONDS) -> Any:
        """Wait until an execution is in one of these phases; its status."""

        def reached() -> Any:
            status = self.status(name)
            return status if status.get("phase") in phases else None

        return self.until(f"{name} to be {' or '.join(phases)}", reached, seconds)

    def until_gate(self, run: str, seconds: float = WAIT_SECONDS) -> Any:
        """Wait for an execution's pending gate."""

        def pending() -> Any:
            for gate in self.items("approvalgates"):
                asks = gate["spec"].get("executionRef", {}).get("name") == run
                if asks and gate.get("status", {}).get("phase") == "Pending":
                    return gate
            return None

        return self.until(f"{run} to ask a person", pending, seconds)

    def answer(self, gate: Any, verdict: str, who: str = APPROVER) -> None:
        """Decide a gate as a person, by plain kubectl."""
        decision = {"verdict": verdict, "approver": who, "reason": "seen"}
        patch = json.dumps([{"op": "add", "path": "/spec/decisions/-", "value": decision}])
        name = gate["metadata"]["name"]
        self.person(who).run("patch", "approvalgate", name, "-n", self.name, "--type=json", "-p", patch)

    def refunds(self) -> list[Any]:
        """Refunds in the shop's own books."""
        return [booking for booking in self.platform.ledger() if booking["kind"] == "refund"]

    def described(self) -> str:
        """What stands in the executions' status now."""
        found = {each["metadata"]["name"]: each.get("status", {}) for each in self.items("executions")}
        return f"executions: {json.dumps(found, indent=1)}\nlogs: {self.platform.folder / 'logs'}"


def kill(platform: Platform, name: str) -> None:
    """`kill -9` of a part."""
    found = platform.find(name)
    assert found is not None, f"{name} does not run"
    processes.stop([found], grace_seconds=0.0)
    platform.records.forget(name)


def is_ready(found: Any) -> bool:
    """An object's condition Ready is True."""
    conditions = found.get("status", {}).get("conditions", [])
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)


def _moved(manifest: Any, namespace: str) -> Any:
    """A manifest of the example in another namespace."""
    metadata = dict(manifest["metadata"])
    if manifest["kind"] == "Namespace":
        metadata["name"] = namespace
    else:
        metadata["namespace"] = namespace
    return {**manifest, "metadata": metadata}
