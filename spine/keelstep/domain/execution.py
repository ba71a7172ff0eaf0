"""What is the state of an execution? The fold of its log.

`advance` takes the next stored message, decides whether it is an event, and if so evolves the state. The same messages
give the same state everywhere: operator, gateway, runner and projector all call this and nothing else.

    stored message ─► decode ─► misplaced? ─► refused? ─► evolve ─► state
                        │           │            │
                     malformed    void         void        (reported, never followed)
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from msgspec import structs

from keelstep.domain import validity
from keelstep.domain.state import Claim, Gate, KeyState, ModelCall, Plan, Result, State
from keelstep.events import envelope, types
from keelstep.events.envelope import Event, Malformed, Undecidable
from keelstep.events.frame import Stored

_OPERATOR, _GATEWAY = str(types.Writer.OPERATOR), str(types.Writer.GATEWAY)


@dataclass(frozen=True, slots=True, kw_only=True)
class Void:
    """A message that is no event, and why."""

    position: int
    reason: str


Outcome = Event | Void | Undecidable


def begin(xid: str, tenant: str) -> State:
    """The state before any event."""
    return State(xid=xid, tenant=tenant)


def advance(state: State, stored: Stored, vouch: validity.Vouch) -> tuple[State, Outcome]:
    """The state after the next stored message, and what that message was. Total: never raises on any bytes.

    Messages come in stream order, each once; one at or before `state.position` is a caller's error.
    """
    if stored.position <= state.position:
        raise ValueError(f"message {stored.position} comes after {state.position}")
    if state.undecidable:
        return structs.replace(state, position=stored.position), Void(
            position=stored.position, reason="Undecidable"
        )
    found = envelope.decode(stored.payload)
    if isinstance(found, Malformed):
        return _void(state, stored, "NotAnEvent")
    reason = validity.misplaced(state, stored, found.envelope)
    if reason:
        return _void(state, stored, reason)
    if isinstance(found, Undecidable):
        reason = validity.ignored(stored, vouch)
        if reason:
            return _void(state, stored, reason)
        what = f"{found.envelope.type} v{found.envelope.v}"
        return structs.replace(state, position=stored.position, undecidable=what), found
    reason = validity.refused(state, stored, found, vouch)
    if reason:
        return _void(state, stored, reason)
    return evolve(state, found, stored), found


def fold(state: State, messages: Iterable[Stored], vouch: validity.Vouch) -> tuple[State, list[Outcome]]:
    """The state after these messages, and what each was."""
    outcomes: list[Outcome] = []
    for stored in messages:
        state, outcome = advance(state, stored, vouch)
        outcomes.append(outcome)
    return state, outcomes


def evolve(state: State, event: Event, stored: Stored) -> State:
    """The state after a valid event."""
    changes = _CHANGES[event.type](state, event, stored)
    changes["seq"] = event.envelope.seq
    changes["head"] = envelope.digest(stored.payload)
    changes["position"] = stored.position
    changes["stored_at"] = stored.stored_at
    if (state.barren_attempts or not state.worked) and stored.writer != _OPERATOR:
        changes["barren_attempts"] = 0
        changes["worked"] = True
    return structs.replace(state, **changes)


def _void(state: State, stored: Stored, reason: str) -> tuple[State, Void]:
    after = structs.replace(state, position=stored.position, voids=state.voids + 1)
    return after, Void(position=stored.position, reason=reason)


Changes = dict[str, object]


def _started(state: State, event: Event, stored: Stored) -> Changes:
    return {"started": event.data, "started_at": stored.stored_at, "trace_id": event.envelope.trace_id}


def _attempt(state: State, event: Event, stored: Stored) -> Changes:
    data = event.data
    assert isinstance(data, types.ExecAttempt)
    return {
        "attempt": data.attempt,
        "attempt_at": stored.stored_at,
        "attempt_seq": event.seq,
        "pod": data.pod,
        "barren_attempts": state.barren_attempts + 1,
    }


def _model_called(state: State, event: Event, stored: Stored) -> Changes:
    data = event.data
    assert isinstance(data, types.ModelCalled)
    call = ModelCall(
        ordinal=data.ordinal,
        seq=event.seq,
        owner=data.owner,
        deadline=data.deadline,
        reserved_micro_usd=data.reserved_micro_usd,
        stored_at=stored.stored_at,
        request_digest=data.request.digest,
    )
    return {
        "models": state.models.set(data.ordinal, call),
        "ordinal": data.ordinal,
        "step": state.step + 1,
        "reserved_micro_usd": state.reserved_micro_usd + data.reserved_micro_usd,
    }


def _model_replied(state: State, event: Event, stored: Stored) -> Changes:
    data = event.data
    assert isinstance(data, types.ModelReplied)
    call = state.models[data.ordinal]
    return {
        "models": state.models.set(data.ordinal, structs.replace(call, reply=data)),
        "reserved_micro_usd": state.reserved_micro_usd - call.reserved_micro_usd,
        **_settled(state, event),
    }


def _plan(state: State, event: Event, stored: Stored) -> Changes:
    data = event.data
    assert isinstance(data, types.PlanProposed)
    plan = Plan(seq=event.seq, ordinal=data.ordinal, steps=tuple(data.steps))
    return {"plan": plan, "plans": state.plans.set(data.ordinal, plan)}


def _claim(state: State, event: Event, stored: Stored) -> Changes:
    data = event.data
    assert isinstance(data, types.ToolCalled)
    claim = Claim(
        seq=event.seq,
        plan_seq=data.plan_seq,
        index=data.index,
        tool=data.tool,
        key=data.idempotency_key,
        owner=data.owner,
        deadline=data.deadline,
        stored_at=stored.stored_at,
        estimate_micro_usd=data.estimate_micro_usd,
        gate_seq=data.gate_seq,
        valid_until=data.valid_until,
        performances=1,
    )
    changes: Changes = {
        "claims": state.claims.set(claim.place, claim),
        "keys": state.keys.set(claim.key, KeyState(status="open", seq=event.seq, tool=data.tool)),
        "reserved_micro_usd": state.reserved_micro_usd + data.estimate_micro_usd,
        **_begun(state, data.tool),
    }
    if data.gate_seq is not None:
        gate = state.gates[claim.place]
        changes["gates"] = state.gates.set(claim.place, structs.replace(gate, used=True))
    return changes


def _retried(state: State, event: Event, stored: Stored) -> Changes:
    data = event.data
    assert isinstance(data, types.ToolRetried)
    place = (data.plan_seq, data.index)
    claim = structs.replace(
        state.claims[place],
        owner=data.owner,
        deadline=data.deadline,
        stored_at=stored.stored_at,
        performances=data.attempt_number,
    )
    return {"claims": state.claims.set(place, claim)}


def _result(state: State, event: Event, stored: Stored) -> Changes:
    data = event.data
    assert isinstance(data, types.ToolResult)
    place = (data.plan_seq, data.index)
    claim = state.claims.get(place)
    changes: Changes
    if claim is not None:
        changes = {
            "claims": state.claims.delete(place),
            "reserved_micro_usd": state.reserved_micro_usd - claim.estimate_micro_usd,
        }
    else:
        changes = _begun(state, data.tool)
    changes["results"] = state.results.set(place, Result(seq=event.seq, data=data))
    if data.status == "ok" and data.replayed_seq is None:
        changes["successes"] = state.successes.set(data.tool, state.successes.get(data.tool, 0) + 1)
    if stored.writer == _GATEWAY:
        changes.update(_settled(state, event))
        changes.update(_key_settled(state, event, claim.key if claim is not None else data.idempotency_key))
    return changes


def _key_settled(state: State, event: Event, key: str) -> Changes:
    """What is known about a key now, by the gateway's word; a runner's on keys counts for nothing."""
    data = event.data
    assert isinstance(data, types.ToolResult)
    if not key or data.status == "denied" or data.replayed_seq is not None:
        return {}
    changes: Changes = {
        "keys": state.keys.set(key, KeyState(status=data.status, seq=event.seq, tool=data.tool))
    }
    before = state.unknown.get(data.tool, ())
    after = (*(other for other in before if other != key), *([key] if data.status == "unknown" else []))
    if after != before:
        changes["unknown"] = state.unknown.set(data.tool, after)
    return changes


def _begun(state: State, tool: str) -> Changes:
    """A tool call began: it counts as a step whatever becomes of it."""
    return {
        "step": state.step + 1,
        "tool_calls": state.tool_calls + 1,
        "calls": state.calls.set(tool, state.calls.get(tool, 0) + 1),
    }


def _settled(state: State, event: Event) -> Changes:
    """What a gateway says it cost; a runner's word on cost counts for nothing."""
    cost = event.envelope.cost
    return {
        "tokens": state.tokens + cost.tokens_in + cost.tokens_out,
        "spent_micro_usd": state.spent_micro_usd + cost.micro_usd,
    }


def _gate_requested(state: State, event: Event, stored: Stored) -> Changes:
    data = event.data
    assert isinstance(data, types.GateRequested)
    gate = Gate(
        request_seq=event.seq,
        plan_seq=data.plan_seq,
        index=data.index,
        tier=data.consequence_tier,
        asked_at=stored.stored_at,
        evidence=data.evidence_pack,
    )
    return {"gates": state.gates.set(gate.place, gate), "pending_gates": state.pending_gates + 1}


def _gate_decided(state: State, event: Event, stored: Stored) -> Changes:
    data = event.data
    assert isinstance(data, types.GateDecided)
    place = (data.plan_seq, data.index)
    gate = structs.replace(state.gates[place], decided=data, decided_seq=event.seq)
    return {"gates": state.gates.set(place, gate), "pending_gates": state.pending_gates - 1}


def _finished(state: State, event: Event, stored: Stored) -> Changes:
    return {"finished": event.data, "over_at": stored.stored_at}


_CHANGES: dict[str, Callable[[State, Event, Stored], Changes]] = {
    "exec.started": _started,
    "exec.attempt": _attempt,
    "model.called": _model_called,
    "model.replied": _model_replied,
    "plan.proposed": _plan,
    "tool.called": _claim,
    "tool.retried": _retried,
    "tool.result": _result,
    "gate.requested": _gate_requested,
    "gate.decided": _gate_decided,
    "exec.suspended": lambda state, event, stored: {"suspended": event.data},
    "exec.resumed": lambda state, event, stored: {"suspended": None},
    "exec.cancelled": lambda state, event, stored: {"cancelled": event.data},
    "exec.killed": lambda state, event, stored: {"killed": event.data, "over_at": stored.stored_at},
    "exec.finished": _finished,
    "feedback.given": lambda state, event, stored: {},
}
"""What changes, by event type."""
