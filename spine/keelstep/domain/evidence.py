"""What does an event rest on: an approval, an open claim, a read? Asked by several rules of `validity`."""

from keelstep.domain.state import Claim, State
from keelstep.events import types


def is_gate_honoured(state: State, data: types.ToolCalled) -> bool:
    """A tier-3 call has an approval of its own, unused, for exactly these arguments and this contract."""
    if data.gate_seq is None:
        return data.tier < 3 and not state.is_escalated((data.plan_seq, data.index))
    gate = state.gates.get((data.plan_seq, data.index))
    return (
        gate is not None
        and gate.decided is not None
        and gate.decided_seq == data.gate_seq
        and gate.decided.verdict == "approved"
        and gate.decided.args_digest == data.args.digest
        and gate.decided.contract_digest == data.contract_digest
        and not gate.used
    )


def claim_of(state: State, plan_seq: int, index: int, claim_seq: int | None) -> Claim | None:
    """The open claim of a call, where it is this one."""
    claim = state.claims.get((plan_seq, index))
    return claim if claim is not None and claim.seq == claim_seq else None


def is_read(state: State, via: str) -> bool:
    """What found out about a call is a read that this run may make, or nobody is named."""
    pin = state.pins.get(via)
    return not via or (pin is not None and not pin.builtin and pin.tier == 0 and pin.estimate_micro_usd == 0)
