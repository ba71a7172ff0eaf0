"""May this be undone now, and by which call? What a gateway decides while a run unwinds.

Only what is to be undone next, by the contract that the call's own contract names, with arguments that follow from what
the log and the pinned revisions say: an undo is asked for by the event it undoes, and nothing else. Its tier, schema,
rules and tool's kill hold as for any call; limits and budget of the run do not, for undoing is what ends it.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from keelstep.domain import call, canonical, cel, contract, policy, related, schema, tier, unwind
from keelstep.domain.call import Answered, AskGate, Deny, Join, Perform, Refuse, Standing
from keelstep.domain.revision import Pinned
from keelstep.domain.state import State
from keelstep.events import types, value
from keelstep.events.value import Value
from keelstep.kinds.contract import ToolContractSpec

Verdict = Refuse | Deny | Answered | Join | AskGate | Perform


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """The call that undoes another."""

    planned: types.PlannedCall
    args: Mapping[str, Any]
    payload: bytes
    """The arguments as they are sealed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """Everything an undo's verdict rests on."""

    state: State
    pinned: Pinned
    attempt: int
    seq: int
    """The `tool.result` whose call is to be undone."""
    call: Call | None
    """None where it cannot be computed."""
    problem: str
    """Why; empty where it can."""
    stop: Standing
    platform: policy.Platform | None
    now: int
    """Nanoseconds since 1970."""
    evaluate: cel.Evaluate = cel.here
    """Where rules with macros are evaluated."""


def source(state: State, target: unwind.Target) -> tuple[Value, Value, str]:
    """What the call that undoes another follows from: that one's arguments, its output and its key.

    Raises:
        related.RelatedError: the log does not hold it.
    """
    result, planned = state.end_of(target.place), state.planned_at(target.place)
    later = state.reconciled.get(target.place)
    said = later or result
    if planned is None or result is None or said is None or said.data.output is None:
        raise related.RelatedError("nothing is recorded that it could follow from")
    return planned.args, said.data.output, result.data.idempotency_key


def build(spec: ToolContractSpec, sealed: Value, args: Mapping[str, Any], key: str, output: Any) -> Call:
    """The call that undoes a call of this contract with these arguments and this output; the same wherever it is asked.

    Raises:
        related.RelatedError: the contract's expression does not give its arguments.
    """
    assert spec.compensation is not None
    payload = related.arguments(spec.compensation.arguments, {"args": args, "key": key, "output": output})
    # as secret as the salt of what it follows from, and no other for whoever computes it again
    salt = hashlib.sha256(f"undo\x1f{sealed.salt}\x1f{sealed.digest}".encode()).hexdigest()[:32]
    made = value.seal(payload, media_type=value.JSON, salt=salt)
    planned = types.PlannedCall(index=0, call_id="undo", tool=spec.compensation.contract, args=made)
    return Call(planned=planned, args=canonical.loads(payload), payload=payload)


def decide(q: Question) -> Verdict:
    """What to do about the wish to undo something."""
    state = q.state
    standing = call.ended(state, q.attempt)
    if standing is not None:
        return standing
    if not state.is_unwinding:
        return Refuse(reason="RequestInvalid", message="nothing is undone while the run lasts")
    if unwind.place_of(q.seq) in state.results:
        return Answered()
    for claim in state.claims.values():
        return Join(claim=claim)
    target = unwind.next_target(state)
    if target is None or target.seq != q.seq:
        return Refuse(reason="Superseded", message="this is not what is to be undone next")
    if unwind.waits_for_person(state):
        return Refuse(reason="GatePending", message="the undoing waits for a person")
    if isinstance(q.stop, call.Unknowable):
        return Refuse(reason=q.stop.reason, message=q.stop.message, is_transient=True)
    if q.stop is not None:
        return call.stopped(q.stop, target.undo)
    return _objection(q, target) or _permitted(q, target)


def _objection(q: Question, target: unwind.Target) -> Deny | None:
    """Why it cannot be undone by us at all."""
    spec = q.pinned.contracts.get(target.undo)
    if spec is None or target.undo not in q.state.pins:
        return Deny(reason="ToolNotAllowed", message=f"the strategy does not list {target.undo}")
    if not target.is_known:
        return Deny(
            reason="OutcomeUnknown",
            message=f"whether {target.tool} happened is not known; a person must find out",
        )
    if q.call is None:
        return Deny(reason="ArgumentsInvalid", message=f"compensation of {target.tool}: {q.problem}")
    problems = schema.of_revision(spec.schemas.input).problems(q.call.args)
    if problems:
        return Deny(reason="ArgumentsInvalid", message="; ".join(problems))
    return None


def _permitted(q: Question, target: unwind.Target) -> Deny | Refuse | AskGate | Perform:
    """Whether it may be made freely, or a person must be asked, or rules deny it."""
    assert q.call is not None
    spec, state = q.pinned.contracts[target.undo], q.state
    asked = policy.Subject(
        state=state,
        pinned=q.pinned,
        tool=target.undo,
        args=q.call.args,
        cap_micro_usd=call.cap_micro_usd(state, q.pinned),
        evaluate=q.evaluate,
    )
    ruled = policy.judge(q.platform, asked)
    if ruled is not None and ruled.effect == "deny":
        return Deny(
            reason=ruled.reason, message=ruled.message or f"rule {ruled.rule} denies it", policy=ruled
        )
    is_escalated = ruled is not None and ruled.effect == "escalate"
    required = tier.required(spec.consequence_tier, is_escalated=is_escalated)
    gate = None
    if tier.needs_gate(required, tier.allowed(q.pinned.strategy.autonomy.max_tier)):
        gate = state.gates.get(target.undo_place)
        if gate is None:
            return AskGate(tier=required)
        objection = call.not_approved(gate, q.call.planned.args, state.pins[target.undo].digest, q.now)
        if objection is not None:
            return objection
    return Perform(
        spec=spec,
        planned=q.call.planned,
        key=unwind.key_of(state, target),
        tier=required,
        estimate_micro_usd=contract.estimate_micro_usd(spec),
        gate=gate,
        needs_claim=True,
        policy=ruled,
    )
