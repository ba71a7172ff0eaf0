"""What does a runner run in? Its Pod and its identity's Secret, as data; and what a Pod's status means.

A bare Pod: whether to try again is decided from the log, not by a controller. It holds no Kubernetes credential and
fits Pod Security `restricted`. Nothing here talks to a server.
"""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from keelstep.events import clock
from keelstep.kinds import API_VERSION, names
from keelstep.kinds.strategy import Resources
from keelstep.kube import Object
from keelstep_operator.decide import facts

IDENTITY_DIR = "/var/run/keelstep/identity"
CREDENTIALS_FILE = "identity.creds"
KEYRING_FILE = "keyring.json"
AUTHORITY_FILE = "ca.crt"
GRACE_SECONDS = 10
"""A runner that is told to go has so long."""
_CONTAINER = "runner"
_USER = 65532
_SLACK_SECONDS = 60
"""The Pod ends so long after the run's deadline at the latest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """Whose Pod it is."""

    namespace: str
    execution: str
    """The Execution's name."""
    uid: str
    """The Execution's UID: its children's owner."""
    xid: str
    trace_id: str
    strategy: str
    number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Runtime:
    """What its container is like."""

    image: str
    pull_policy: str
    """Empty: Kubernetes' own."""
    command: Sequence[str]
    resources: Resources
    nats_url: str
    shard: int
    seconds_left: int
    """Until the run's deadline."""
    extra_env: Mapping[str, str]
    requests: Mapping[str, str] = field(default_factory=dict)
    """What the scheduler sets aside where the strategy says nothing about it."""
    priority_class: str = ""
    pull_secrets: Sequence[str] = ()
    has_authority: bool = False
    """Whether its Secret holds the authority of the broker's certificate."""


def build_pod(attempt: Attempt, runtime: Runtime) -> Object:
    """The Pod of one attempt."""
    env = {
        "KEELSTEP_NATS_URL": runtime.nats_url,
        "KEELSTEP_TENANT": attempt.namespace,
        "KEELSTEP_EXECUTION_ID": attempt.xid,
        "KEELSTEP_TRACE_ID": attempt.trace_id,
        "KEELSTEP_ATTEMPT": str(attempt.number),
        "KEELSTEP_SHARD": str(runtime.shard),
        "KEELSTEP_IDENTITY_DIR": IDENTITY_DIR,
        **({"KEELSTEP_NATS_CA_FILE": f"{IDENTITY_DIR}/{AUTHORITY_FILE}"} if runtime.has_authority else {}),
        **runtime.extra_env,
    }
    container: Object = {
        "name": _CONTAINER,
        "image": runtime.image,
        "command": list(runtime.command),
        "env": [{"name": name, "value": text} for name, text in env.items()],
        "volumeMounts": [{"name": "identity", "mountPath": IDENTITY_DIR, "readOnly": True}],
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
    }
    if runtime.pull_policy:
        container["imagePullPolicy"] = runtime.pull_policy
    resources = _resources(runtime)
    if resources:
        container["resources"] = resources
    optional: Object = {}
    if runtime.priority_class:
        optional["priorityClassName"] = runtime.priority_class
    if runtime.pull_secrets:
        optional["imagePullSecrets"] = [{"name": name} for name in runtime.pull_secrets]
    secret = names.identity_secret(attempt.execution, attempt.number)
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": _metadata(attempt, names.pod(attempt.execution, attempt.number)),
        "spec": {
            "restartPolicy": "Never",
            "activeDeadlineSeconds": max(1, runtime.seconds_left) + _SLACK_SECONDS,
            "terminationGracePeriodSeconds": GRACE_SECONDS,
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": _USER,
                "runAsGroup": _USER,
                "fsGroup": _USER,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [container],
            "volumes": [{"name": "identity", "secret": {"secretName": secret, "defaultMode": 0o440}}],
            **optional,
        },
    }


def _resources(runtime: Runtime) -> Object:
    """What the strategy says; of what it says nothing, neither request nor limit, the installation's own request."""
    resources = {key: part for key, part in runtime.resources.wire().items() if part}
    said = {name for part in resources.values() for name in part}
    requests = {name: amount for name, amount in runtime.requests.items() if name not in said}
    if requests:
        resources["requests"] = requests | resources.get("requests", {})
    return resources


def build_secret(attempt: Attempt, credentials: str, keyring: bytes, authority: bytes = b"") -> Object:
    """The Secret of one attempt's identity, with the authority of the broker's certificate where it has its own."""
    content = {CREDENTIALS_FILE: credentials.encode(), KEYRING_FILE: keyring}
    if authority:
        content[AUTHORITY_FILE] = authority
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": _metadata(attempt, names.identity_secret(attempt.execution, attempt.number)),
        "type": "Opaque",
        "immutable": True,
        "data": {name: base64.b64encode(part).decode() for name, part in content.items()},
    }


def owner(kind: str, name: str, uid: str) -> Object:
    """An ownerReference that deletes with its owner and never blocks its deletion."""
    return {
        "apiVersion": API_VERSION,
        "kind": kind,
        "name": name,
        "uid": uid,
        "controller": True,
        "blockOwnerDeletion": False,
    }


def is_owned(found: Object, uid: str) -> bool:
    """Whether an object belongs to the owner of this UID."""
    return any(reference.get("uid") == uid for reference in found["metadata"].get("ownerReferences", []))


def secret_credentials(found: Object) -> str:
    """The credentials file in a Secret; empty where it holds none."""
    try:
        return base64.b64decode(found.get("data", {}).get(CREDENTIALS_FILE, "")).decode()
    except ValueError:
        return ""


def number(execution: str, pod: Object) -> int:
    """The attempt that a Pod's name stands for; 0 where it is none of this execution's."""
    label = pod["metadata"].get("labels", {}).get(names.LABEL_ATTEMPT, "")
    if not label.isdigit() or pod["metadata"]["name"] != names.pod(execution, int(label)):
        return 0
    return int(label)


def read(found: Object, *, uid: str, xid: str, number: int) -> facts.Pod:
    """What a Pod's status means for its attempt."""
    metadata, status = found["metadata"], found.get("status", {})
    labels = metadata.get("labels", {})
    is_right = labels.get(names.LABEL_EXECUTION_ID) == xid and _carries(found, xid, number)
    reason, message = _story(found)
    return facts.Pod(
        name=metadata["name"],
        uid=metadata["uid"],
        attempt=number,
        phase=status.get("phase", "Pending"),
        is_forged=not is_right or not _is_own(found, uid),
        # the Pod of an earlier resource of this name, whose log we carry on: it is being collected
        is_terminating="deletionTimestamp" in metadata or (bool(uid) and not is_owned(found, uid)),
        is_evicted=_is_evicted(status),
        reason=reason,
        message=message,
        created_at=_seconds(metadata.get("creationTimestamp", "")),
    )


def _metadata(attempt: Attempt, name: str) -> Object:
    return {
        "name": name,
        "namespace": attempt.namespace,
        "labels": {
            names.LABEL_COMPONENT: names.COMPONENT_RUNNER,
            names.LABEL_STRATEGY: attempt.strategy,
            names.LABEL_EXECUTION: attempt.execution,
            names.LABEL_EXECUTION_ID: attempt.xid,
            names.LABEL_ATTEMPT: str(attempt.number),
        },
        "ownerReferences": [owner("Execution", attempt.execution, attempt.uid)],
    }


def _is_own(found: Object, uid: str) -> bool:
    """Ours, or left by an earlier resource of the same name."""
    if not uid or is_owned(found, uid):
        return True
    references = found["metadata"].get("ownerReferences", [])
    name = found["metadata"].get("labels", {}).get(names.LABEL_EXECUTION)
    return any(
        reference.get("kind") == "Execution"
        and reference.get("apiVersion") == API_VERSION
        and reference.get("name") == name
        for reference in references
    )


def _carries(found: Object, xid: str, number: int) -> bool:
    """Runs this attempt of this execution with this attempt's Secret; the rest an admission hook may have changed."""
    for container in found["spec"].get("containers", []):
        if container["name"] != _CONTAINER:
            continue
        env = {entry["name"]: entry.get("value") for entry in container.get("env", [])}
        return env.get("KEELSTEP_EXECUTION_ID") == xid and env.get("KEELSTEP_ATTEMPT") == str(number)
    return False


def _story(found: Object) -> tuple[str, str]:
    """Why it does not start, or how it ended."""
    status = found.get("status", {})
    for state in status.get("containerStatuses", []):
        waiting = state.get("state", {}).get("waiting")
        if waiting and waiting.get("reason") != "ContainerCreating":
            return waiting.get("reason", ""), waiting.get("message", "")
        ended = state.get("state", {}).get("terminated")
        if ended:
            code = f"exit code {ended.get('exitCode')}"
            said = ended.get("message", "").strip()
            return ended.get("reason", ""), f"{code}: {said}" if said else code
    if status.get("reason"):
        return status["reason"], status.get("message", "")
    for condition in status.get("conditions", []):
        if condition["type"] == "PodScheduled" and condition["status"] == "False":
            return condition.get("reason", ""), condition.get("message", "")
    return "", ""


def _is_evicted(status: Mapping[str, Any]) -> bool:
    disrupted = any(
        condition["type"] == "DisruptionTarget" and condition["status"] == "True"
        for condition in status.get("conditions", [])
    )
    return disrupted or status.get("reason") in ("Evicted", "NodeLost", "Preempting")


def _seconds(text: str) -> int:
    if not text:
        return 0
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * clock.SECOND
