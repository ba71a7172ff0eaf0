"""How does a Pod look to the API? Pure: Pod, record and clock in, `status` out.

Decides nothing; what it shows follows from the record alone, so it can be told again at any time.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from hack.cluster.node import decisions, records

ADDRESS = "127.0.0.1"
"""Every Pod's address and the node's: its processes listen on this machine's loopback."""

SIGNAL_BASE = 128
"""A shell tells a death by signal n as exit code 128 + n, and so does Kubernetes."""

Pod = Mapping[str, Any]
Status = dict[str, Any]


def build_status(pod: Pod, record: records.Record, now: float) -> Status:
    """Build the whole status that this node answers for."""
    phase = decisions.phase(pod, record)
    explained = record.verdict if phase == "Failed" else None
    spec = pod["spec"]
    containers = [_container(c, record, pod) for c in spec["containers"]]
    inits = [_container(c, record, pod) for c in spec.get("initContainers", ())]
    status: Status = {
        "phase": phase,
        "reason": explained.reason if explained else None,
        "message": explained.message if explained else None,
        "startTime": decisions.timestamp(record.started_at),
        "hostIP": ADDRESS,
        "hostIPs": [{"ip": ADDRESS}],
        "podIP": ADDRESS,
        "podIPs": [{"ip": ADDRESS}],
        "conditions": _conditions(pod, phase, inits, containers, now),
        "containerStatuses": containers,
    }
    return status | {"initContainerStatuses": inits} if inits else status


def _container(container: Mapping[str, Any], record: records.Record, pod: Pod) -> Status:
    name = container["name"]
    runs = record.runs.get(name, ())
    last = runs[-1] if runs else None
    is_init = any(c["name"] == name for c in pod["spec"].get("initContainers", ()))
    is_over = bool(last and last.has_succeeded)
    status: Status = {
        "name": name,
        "image": container.get("image", ""),
        "imageID": "",
        "ready": is_over if is_init else bool(last and last.is_running),
        "started": bool(last and last.is_running),
        "restartCount": last.number if last else 0,
        "state": _state(pod, record, last),
        "lastState": {},
    }
    if last:
        status["containerID"] = f"process://{record.uid}/{name}/{last.number}"
    if last and not last.is_running and _waits_to_restart(pod, record, is_init, last):
        at = decisions.timestamp(decisions.restart_at(runs))
        message = f"it ended with exit code {last.exit_code}; the next start is at {at}"
        status["state"] = {"waiting": {"reason": "CrashLoopBackOff", "message": message}}
        status["lastState"] = _terminated(record, name, last)
    elif len(runs) > 1:
        status["lastState"] = _terminated(record, name, runs[-2])
    return status


def _waits_to_restart(pod: Pod, record: records.Record, is_init: bool, last: records.Run) -> bool:
    if decisions.phase(pod, record) not in ("Pending", "Running") or record.verdict:
        return False
    policy = pod["spec"].get("restartPolicy", "Always")
    if is_init or policy == "OnFailure":
        return policy != "Never" and not last.has_succeeded
    return bool(policy == "Always")


def _state(pod: Pod, record: records.Record, last: records.Run | None) -> Status:
    if last is None:
        if record.waiting:
            reason, message = record.waiting.reason, record.waiting.message
            return {"waiting": {"reason": reason, "message": message}}
        is_waiting_for_init = bool(pod["spec"].get("initContainers"))
        return {"waiting": {"reason": "PodInitializing" if is_waiting_for_init else "ContainerCreating"}}
    if last.is_running:
        return {"running": {"startedAt": decisions.timestamp(last.started_at)}}
    return _terminated(record, "", last)


def _terminated(record: records.Record, name: str, run: records.Run) -> Status:
    ended = run.finished_at or run.started_at
    state: Status = {
        "exitCode": run.exit_code,
        "reason": run.reason,
        "startedAt": decisions.timestamp(run.started_at),
        "finishedAt": decisions.timestamp(ended),
    }
    if run.message:
        state["message"] = run.message
    if run.exit_code > SIGNAL_BASE:
        state["signal"] = run.exit_code - SIGNAL_BASE
    return {"terminated": state}


def _conditions(
    pod: Pod, phase: str, inits: Iterable[Status], containers: Iterable[Status], now: float
) -> list[Status]:
    """Build the conditions; those that others write (PodScheduled) are kept as they are."""
    is_ready = phase == "Running" and all(container["ready"] for container in containers)
    is_initialized = phase not in ("Pending",) or all(container["ready"] for container in inits)
    is_over = phase in ("Succeeded", "Failed")
    ended = {"Succeeded": "PodCompleted", "Failed": "PodFailed"}.get(phase)
    not_ready = ended or "ContainersNotReady"
    wanted = {
        "PodReadyToStartContainers": (not is_over, None),
        "Initialized": (is_initialized, None if is_initialized else "ContainersNotInitialized"),
        "ContainersReady": (is_ready, None if is_ready else not_ready),
        "Ready": (is_ready, None if is_ready else not_ready),
    }
    present = {c["type"]: c for c in pod.get("status", {}).get("conditions", ())}
    foreign = [c for kind, c in present.items() if kind not in wanted]
    own = []
    for kind, (is_true, reason) in wanted.items():
        value = "True" if is_true else "False"
        before = present.get(kind, {})
        changed = before.get("status") != value
        condition = {
            "type": kind,
            "status": value,
            "lastTransitionTime": decisions.timestamp(now) if changed else before["lastTransitionTime"],
        }
        own.append(condition | {"reason": reason} if reason else condition)
    return [*foreign, *own]
