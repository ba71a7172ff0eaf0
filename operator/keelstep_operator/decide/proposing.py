"""How is an event of the operator's built? Pure; whether it is wanted is decided in `execution` and `unwinding`."""

from collections.abc import Sequence
from typing import Literal

from keelstep.events import envelope, types
from keelstep.events.value import Value
from keelstep_operator.decide import actions
from keelstep_operator.decide.facts import Facts


def finish(
    facts: Facts,
    outcome: Literal["failed", "cancelled"],
    reason: str,
    message: str,
    *,
    criteria: Sequence[types.Criterion] = (),
    output: Value | None = None,
    trace_id: str = "",
) -> actions.Append:
    """The end of a run that its runner does not end."""
    state = facts.state
    data = types.ExecFinished(
        outcome=outcome,
        reason=reason,
        message=message,
        criteria=list(criteria),
        output=output,
        steps_n=state.step,
        tokens=state.tokens,
        micro_usd=state.spent_micro_usd,
    )
    return append(facts, "exec.finished", data, reason, trace_id=trace_id)


def append(
    facts: Facts,
    name: str,
    data: types.Data,
    *parts: object,
    trace_id: str = "",
    payloads: Sequence[tuple[Value, bytes]] = (),
    attempt: int | None = None,
) -> actions.Append:
    """An event; `parts` are what tells it from others of its type, its place in the log by default."""
    key = parts or (facts.state.seq,)
    return actions.Append(
        type=name,
        data=data,
        id=envelope.identifier(facts.state.xid, name, *key),
        trace_id=trace_id,
        payloads=payloads,
        attempt=attempt,
    )
