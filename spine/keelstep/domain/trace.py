"""What is shown of an event? One line: its step, what it concerns, a summary, cost and latency.

The same line everywhere: CLI, views API, Postgres, console. It names tools, models, reasons and digests, never a
payload: those stand in Values and are erased there.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import msgspec

from keelstep.domain import execution, money
from keelstep.domain.state import State
from keelstep.domain.validity import Vouch
from keelstep.events import clock, types
from keelstep.events.envelope import Event
from keelstep.events.frame import Stored

_MOST_WHY = 160


class Line(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One event of a trace."""

    seq: int
    step: int
    """The step the event belongs to: model turns and tool calls counted together."""
    type: str
    target: str
    """The tool or model it concerns, else empty."""
    summary: str
    writer: str
    """`op`, `gw` or `a<attempt>`."""
    actor: str
    attempt: int
    tokens_in: int
    tokens_out: int
    micro_usd: int
    latency_ms: int | None
    stored_at: int
    """The broker's clock, nanoseconds since 1970."""
    position: int
    digest: str
    """SHA-256 of the event's bytes."""
    ends_step: bool
    """True for the event that ends its step."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """An execution's events as they are shown, and the fold behind them."""

    state: State
    lines: tuple[Line, ...]
    voids: tuple[execution.Void, ...]


def read(state: State, messages: Iterable[Stored], vouch: Vouch) -> Trace:
    """The trace of an execution's messages, from the state before them."""
    lines: list[Line] = []
    voids: list[execution.Void] = []
    for stored in messages:
        state, outcome = execution.advance(state, stored, vouch)
        if isinstance(outcome, Event):
            lines.append(line(outcome, stored, state))
        elif isinstance(outcome, execution.Void):
            voids.append(outcome)
    return Trace(state=state, lines=tuple(lines), voids=tuple(voids))


def line(event: Event, stored: Stored, after: State) -> Line:
    """One event's line; `after` is the state that includes it."""
    target, summary = _SUMMARIES[event.type](event.data)
    cost = event.cost
    return Line(
        seq=event.seq,
        step=after.step,
        type=event.type,
        target=target,
        summary=summary,
        writer=stored.writer,
        actor=event.actor,
        attempt=event.attempt,
        tokens_in=cost.tokens_in,
        tokens_out=cost.tokens_out,
        micro_usd=cost.micro_usd,
        latency_ms=getattr(event.data, "latency_ms", None),
        stored_at=stored.stored_at,
        position=stored.position,
        digest=after.head,
        ends_step=event.type in ("model.replied", "tool.result"),
    )


def duration(start: int, end: int) -> str:
    """A span of time for a person: `0.4 s`, `2 min 5 s`."""
    seconds = (end - start) / clock.SECOND
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


def _started(data: types.Data) -> tuple[str, str]:
    assert isinstance(data, types.ExecStarted)
    what = f"strategy {data.strategy} {data.strategy_version} for {data.requester}"
    return (
        "",
        f"{what}, budget {money.usd(data.budget_micro_usd)} USD, {_counted(len(data.contracts), 'tool')}",
    )


def _attempt(data: types.Data) -> tuple[str, str]:
    assert isinstance(data, types.ExecAttempt)
    return "", f"attempt {data.attempt} in pod {data.pod} ({data.reason})"


def _model_called(data: types.Data) -> tuple[str, str]:
    assert isinstance(data, types.ModelCalled)
    return data.model, f"call {data.ordinal}, reserved {money.usd(data.reserved_micro_usd)} USD"


def _model_replied(data: types.Data) -> tuple[str, str]:
    assert isinstance(data, types.ModelReplied)
    tried = len(data.routing)
    fallback = f" after {_counted(tried - 1, 'fallback')}" if tried > 1 else ""
    return data.model, f"call {data.ordinal} {data.status}{fallback}{_why(data.error)}"


def _plan(data: types.Data) -> tuple[str, str]:
    assert isinstance(data, types.PlanProposed)
    return (
        "",
        f"{_counted(len(data.steps), 'call')}: {', '.join(c.tool for c in data.steps)}",
    )


def _tool_called(data: types.Data) -> tuple[str, str]:
    assert isinstance(data, types.ToolCalled)
    gate = f", approved by event {data.gate_seq}" if data.gate_seq is not None else ""
    waited = f", waited {_seconds(data.waited_ms)} for its turn" if data.waited_ms else ""
    return data.tool, f"{_undoes(data.undoes)}tier {data.tier}, key {data.idempotency_key[:12]}{gate}{waited}"


def _tool_retried(data: types.Data) -> tuple[str, str]:
    assert isinstance(data, types.ToolRetried)
    wait = f", {_seconds(data.wait_ms)} after the one before" if data.wait_ms else ""
    why = data.error.message[:_MOST_WHY] if data.error is not None else ""
    said = f"{data.reason}: {why}" if why else data.reason
    return "", f"performance {data.attempt_number} of claim {data.claim_seq}{wait} ({said}), same key"


def _tool_result(data: types.Data) -> tuple[str, str]:
    assert isinstance(data, types.ToolResult)
    replay = f", answered by event {data.replayed_seq}" if data.replayed_seq is not None else ""
    if data.cached is not None:
        replay = (
            f", answered by event {data.cached.seq} of run {data.cached.execution}, of {data.cached.answered}"
        )
    via = f", as {data.via} shows" if data.via else ""
    waited = f", waited {_seconds(data.waited_ms)} for its turn" if data.waited_ms else ""
    return data.tool, f"{_undoes(data.undoes)}{data.status}{replay}{via}{waited}{_why(data.error)}"


def _policy(data: types.Data) -> tuple[str, str]:
    assert isinstance(data, types.PolicyEvaluated)
    return data.tool, ruled(data.verdict)


def ruled(verdict: types.PolicyVerdict) -> str:
    """What the rules said about a call, as a sentence."""
    by = f"rule {verdict.rule}" if verdict.rule else "no rule"
    means = {"allow": "lets the tier decide", "deny": "denies", "escalate": "asks for a person"}[
        verdict.effect
    ]
    return f"{by} {means}{f': {verdict.message}' if verdict.message else ''}"


def _tool_reconciled(data: types.Data) -> tuple[str, str]:
    assert isinstance(data, types.ToolReconciled)
    found = "happened" if data.status == "ok" else "did not happen"
    return data.tool, f"{data.via} shows that the call of event {data.result_seq} {found}"


def _gate_requested(data: types.Data) -> tuple[str, str]:
    assert isinstance(data, types.GateRequested)
    about = f"call {data.index} of plan {data.plan_seq}"
    if data.undoes is not None:
        about = f"undoing the call of event {data.undoes}"
    return "", f"{about} {_ASKED[data.kind]} (tier {data.consequence_tier})"


def _gate_decided(data: types.Data) -> tuple[str, str]:
    assert isinstance(data, types.GateDecided)
    who = f" by {', '.join(each.user for each in data.approvers)}" if data.approvers else ""
    # `Approved` says nothing that the verdict does not; people's own words do
    said = [each.reason for each in data.approvers if each.reason]
    words = [] if data.reason.lower() == data.verdict else [data.reason]
    why = "; ".join(filter(None, (*words, *said)))[:_MOST_WHY]
    return "", f"{data.verdict}{who}{f': {why}' if why else ''}"


def _interruption(data: types.Data) -> tuple[str, str]:
    assert isinstance(data, types.Interruption)
    return "", f"by {data.by} ({data.scope}){f': {data.reason}' if data.reason else ''}"


def _unwinding(data: types.Data) -> tuple[str, str]:
    assert isinstance(data, types.Unwinding)
    return "", f"failed, {data.reason}{f': {data.message}' if data.message else ''}; what was done is undone"


def _finished(data: types.Data) -> tuple[str, str]:
    assert isinstance(data, types.ExecFinished)
    return "", f"{data.outcome}, {data.reason}{f': {data.message}' if data.message else ''}"


def _feedback(data: types.Data) -> tuple[str, str]:
    assert isinstance(data, types.Feedback)
    return "", f"{data.verdict} says {data.by}"


_ASKED: dict[types.GateKind, str] = {
    "approval": "needs a person",
    "exhausted": "came to nothing: a person may let it be made again",
    "undo": "came to nothing: a person must do it by hand",
}


def _undoes(seq: int | None) -> str:
    return f"undoes event {seq}, " if seq is not None else ""


def _seconds(milliseconds: int) -> str:
    return f"{milliseconds / 1000:.1f} s"


def _counted(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _why(error: types.Error | None) -> str:
    if error is None:
        return ""
    return f", {error.reason}: {error.message[:_MOST_WHY]}" if error.message else f", {error.reason}"


_SUMMARIES: dict[str, Callable[[types.Data], tuple[str, str]]] = {
    "exec.started": _started,
    "exec.attempt": _attempt,
    "model.called": _model_called,
    "model.replied": _model_replied,
    "plan.proposed": _plan,
    "tool.called": _tool_called,
    "tool.retried": _tool_retried,
    "tool.result": _tool_result,
    "tool.reconciled": _tool_reconciled,
    "policy.evaluated": _policy,
    "gate.requested": _gate_requested,
    "gate.decided": _gate_decided,
    "exec.suspended": _interruption,
    "exec.resumed": _interruption,
    "exec.cancelled": _interruption,
    "exec.killed": _interruption,
    "exec.unwinding": _unwinding,
    "exec.finished": _finished,
    "feedback.given": _feedback,
}
"""What an event concerns, and its summary."""
