"""Which rows does a message make? Its bytes, its lines in the trace, and the row of its execution.

Pure. A runner's words are bent to what a column can hold, never refused: one message must not stop the tables. Costs
are shown where the fold settles them and nowhere else, so that a trace adds up to its execution's total. The trace is
the one that the operator's `exec.started` names, whatever a later event says of itself.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, TypeGuard

from keelstep.domain import execution, trace
from keelstep.domain.state import State
from keelstep.events import types
from keelstep.events.envelope import Event, Undecidable
from keelstep.store.fold import Judged

Row = tuple[Any, ...]

CALLED, EVENT, COMPLETED = 0, 1, 2
"""A line's part: a call without a claim, the event itself, the step it completes."""

MESSAGE_COLUMNS = (
    *("shard", "position", "tenant", "execution", "writer", "signature", "stored_at_nanoseconds", "payload"),
    *("outcome", "reason", "type", "seq"),
)
LINE_COLUMNS = (
    *("trace_id", "shard", "position", "part", "tenant", "execution_id", "seq", "step_n", "event_type"),
    *(
        "target",
        "summary",
        "writer",
        "actor",
        "attempt",
        "tokens_in",
        "tokens_out",
        "micro_usd",
        "latency_ms",
    ),
    "stored_at",
)
EXECUTION_KEY = ("tenant", "execution_id")
EXECUTION_COLUMNS = (
    *EXECUTION_KEY,
    *(
        "name",
        "strategy",
        "strategy_version",
        "strategy_digest",
        "arm",
        "requester",
        "trace_id",
        "started_at",
    ),
    *("finished_at", "duration_ms", "outcome", "outcome_success", "outcome_reason", "micro_usd"),
    *(
        "budget_micro_usd",
        "reserved_micro_usd",
        "price_table",
        "tokens",
        "steps_n",
        "attempts",
        "model_calls",
    ),
    *(
        "tool_calls",
        "gate_escalations",
        "model_ms",
        "tool_ms",
        "gate_ms",
        "events_n",
        "voids_n",
        "undecidable",
    ),
    *("shard", "position"),
)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_INT4, _INT8 = 2**31 - 1, 2**63 - 1
_NOT_UTF8 = "\ufffd"
_MILLISECOND = 1_000_000
_LONGEST_SUMMARY = 2_000


def message(shard: int, judged: Judged) -> Row:
    """The stored message, byte for byte, and what it was."""
    arrival, stored = judged.arrival, judged.arrival.stored
    outcome, reason, type_name, seq = _outcome(judged.outcome)
    return (
        shard,
        stored.position,
        arrival.tenant,
        arrival.xid,
        stored.writer,
        text(stored.signature),
        stored.stored_at,
        stored.payload,
        outcome,
        reason,
        type_name,
        seq,
    )


def _outcome(outcome: execution.Outcome) -> tuple[str, str | None, str | None, int | None]:
    match outcome:
        case Event():
            return "event", None, outcome.type, outcome.seq
        case Undecidable():
            head = outcome.envelope
            return "undecidable", text(f"{head.type} v{head.v}"), text(head.type), None
        case execution.Void():
            # past an event that nobody here knows, nothing can be called void
            return "undecidable" if outcome.reason == "Undecidable" else "void", outcome.reason, None, None


def mark(shard: int, judged: Judged) -> Row:
    """The first event of an execution that nobody here knows."""
    arrival = judged.arrival
    return shard, arrival.tenant, arrival.xid, arrival.stored.position, text(judged.after.undecidable)


def lines(shard: int, judged: Judged) -> Iterator[Row]:
    """The lines that an event adds to its trace, in order; none where the message is no event."""
    event, arrival, after = judged.outcome, judged.arrival, judged.after
    if not isinstance(event, Event):
        return
    line = trace.line(event, arrival.stored, after)
    place = (text(after.trace_id), shard, line.position)
    whose = (arrival.tenant, arrival.xid, line.seq, line.step)
    target = text(line.target)
    writer = (line.writer, text(line.actor), _bounded(line.attempt, _INT4))
    when = _when(line.stored_at)
    if _needed_no_claim(event.data):
        called = f"tier {event.data.tier}, no claim needed"
        yield (*place, CALLED, *whose, "tool.called", target, called, *writer, *_FREE, None, when)
    latency = None if line.latency_ms is None else _bounded(line.latency_ms, _INT8)
    summary = _summary(line.summary)
    yield (*place, EVENT, *whose, line.type, target, summary, *writer, *_settled(line), latency, when)
    if line.ends_step:
        what = f"step {line.step}: {line.target}" if line.target else f"step {line.step}: model"
        completed = _summary(f"{what} {line.summary}")
        yield (*place, COMPLETED, *whose, "step.completed", target, completed, *writer, *_FREE, None, when)


_FREE = (0, 0, 0)


def _settled(line: trace.Line) -> tuple[int, int, int]:
    """What the event itself cost, by the word of whoever may say so."""
    if not line.ends_step or line.writer != types.Writer.GATEWAY:
        return _FREE
    return (
        _bounded(line.tokens_in, _INT8),
        _bounded(line.tokens_out, _INT8),
        _bounded(line.micro_usd, _INT8),
    )


def _summary(said: str) -> str:
    return text(said)[:_LONGEST_SUMMARY]


def _needed_no_claim(data: types.Data) -> TypeGuard[types.ToolResult]:
    """A performed call that was never claimed: a free read or a builtin, neither a refusal nor a repeated answer."""
    return (
        isinstance(data, types.ToolResult)
        and data.claim_seq is None
        and data.replayed_seq is None
        and data.status != "denied"
    )


def execution_row(shard: int, state: State) -> Row | None:
    """The execution as its fold is now; None where it has not begun."""
    started = state.started
    if started is None:
        return None
    is_over = state.is_over
    outcome, reason = _end(state)
    replies = [call.reply for call in state.models.values() if call.reply is not None]
    return (
        state.tenant,
        state.xid,
        text(started.name),
        text(started.strategy),
        text(started.strategy_version),
        text(started.strategy_digest),
        None if started.arm is None else text(started.arm),
        text(started.requester),
        text(state.trace_id),
        _when(state.started_at),
        _when(state.over_at) if is_over else None,
        (state.over_at - state.started_at) // _MILLISECOND if is_over else None,
        outcome,
        None if outcome is None else outcome == "succeeded",
        None if reason is None else text(reason),
        _bounded(state.spent_micro_usd, _INT8),
        _bounded(started.budget_micro_usd, _INT8),
        _bounded(state.reserved_micro_usd, _INT8),
        text(_price_table(state)),
        _bounded(state.tokens, _INT8),
        state.step,
        state.attempt,
        state.ordinal,
        state.tool_calls,
        len(state.questions),
        _bounded(sum(reply.latency_ms for reply in replies), _INT8),
        _bounded(sum(result.data.latency_ms for result in state.results.values()), _INT8),
        _bounded(sum(gate.decided.latency_ms for gate in state.questions if gate.decided), _INT8),
        state.seq,
        state.voids,
        text(state.undecidable) or None,
        shard,
        state.position,
    )


def _end(state: State) -> tuple[str | None, str | None]:
    if state.killed is not None:
        return "killed", state.killed.reason
    if state.finished is not None:
        return state.finished.outcome, state.finished.reason
    return None, None


def _price_table(state: State) -> str:
    last = state.models.get(state.ordinal)
    reply = last.reply if last is not None else None
    if reply is None and state.ordinal > 1:
        reply = state.models[state.ordinal - 1].reply
    return reply.price_table if reply is not None else ""


def text(value: str) -> str:
    """What Postgres can hold of a text: neither NUL nor half a surrogate pair."""
    if value.isascii() and "\x00" not in value:
        return value
    return value.encode("utf-8", "replace").decode().replace("\x00", _NOT_UTF8)


def _bounded(number: int, limit: int) -> int:
    return number if -limit <= number <= limit else limit if number > 0 else -limit


def _when(nanoseconds: int) -> datetime:
    return _EPOCH + timedelta(microseconds=nanoseconds // 1_000)
