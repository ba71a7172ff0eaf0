"""Under which name is each event stored, and who may write it?"""

import msgspec

from keelstep.events import types


class Kind(msgspec.Struct, frozen=True, kw_only=True):
    """One event type: its data and who may write it."""

    data: type[types.Data]
    writers: tuple[types.Writer, ...]


OP, GW, RUN = types.Writer.OPERATOR, types.Writer.GATEWAY, types.Writer.RUNNER


def _kind(data: type[types.Data], *writers: types.Writer) -> Kind:
    return Kind(data=data, writers=writers)


KINDS: dict[str, Kind] = {
    "exec.started": _kind(types.ExecStarted, OP),
    "exec.attempt": _kind(types.ExecAttempt, OP),
    "model.called": _kind(types.ModelCalled, GW),
    "model.replied": _kind(types.ModelReplied, GW),
    "plan.proposed": _kind(types.PlanProposed, RUN),
    "tool.called": _kind(types.ToolCalled, GW),
    "tool.retried": _kind(types.ToolRetried, GW),
    "tool.result": _kind(types.ToolResult, GW, RUN),
    "tool.reconciled": _kind(types.ToolReconciled, GW),
    "policy.evaluated": _kind(types.PolicyEvaluated, GW),
    "gate.requested": _kind(types.GateRequested, RUN),
    "gate.decided": _kind(types.GateDecided, OP),
    "exec.suspended": _kind(types.Interruption, OP),
    "exec.resumed": _kind(types.Interruption, OP),
    "exec.cancelled": _kind(types.Interruption, OP),
    "exec.killed": _kind(types.Interruption, OP),
    "exec.unwinding": _kind(types.Unwinding, RUN, OP),
    "exec.finished": _kind(types.ExecFinished, RUN, OP),
    "feedback.given": _kind(types.Feedback, OP),
}
"""Every event type by name."""

NAMES: dict[type[types.Data], str] = {
    kind.data: name for name, kind in KINDS.items() if kind.data is not types.Interruption
}
"""The name of each data type that stands for one event only."""
