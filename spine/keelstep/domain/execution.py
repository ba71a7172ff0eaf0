"""What is the state of an execution? The fold of its log.

`advance` takes the next stored message, decides whether it is an event, and if so evolves the state. The same messages
give the same state everywhere: operator, gateway, runner and projector all call this and nothing else.

    stored message ─► decode ─► misplaced? ─► refused? ─► evolve ─► state
                        │           │            │
                     malformed    void         void        (reported, never followed)
"""

import contextlib
import gc
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from msgspec import structs

from keelstep.domain import draft, ending, validity
from keelstep.domain.state import Claim, Gate, KeyState, ModelCall, Plan, State
from keelstep.events import envelope, types
from keelstep.events.envelope import Event, Malformed, Undecidable
from keelstep.events.frame import Stored

_change, _put, _drop = draft.change, draft.put, draft.drop
_OPERATOR = str(types.Writer.OPERATOR)


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
    after = draft.of(state)
    outcome = _take(after, stored, vouch)
    return draft.frozen(after), outcome


def fold(state: State, messages: Iterable[Stored], vouch: validity.Vouch) -> tuple[State, list[Outcome]]:
    """The state after these messages, and what each was: `advance`, one after the other, on one draft."""
    after = draft.of(state)
    with _nothing_collected():
        outcomes = [_take(after, stored, vouch) for stored in messages]
    return draft.frozen(after), outcomes


def resume(state: State, messages: Iterable[Stored], vouch: validity.Vouch) -> State:
    """The state after these messages, where nobody asks what each was: to keep that of a long log takes its time."""
    after = draft.of(state)
    with _nothing_collected():
        for stored in messages:
            _take(after, stored, vouch)
    return draft.frozen(after)


def evolve(state: State, event: Event, stored: Stored) -> State:
    """The state after a valid event."""
    after = draft.of(state)
    _evolve(after, event, stored)
    return draft.frozen(after)


@contextlib.contextmanager
def _nothing_collected() -> Iterator[None]:
    """No search for garbage meanwhile: a fold makes none that is circular, and each search walks all that it has made."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _take(now: State, stored: Stored, vouch: validity.Vouch) -> Outcome:
    """What the next stored message is; the draft becomes the state after it."""
    if stored.position <= now.position:
        raise ValueError(f"message {stored.position} comes after {now.position}")
    if now.undecidable:
        _change(now, "position", stored.position)
        return Void(position=stored.position, reason="Undecidable")
    found = envelope.decode(stored.payload)
    if not isinstance(found, Event):
        return _no_event(now, stored, found, vouch)
    reason = validity.misplaced(now, stored, found) or validity.refused(now, stored, found, vouch)
    if reason:
        return _void(now, stored, reason)
    _evolve(now, found, stored)
    return found


def _no_event(now: State, stored: Stored, found: Undecidable | Malformed, vouch: validity.Vouch) -> Outcome:
    """Nothing is decided past an event that this program does not know, if it is one."""
    if isinstance(found, Malformed):
        return _void(now, stored, "NotAnEvent")
    reason = validity.misplaced(now, stored, found.envelope) or validity.ignored(stored, vouch)
    if reason:
        return _void(now, stored, reason)
    _change(now, "position", stored.position)
    _change(now, "undecidable", f"{found.envelope.type} v{found.envelope.v}")
    return found


def _evolve(now: State, event: Event, stored: Stored) -> None:
    _CHANGES[event.type](now, event, stored)
    _change(now, "seq", event.seq)
    _change(now, "head", envelope.digest(stored.payload))
    _change(now, "position", stored.position)
    _change(now, "stored_at", stored.stored_at)
    if now.voids_since:
        _change(now, "voids_since", 0)
    if (now.barren_attempts or not now.worked) and stored.writer != _OPERATOR:
        _change(now, "barren_attempts", 0)
        _change(now, "worked", True)


def _void(now: State, stored: Stored, reason: str) -> Void:
    _change(now, "position", stored.position)
    _change(now, "voids", now.voids + 1)
    _change(now, "voids_since", now.voids_since + 1)
    return Void(position=stored.position, reason=reason)


def _started(now: State, event: Event, stored: Stored) -> None:
    _change(now, "started", event.data)
    _change(now, "started_at", stored.stored_at)
    _change(now, "trace_id", event.trace_id)


def _attempt(now: State, event: Event, stored: Stored) -> None:
    data = event.data
    assert isinstance(data, types.ExecAttempt)
    _change(now, "attempt", data.attempt)
    _change(now, "attempt_at", stored.stored_at)
    _change(now, "attempt_seq", event.seq)
    _change(now, "pod", data.pod)
    _change(now, "barren_attempts", now.barren_attempts + 1)


def _model_called(now: State, event: Event, stored: Stored) -> None:
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
    _put(now, "models", data.ordinal, call)
    _change(now, "ordinal", data.ordinal)
    _change(now, "step", now.step + 1)
    _change(now, "reserved_micro_usd", now.reserved_micro_usd + data.reserved_micro_usd)


def _model_replied(now: State, event: Event, stored: Stored) -> None:
    data = event.data
    assert isinstance(data, types.ModelReplied)
    call = now.models[data.ordinal]
    _put(now, "models", data.ordinal, structs.replace(call, reply=data))
    _change(now, "reserved_micro_usd", now.reserved_micro_usd - call.reserved_micro_usd)
    ending.settle(now, event)


def _plan(now: State, event: Event, stored: Stored) -> None:
    data = event.data
    assert isinstance(data, types.PlanProposed)
    plan = Plan(seq=event.seq, ordinal=data.ordinal, steps=tuple(data.steps))
    _change(now, "plan", plan)
    _put(now, "plans", data.ordinal, plan)


def _claim(now: State, event: Event, stored: Stored) -> None:
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
        event_id=event.id,
        is_doubtful=(data.plan_seq, data.index) in now.doubted,
        args=data.args,
        undoes=data.undoes,
    )
    _put(now, "claims", claim.place, claim)
    _put(now, "keys", claim.key, KeyState(status="open", seq=event.seq, tool=data.tool))
    _change(now, "reserved_micro_usd", now.reserved_micro_usd + data.estimate_micro_usd)
    ending.begin(now, data.tool)
    if data.gate_seq is not None:
        _put(now, "gates", claim.place, structs.replace(now.gates[claim.place], used=True))


def _retried(now: State, event: Event, stored: Stored) -> None:
    data = event.data
    assert isinstance(data, types.ToolRetried)
    place = (data.plan_seq, data.index)
    claim = now.claims[place]
    again = structs.replace(
        claim,
        owner=data.owner,
        deadline=data.deadline,
        stored_at=stored.stored_at,
        performances=data.attempt_number,
        is_doubtful=claim.is_doubtful or not data.is_certain,
    )
    _put(now, "claims", place, again)


def _policy(now: State, event: Event, stored: Stored) -> None:
    data = event.data
    assert isinstance(data, types.PolicyEvaluated)
    _put(now, "policies", (data.plan_seq, data.index), data.verdict)


def _gate_requested(now: State, event: Event, stored: Stored) -> None:
    data = event.data
    assert isinstance(data, types.GateRequested)
    gate = Gate(
        request_seq=event.seq,
        plan_seq=data.plan_seq,
        index=data.index,
        tier=data.consequence_tier,
        asked_at=stored.stored_at,
        evidence=data.evidence_pack,
        kind=data.kind,
        undoes=data.undoes,
    )
    before = now.gates.get(gate.place)
    if before is not None:
        _put(now, "former_gates", before.request_seq, before)
    _put(now, "gates", gate.place, gate)
    _change(now, "pending_gates", now.pending_gates + 1)


def _gate_decided(now: State, event: Event, stored: Stored) -> None:
    data = event.data
    assert isinstance(data, types.GateDecided)
    place = (data.plan_seq, data.index)
    gate = structs.replace(now.gates[place], decided=data, decided_seq=event.seq)
    _put(now, "gates", place, gate)
    _change(now, "pending_gates", now.pending_gates - 1)
    if gate.kind == "exhausted" and data.verdict == "approved":
        ending.reopen(now, place, event.seq)
    if now.is_unwinding:
        _change(now, "unwinding_at", stored.stored_at)  # a person's time is not the machine's
    if gate.kind == "undo" and data.verdict == "approved":
        ending.undone_by_hand(now, place, event.seq)


def _killed(now: State, event: Event, stored: Stored) -> None:
    _change(now, "killed", event.data)
    _over(now, event, stored)


def _cancelled(now: State, event: Event, stored: Stored) -> None:
    _unwind(now, event, stored)
    _change(now, "cancelled", event.data)


def _unwinding(now: State, event: Event, stored: Stored) -> None:
    _unwind(now, event, stored)
    _change(now, "unwinding", event.data)
    _change(now, "is_unwound_by_runner", stored.writer != _OPERATOR)


def _unwind(now: State, event: Event, stored: Stored) -> None:
    """From here on it is being undone, by attempts that are counted anew; what was said first counts."""
    if not now.is_unwinding:
        _change(now, "unwinding_seq", event.seq)
        _change(now, "unwinding_at", stored.stored_at)
        _change(now, "barren_attempts", 0)


def _finished(now: State, event: Event, stored: Stored) -> None:
    _change(now, "finished", event.data)
    _over(now, event, stored)


def _over(now: State, event: Event, stored: Stored) -> None:
    _change(now, "over_at", stored.stored_at)
    _change(now, "over_seq", event.seq)


def _feedback(now: State, event: Event, stored: Stored) -> None:
    if isinstance(event.data, types.Feedback) and event.data.discards:
        _change(now, "discarded", event.data)


_CHANGES: dict[str, Callable[[State, Event, Stored], None]] = {
    "exec.started": _started,
    "exec.attempt": _attempt,
    "model.called": _model_called,
    "model.replied": _model_replied,
    "plan.proposed": _plan,
    "tool.called": _claim,
    "tool.retried": _retried,
    "tool.result": ending.result,
    "tool.reconciled": ending.reconciled,
    "policy.evaluated": _policy,
    "gate.requested": _gate_requested,
    "gate.decided": _gate_decided,
    "exec.suspended": lambda now, event, stored: _change(now, "suspended", event.data),
    "exec.resumed": lambda now, event, stored: _change(now, "suspended", None),
    "exec.cancelled": _cancelled,
    "exec.unwinding": _unwinding,
    "exec.killed": _killed,
    "exec.finished": _finished,
    "feedback.given": _feedback,
}
"""What changes in the draft, by event type."""
