"""What does a person do and see? Small words for tests: ask, apply, and read conditions, Events, logs and traces."""

import copy
import json
import os
import subprocess
import sysconfig
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hack.local.kubectl import CommandError, Kubectl
from hack.local.world import APPROVER, REQUESTER, Tenant
from tests.e2e import record

KEELSTEP = Path(sysconfig.get_path("scripts")) / "keelstep"
_WHOLE = frozenset({"input", "output", "outputSchema"})
"""Schemas, which are replaced and never merged."""


def execution(tenant: Tenant, name: str, goal: str, strategy: str = "support-agent", **spec: Any) -> Any:
    """An Execution, as the requester would write it."""
    asked = {
        "strategyRef": {"name": strategy},
        "goal": goal,
        "inputs": {"customer_name": "Lena Brandt"},
        "requestedBy": REQUESTER,
    }
    metadata = {"name": name, "namespace": tenant.name}
    return {
        "apiVersion": "keelstep.io/v1alpha1",
        "kind": "Execution",
        "metadata": metadata,
        "spec": {**asked, **spec},
    }


def ask(tenant: Tenant, name: str, goal: str, **spec: Any) -> None:
    """Apply an Execution as the requester."""
    tenant.apply(tenant.person(REQUESTER), [execution(tenant, name, goal, **spec)])


def changed(manifest: Any, name: str, changes: Mapping[str, Any]) -> Any:
    """A manifest under another name with parts of its spec changed; None takes a part away."""
    found = copy.deepcopy(manifest)
    found["metadata"]["name"] = name
    _merge(found["spec"], changes)
    return found


def _merge(target: dict[str, Any], changes: Mapping[str, Any]) -> None:
    for key, change in changes.items():
        if change is None:
            target.pop(key, None)
        elif isinstance(change, dict) and isinstance(target.get(key), dict) and key not in _WHOLE:
            _merge(target[key], change)
        else:
            target[key] = change


def refusal(who: Kubectl, *arguments: str, stdin: str | None = None) -> str:
    """What a person reads who may not do this; the test fails here if it was done."""
    try:
        done = who.run(*arguments, stdin=stdin)
    except CommandError as error:
        return str(error)
    raise AssertionError(f"kubectl {' '.join(arguments)} was done: {done}")


def condition(found: Any, type_name: str) -> Any:
    """A condition of an object or a status; empty where there is none."""
    status = found.get("status", found)
    return next((each for each in status.get("conditions", []) if each["type"] == type_name), {})


def until_told(tenant: Tenant, name: str, reason: str) -> Any:
    """Wait until an Event of this reason is there about an object of this name."""

    def told() -> Any:
        return next(
            (
                event
                for event in tenant.items("events")
                if event["involvedObject"]["name"] == name and event["reason"] == reason
            ),
            None,
        )

    return tenant.until(f"the Event {reason} of {name}", told)


def until_condition(tenant: Tenant, plural: str, name: str, type_name: str, reason: str) -> Any:
    """Wait until a condition has this reason; the object."""

    def has() -> Any:
        found = tenant.get(plural, name)
        return found if condition(found, type_name).get("reason") == reason else None

    return tenant.until(f"{type_name} of {name} to be {reason}", has)


def log(tenant: Tenant, name: str) -> Sequence[Any]:
    """Every message of an execution's log, decoded; bytes that are no JSON are left out."""
    found = record.events(tenant.platform, tenant.name, tenant.status(name)["executionID"])
    return [event for event, _ in found]


def of_type(events: Sequence[Any], type_name: str) -> list[Any]:
    """The data of all events of a type."""
    return [event["data"] for event in events if event["type"] == type_name]


def decide(
    tenant: Tenant, gate: str, *, who: str = APPROVER, approver: str = "", also: Sequence[Any] = ()
) -> tuple[str, ...]:
    """The words of kubectl with which somebody approves; `also` is what they change beside it."""
    decision = {"verdict": "Approved", "approver": approver or who, "reason": "seen"}
    patch = [{"op": "add", "path": "/spec/decisions/-", "value": decision}, *also]
    where = ("patch", "approvalgate", gate, "-n", tenant.name)
    return (*where, "--type=json", "-p", json.dumps(patch))


@dataclass(frozen=True, slots=True)
class Said:
    """What a command of ours said, and how it ended."""

    status: int
    output: str
    complaint: str


def keelstep(tenant: Tenant, *words: str, who: str = "admin") -> Said:
    """Type a command of ours in this namespace."""
    environment = {**os.environ, **tenant.person(who).environment, "COLUMNS": "200"}
    done = subprocess.run(
        [KEELSTEP, *words, "-n", tenant.name], env=environment, capture_output=True, text=True, check=False
    )
    return Said(done.returncode, done.stdout, done.stderr)
