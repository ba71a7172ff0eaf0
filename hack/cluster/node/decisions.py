"""What happens next to a Pod on this node? Pure: Pod, record and clock in, one decision out.

    refused? ─────────────────────────────► Fail
    leaving, failed, past its deadline? ──► Terminate ─ grace ─► Kill ─ all ended ─► Forget | Wait
    init containers, one after another ───► Start … Wait
    containers, all at once ──────────────► Start … Wait (or Start again, after a backoff)

The worker asks again after every change; a restarted agent asks the same question of the record.
"""

import datetime
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from hack.cluster.node import records, unsupported

Pod = Mapping[str, Any]

BACKOFF_SECONDS, BACKOFF_LIMIT_SECONDS = 10.0, 300.0
"""A container's first restart is at once; then it waits 10 s, 20 s, … as the kubelet does."""

BACKOFF_RESET_SECONDS = 600.0
"""A container that ran this long is trusted again."""

GONE_GRACE_SECONDS = 2.0
"""For a Pod that was deleted by force: nobody waits for it, but its programs may still flush."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """Start a container (again)."""

    container: str
    number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Fail:
    """Record why the Pod fails; what runs is then stopped."""

    because: records.Explanation


@dataclass(frozen=True, slots=True)
class Terminate:
    """Send SIGTERM to what runs."""


@dataclass(frozen=True, slots=True)
class Kill:
    """Send SIGKILL to what runs."""


@dataclass(frozen=True, slots=True)
class Forget:
    """Nothing runs and the Pod is leaving: report its end, remove it and its folder."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """Nothing to do before `until` or before something happens."""

    until: float | None = None


Decision = Start | Fail | Terminate | Kill | Forget | Wait


def decide(pod: Pod, record: records.Record, now: float) -> Decision:
    """Decide the one next step."""
    is_leaving = record.is_gone or bool(pod["metadata"].get("deletionTimestamp"))
    running = [run for _, run in record.running()]
    if is_leaving or record.verdict:
        if running:
            return _stop(_grace_seconds(pod, record), record, now)
        return Forget() if is_leaving else Wait()
    refusal = unsupported.find(pod)
    if refusal is not None:
        return Fail(because=refusal)
    deadline = _deadline(pod, record)
    if phase(pod, record) in ("Succeeded", "Failed"):
        return Wait()
    if deadline is not None and now >= deadline:
        seconds = pod["spec"]["activeDeadlineSeconds"]
        message = f"The Pod was active for longer than its activeDeadlineSeconds, {seconds}"
        return Fail(because=records.Explanation(reason="DeadlineExceeded", message=message))
    step = _advance(pod, record, now)
    if isinstance(step, Wait):
        return Wait(until=_earliest((step.until, deadline)))
    return step


def phase(pod: Pod, record: records.Record) -> str:
    """Tell the Pod's phase from its record."""
    is_running = any(True for _ in record.running())
    if record.verdict:
        return "Running" if is_running else "Failed"
    lasts = [record.last(container["name"]) for container in pod["spec"]["containers"]]
    if not any(lasts):
        return "Pending"
    is_over = all(run and not run.is_running and not _returns(pod, run) for run in lasts)
    if not is_over:
        return "Running"
    return "Succeeded" if all(run and run.has_succeeded for run in lasts) else "Failed"


def restart_at(runs: tuple[records.Run, ...]) -> float:
    """Tell when a container that ended may start again."""
    last = runs[-1]
    ended = last.finished_at or last.started_at
    if last.number == 0 or ended - last.started_at >= BACKOFF_RESET_SECONDS:
        return ended
    # The exponent is bounded before the power is taken: restart counts grow without limit.
    factor = 2 ** min(last.number - 1, 16)
    return ended + min(BACKOFF_SECONDS * float(factor), BACKOFF_LIMIT_SECONDS)


def _advance(pod: Pod, record: records.Record, now: float) -> Decision:
    if record.waiting and now < record.retry_at:
        return Wait(until=record.retry_at)
    for container in pod["spec"].get("initContainers", ()):
        last = record.last(container["name"])
        if last and last.has_succeeded:
            continue
        if last and not last.is_running and pod["spec"].get("restartPolicy") == "Never":
            message = f"init container {container['name']} ended with exit code {last.exit_code}"
            failed = records.Explanation(reason="InitContainerFailed", message=message)
            return Fail(because=failed)
        return _next(container["name"], record, now, is_wanted=True)
    steps = []
    for container in pod["spec"]["containers"]:
        last = record.last(container["name"])
        is_wanted = last is None or _returns(pod, last)
        steps.append(_next(container["name"], record, now, is_wanted=is_wanted))
    for step in steps:
        if isinstance(step, Start):
            return step
    return Wait(until=_earliest(step.until for step in steps if isinstance(step, Wait)))


def _next(container: str, record: records.Record, now: float, *, is_wanted: bool) -> Start | Wait:
    last = record.last(container)
    if last is None:
        return Start(container=container, number=0)
    if last.is_running or not is_wanted:
        return Wait()
    at = restart_at(record.runs[container])
    return Start(container=container, number=last.number + 1) if now >= at else Wait(until=at)


def _returns(pod: Pod, run: records.Run) -> bool:
    policy = pod["spec"].get("restartPolicy", "Always")
    return policy == "Always" or (policy == "OnFailure" and not run.has_succeeded)


def _stop(grace_seconds: float, record: records.Record, now: float) -> Decision:
    if record.asked_at is None:
        return Terminate()
    if record.killed_at is not None:
        return Wait()
    kill_at = record.asked_at + grace_seconds
    return Kill() if now >= kill_at else Wait(until=kill_at)


def _grace_seconds(pod: Pod, record: records.Record) -> float:
    if record.is_gone:
        return GONE_GRACE_SECONDS
    asked = pod["metadata"].get("deletionGracePeriodSeconds")
    own = pod["spec"].get("terminationGracePeriodSeconds", 30)
    return float(own if asked is None else asked)


def _deadline(pod: Pod, record: records.Record) -> float | None:
    seconds = pod["spec"].get("activeDeadlineSeconds")
    return None if seconds is None else record.started_at + float(seconds)


def _earliest(times: Iterable[float | None]) -> float | None:
    return min((time for time in times if time is not None), default=None)


def timestamp(seconds: float) -> str:
    """Write a moment the way Kubernetes does."""
    moment = datetime.datetime.fromtimestamp(int(seconds), datetime.UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
