"""May this be stored about undoing a call? The rules of `validity` for a run that unwinds.

Only what is to be undone next, in its own place, once; what that is follows from the fold (`unwind`).
"""

from keelstep.domain import evidence, unwind
from keelstep.domain.state import Place, State
from keelstep.events import types


def claim(state: State, data: types.ToolCalled) -> bool:
    """Only of what is to be undone next, by the contract that its pin names, with its own key, once."""
    target, pin = _to_undo(state, data.undoes, (data.plan_seq, data.index)), state.pins.get(data.tool)
    return (
        target is not None
        and target.is_known
        and not state.claims
        and pin is not None
        and not pin.builtin
        and data.tool == target.undo
        and data.contract_digest == pin.digest
        and data.tier >= pin.tier
        and data.idempotency_key == unwind.key_of(state, target)
        and unwind.status(state, target.seq) == "waiting"
        and evidence.is_gate_honoured(state, data)
    )


def _to_undo(state: State, undoes: int | None, place: Place) -> unwind.Target | None:
    """What is to be undone next, where the run is unwinding and this is about it."""
    if not state.is_unwinding or state.is_over or state.attempt == 0:
        return None
    target = unwind.next_target(state)
    is_it = target is not None and target.seq == undoes and target.undo_place == place
    return target if is_it else None


def result(state: State, data: types.ToolResult) -> bool:
    """Of an open claim, whenever it comes; without one only that what is to be undone next cannot be."""
    place = (data.plan_seq, data.index)
    if place in state.results or data.replayed_seq is not None:
        return False
    if data.claim_seq is not None:
        claim = evidence.claim_of(state, *place, data.claim_seq)
        return (
            claim is not None
            and (claim.undoes, claim.tool) == (data.undoes, data.tool)
            and data.status != "denied"
            and not (data.status == "failed" and claim.is_doubtful and not data.via)
            and evidence.is_read(state, data.via)
        )
    target = _to_undo(state, data.undoes, place)
    return target is not None and data.status == "denied" and data.tool == target.undo and not state.claims


def asked(state: State, data: types.GateRequested) -> bool:
    """May this be undone, once before it is; was it undone by hand, once where it came to nothing."""
    place = (data.plan_seq, data.index)
    if _to_undo(state, data.undoes, place) is None or place in state.claims:
        return False
    if data.kind == "undo":
        gate = state.gates.get(place)
        return place in state.results and (gate is None or gate.kind == "approval")
    return data.kind == "approval" and place not in state.gates and place not in state.results
