"""What does a gate's status say? A view: of the log for a question of a run, of the answers for a recovery.

The answers themselves are recorded by the reconcile of whom the gate is about, which wakes this one after it.
"""

from typing import Any

import pydantic

from keelstep import kinds, kube
from keelstep.domain.state import Gate as Asked
from keelstep.events import clock
from keelstep.kinds.gate import ApprovalGate, GatePhase
from keelstep_operator.context import Context
from keelstep_operator.decide import condition
from keelstep_operator.decide import kill as kills
from keelstep_operator.queue import Key
from keelstep_operator.reconcile import kill, revisions
from keelstep_operator.status import Told

_PHASES = {
    "approved": GatePhase.APPROVED,
    "rejected": GatePhase.REJECTED,
    "expired": GatePhase.EXPIRED,
    "withdrawn": GatePhase.WITHDRAWN,
}
_REASONS = {"approved": "Approved", "rejected": "Rejected", "expired": "GateExpired"}
"""Of a recovery's outcome; of a run's question the log says it."""


async def reconcile(ctx: Context, key: Key) -> None:
    """Bring one gate's status to what was recorded."""
    found = ctx.cache.get(key)
    if found is None:
        return
    try:
        gate = ctx.cache.model(ApprovalGate, key.namespace, key.name)
    except pydantic.ValidationError as error:
        await revisions.show_invalid(ctx, ApprovalGate, found, error)
        return
    assert gate is not None
    shown = await _about_run(ctx, key, gate) if gate.spec.action is not None else _about_kill(found)
    if shown is None:
        return
    phase = str(shown["phase"])
    is_decided = phase != GatePhase.PENDING.value
    make = condition.holds if is_decided else condition.fails
    finding = make("Decided", str(shown["reason"]))
    note = f"{phase}{' by ' + ', '.join(shown['decidedBy']) if shown.get('decidedBy') else ''}"
    told = Told(kind="Normal", reason=finding.reason, note=note)
    await ctx.statuses.write(kinds.ApprovalGate, found, shown, [finding], told)


def subject_of(gate: kube.Object) -> Key | None:
    """Whom a gate is about."""
    reference = gate["spec"].get("executionRef")
    if reference:
        return Key("Execution", gate["metadata"]["namespace"], reference["name"])
    return kill.owner_key(gate)


async def _about_run(ctx: Context, key: Key, gate: ApprovalGate) -> dict[str, Any] | None:
    assert gate.spec.execution_ref is not None
    xid = gate.spec.execution_ref.execution_id
    run = ctx.runs.by_xid.get(xid)
    if run is None:
        return None  # not met yet, or not ours: whoever meets the run wakes this key
    held = ctx.logs.hold(key.namespace, xid, ctx.runs.by_key[run][1].shard)
    state = await held.log.refresh()
    asked = next((known for known in state.questions if known.request_seq == gate.spec.request_seq), None)
    if asked is None:
        if state.seq < gate.spec.request_seq:
            return None  # our reading may be behind what was asked
        return {"phase": GatePhase.WITHDRAWN.value, "reason": "NotAsked"}
    if asked.decided is None and state.is_over:
        return {"phase": GatePhase.WITHDRAWN.value, "reason": "RunEnded"}
    if asked.decided is None:
        return {"phase": GatePhase.PENDING.value, "reason": "ApprovalRequired"}
    return _decided(asked)


def _decided(asked: Asked) -> dict[str, Any]:
    data = asked.decided
    assert data is not None
    shown: dict[str, Any] = {
        "phase": _PHASES[data.verdict].value,
        "reason": condition.word(data.reason, "Decided"),
        "decidedBy": [answer.user for answer in data.approvers],
        "decidedAt": clock.whole(asked.asked_at + data.latency_ms * 1_000_000),
        "latencySeconds": data.latency_ms // 1000,
    }
    if data.valid_until:
        shown["validUntil"] = clock.whole(clock.parse(data.valid_until))
    return shown


def _about_kill(found: kube.Object) -> dict[str, Any]:
    answers = kill.answers(found)
    gate = kills.Gate(
        name=found["metadata"]["name"],
        ask=1,
        is_forged=False,
        is_expired=clock.now() > clock.parse(found["spec"]["deadline"]),
        decisions=answers,
    )
    outcome = kills.outcome(gate)
    if outcome == "pending":
        return {"phase": GatePhase.PENDING.value, "reason": "RecoveryRequired"}
    return {
        "phase": _PHASES[outcome].value,
        "reason": _REASONS[outcome],
        "decidedBy": [given.approver for given in answers],
        "decidedAt": found.get("status", {}).get("decidedAt") or clock.whole(clock.now()),
    }
