"""Which steps does a log take while its run unwinds? Those of `builders`, about what is to be undone next."""

from typing import Any, Protocol, TypeVar

import msgspec

from keelstep.domain import unwind
from keelstep.domain.state import State
from keelstep.events import types, value
from keelstep.events.value import Value


class _Builder(Protocol):
    """What these steps need of a log's builder."""

    state: State

    def soon(self) -> str: ...
    def _op(self, type_name: str, data: types.Data) -> Any: ...
    def _gw(self, type_name: str, data: types.Data) -> Any: ...
    def _run(self, type_name: str, data: types.Data) -> Any: ...


B = TypeVar("B", bound=_Builder)


def _value(content: object) -> Value:
    return value.seal(msgspec.json.encode(content), media_type=value.JSON, salt="5a17")


def _target(state: State) -> unwind.Target:
    target = unwind.next_target(state)
    assert target is not None, "nothing is to be undone"
    return target


class Undoing:
    """Steps of a run that has failed or was cancelled."""

    __slots__ = ()

    def unwinding(self: B, reason: str = "CriteriaNotMet") -> B:
        """The runner says that the run has failed, and that what it did is undone."""
        self._run("exec.unwinding", types.Unwinding(reason=reason))
        return self

    def failing(self: B, reason: str = "DeadlineExceeded") -> B:
        """The operator says so."""
        self._op("exec.unwinding", types.Unwinding(reason=reason))
        return self

    def undo(self: B, *, owner: str = "gw-1", **data: object) -> B:
        """A gateway claims the undoing of what is to be undone next."""
        target = _target(self.state)
        pin, gate = self.state.pins[target.undo], self.state.gates.get(target.undo_place)
        given: dict[str, object] = {
            "plan_seq": target.seq,
            "index": 0,
            "tool": target.undo,
            "args": _value({"undo": target.seq}),
            "contract_digest": pin.digest,
            "idempotency_key": unwind.key_of(self.state, target),
            "estimate_micro_usd": 0,
            "tier": pin.tier,
            "owner": owner,
            "deadline": self.soon(),
            "gate_seq": gate.decided_seq if gate is not None else None,
            "undoes": target.seq,
        }
        self._gw("tool.called", types.ToolCalled(**{**given, **data}))  # type: ignore[arg-type]
        return self

    def undone(self: B, status: str = "ok", **data: object) -> B:
        """How that ended; without a claim only `denied`."""
        target = _target(self.state)
        claim = self.state.claims.get(target.undo_place)
        given: dict[str, object] = {
            "plan_seq": target.seq,
            "index": 0,
            "tool": target.undo,
            "status": status,
            "claim_seq": claim.seq if claim is not None else None,
            "output": _value({}) if status == "ok" else None,
            "error": None if status == "ok" else types.Error(reason=status.capitalize()),
            "idempotency_key": claim.key if claim is not None else "",
            "undoes": target.seq,
        }
        self._gw("tool.result", types.ToolResult(**{**given, **data}))  # type: ignore[arg-type]
        return self

    def undo_gate(self: B, kind: types.GateKind = "undo", **data: object) -> B:
        """The runner asks a person about what is to be undone next."""
        target = _target(self.state)
        given: dict[str, object] = {
            "plan_seq": target.seq, "index": 0, "consequence_tier": 1, "kind": kind, "undoes": target.seq,
        }  # fmt: skip
        self._run("gate.requested", types.GateRequested(**{**given, **data}))  # type: ignore[arg-type]
        return self

    def undo_decided(self: B, verdict: str = "approved", **data: object) -> B:
        """The operator records the answer."""
        target = _target(self.state)
        given: dict[str, object] = {
            "plan_seq": target.seq,
            "index": 0,
            "request_seq": self.state.gates[target.undo_place].request_seq,
            "verdict": verdict,
            "args_digest": _value({"undo": target.seq}).digest,
            "contract_digest": self.state.pins[target.undo].digest,
            "valid_until": self.soon(),
        }
        self._op("gate.decided", types.GateDecided(**{**given, **data}))  # type: ignore[arg-type]
        return self
