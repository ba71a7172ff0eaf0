"""Is a stored message an event of this execution?

The fence keeps honest writers in order; validity keeps dishonest ones out. A message that fails any check here is
void: it changes no state and justifies no claim, writers append past it, and it is reported with the reason returned
here. Validity never depends on time, and an honest writer's acknowledged append is never void.
"""

import functools
from collections.abc import Callable

from keelstep.domain import evidence, undoing
from keelstep.domain.state import Place, State
from keelstep.events import envelope, registry, types
from keelstep.events.envelope import Event
from keelstep.events.frame import Stored

_OPERATOR, _RUNNER = types.Writer.OPERATOR, types.Writer.RUNNER

_WRITERS = {name: kind.writers for name, kind in registry.KINDS.items()}
Vouch = Callable[[types.Writer, Stored], bool]
"""Does the message carry its writer's own signature? Operator and gateway sign, runners do not."""


@functools.lru_cache(maxsize=4096)
def writer_of(token: str) -> tuple[types.Writer, int] | None:
    """The writer and, for a runner, its attempt, from a subject's last token."""
    if token == types.Writer.OPERATOR:
        return types.Writer.OPERATOR, 0
    if token == types.Writer.GATEWAY:
        return types.Writer.GATEWAY, 0
    number = token[1:]
    if token[:1] == "a" and number.isascii() and number.isdigit() and number[0] != "0" and len(number) < 16:
        return types.Writer.RUNNER, int(number)
    return None


def misplaced(state: State, stored: Stored, head: envelope.Envelope | Event) -> str:
    """Why the message does not continue this log, or nothing where it does."""
    if head.tenant != state.tenant or head.execution != state.xid:
        return "ForeignSubject"
    if head.seq != state.seq + 1:
        return "OutOfSequence"
    if head.prev != state.head:
        return "BrokenChain"
    found = writer_of(stored.writer)
    if found is None:
        return "WrongWriter"
    writer, attempt = found
    if writer is not _OPERATOR and head.attempt != state.attempt:
        return "OldAttempt"
    if writer is _RUNNER and attempt != state.attempt:
        return "OldAttempt"
    return ""


def ignored(stored: Stored, vouch: Vouch) -> str:
    """Why a well-placed message of unknown type or version is void, or nothing where nobody may decide past it.

    Operator and gateway may be newer than this program, and are believed once they signed. A runner writes only what
    the version its run is pinned to has for it, all of which we know: it must not be able to stop a log.
    """
    writer = writer_of(stored.writer)
    if writer is None or writer[0] is _RUNNER:
        return "UnknownType"
    return "" if vouch(writer[0], stored) else "Unsigned"


def refused(state: State, stored: Stored, event: Event, vouch: Vouch) -> str:
    """Why a well-placed event is void nevertheless, or nothing where it is valid."""
    found = writer_of(stored.writer)
    if found is None or found[0] not in _WRITERS[event.type]:
        return "WrongWriter"
    writer = found[0]
    if writer is not _RUNNER and not vouch(writer, stored):
        return "Unsigned"
    if (state.started is None) != (event.type == "exec.started") and not _is_seal(state, writer, event):
        return "NotAllowed"
    return "" if _RULES[event.type](state, writer, event.data) else "NotAllowed"


def _is_seal(state: State, writer: types.Writer, event: Event) -> bool:
    """The operator closes a log that never began, so that nothing late can begin it."""
    return state.started is None and event.type == "exec.finished" and writer is _OPERATOR


def _is_running(state: State) -> bool:
    """Something may begin: an attempt runs, nothing holds or stops it."""
    return (
        state.attempt > 0
        and state.finished is None
        and state.killed is None
        and state.suspended is None
        and not state.is_unwinding
        and state.pending_gates == 0
    )


def _started(state: State, _: types.Writer, data: types.Data) -> bool:
    """Nobody may pin a version that this event itself is not written in."""
    assert isinstance(data, types.ExecStarted)
    return data.event_version == envelope.VERSION and not state.is_over


def _attempt(state: State, _: types.Writer, data: types.Data) -> bool:
    """While a question is open no attempt starts, except to unwind."""
    assert isinstance(data, types.ExecAttempt)
    return (
        data.attempt == state.attempt + 1
        and not state.is_over
        and (state.is_unwinding or (state.suspended is None and state.pending_gates == 0))
    )


def _model_called(state: State, _: types.Writer, data: types.Data) -> bool:
    assert isinstance(data, types.ModelCalled)
    return (
        _is_running(state)
        and data.ordinal == state.ordinal + 1
        and state.open_model_call is None
        and state.is_plan_resolved
    )


def _model_replied(state: State, _: types.Writer, data: types.Data) -> bool:
    assert isinstance(data, types.ModelReplied)
    call = state.open_model_call
    return (
        call is not None
        and call.ordinal == data.ordinal
        and (data.status != "ok" or data.response is not None)
    )


def _plan(state: State, _: types.Writer, data: types.Data) -> bool:
    assert isinstance(data, types.PlanProposed)
    last = state.models.get(state.ordinal)
    return (
        _is_running(state)
        and last is not None
        and last.reply is not None
        and last.reply.status == "ok"
        and data.ordinal == state.ordinal
        and data.ordinal not in state.plans
        and len(data.steps) > 0
        and all(call.index == place for place, call in enumerate(data.steps))
    )


def _claim(state: State, _: types.Writer, data: types.Data) -> bool:
    assert isinstance(data, types.ToolCalled)
    if data.undoes is not None:
        return undoing.claim(state, data)
    place = (data.plan_seq, data.index)
    planned = state.step_at(place)
    pin = state.pins.get(data.tool)
    key = state.keys.get(data.idempotency_key)
    return (
        _is_running(state)
        and planned is not None
        and pin is not None
        and not pin.builtin
        and planned.tool == data.tool
        and planned.args.digest == data.args.digest
        and pin.digest == data.contract_digest
        and data.tier >= pin.tier
        and place not in state.results
        and place not in state.claims
        and (key is None or key.status == "failed" or (key.status == "ok" and pin.ages))
        and state.unknown_key_of(data.tool) is None
        and evidence.is_gate_honoured(state, data)
    )


def _retry(state: State, _: types.Writer, data: types.Data) -> bool:
    assert isinstance(data, types.ToolRetried)
    claim = evidence.claim_of(state, data.plan_seq, data.index, data.claim_seq)
    return (
        claim is not None
        and not state.is_over
        and (state.is_unwinding if claim.undoes is not None else _may_begin(state))
        and data.attempt_number == claim.performances + 1
        and (not data.is_certain or data.owner == claim.owner)  # of another's attempt nobody can be certain
    )


def _may_begin(state: State) -> bool:
    """Nothing holds the run or keeps its calls from being made again."""
    return state.suspended is None and not state.is_unwinding


def _result(state: State, writer: types.Writer, data: types.Data) -> bool:
    assert isinstance(data, types.ToolResult)
    if data.undoes is not None:
        return writer is not _RUNNER and undoing.result(state, data)
    place = (data.plan_seq, data.index)
    planned = state.step_at(place)
    pin = state.pins.get(data.tool)
    if place in state.results or planned is None or planned.tool != data.tool:
        return False
    if (writer is _RUNNER) != (pin is not None and pin.builtin):
        return False  # whoever did it writes it: a builtin is the runner's, everything else the gateway's
    if writer is _RUNNER:
        return (
            data.claim_seq is None
            and data.replayed_seq is None
            and data.status != "unknown"
            and _is_running(state)
        )
    if data.claim_seq is not None:
        claim = evidence.claim_of(state, data.plan_seq, data.index, data.claim_seq)
        if claim is None or data.status == "denied":
            return False
        return not (data.status == "failed" and claim.is_doubtful and not data.via) and evidence.is_read(
            state, data.via
        )
    if place in state.claims:
        return False
    if data.status == "denied":
        return _is_running(state)
    if data.replayed_seq is not None:
        known = state.keys.get(data.idempotency_key)
        return (
            _is_running(state)
            and known is not None
            and known.status == "ok"
            and known.tool == data.tool
            and known.seq == data.replayed_seq
        )
    if data.cached is not None:
        is_ours = _is_running(state) and data.status == "ok" and data.cached.execution != state.xid
        return is_ours and pin is not None and pin.cached and not state.is_escalated(place)
    is_free = pin is not None and pin.tier == 0 and pin.estimate_micro_usd == 0
    return is_free and state.attempt > 0 and not state.is_escalated(place)


def _policy(state: State, _: types.Writer, data: types.Data) -> bool:
    """Once for a call that is still to be made; a call that is denied says so in its result."""
    assert isinstance(data, types.PolicyEvaluated)
    place = (data.plan_seq, data.index)
    planned = state.step_at(place)
    return (
        _is_running(state)
        and planned is not None
        and planned.tool == data.tool
        and data.verdict.effect != "deny"
        and place not in state.policies
        and place not in state.results
        and place not in state.claims
    )


def _reconciled(state: State, _: types.Writer, data: types.Data) -> bool:
    """Only of an outcome that nobody knows, by a read that this run may make."""
    assert isinstance(data, types.ToolReconciled)
    known = state.keys.get(data.idempotency_key)
    found = state.results.get((data.plan_seq, data.index))
    return (
        not state.is_over
        and known is not None
        and known.status == "unknown"
        and known.tool == data.tool
        and known.seq == data.result_seq
        and found is not None
        and found.seq == data.result_seq
        and (data.status == "ok") == (data.output is not None)
        and data.via != ""
        and evidence.is_read(state, data.via)
    )


def _gate_requested(state: State, _: types.Writer, data: types.Data) -> bool:
    assert isinstance(data, types.GateRequested)
    if data.undoes is not None:
        return undoing.asked(state, data)
    place = (data.plan_seq, data.index)
    planned = state.step_at(place)
    return (
        state.attempt > 0
        and not state.is_over
        and _may_begin(state)
        and planned is not None
        and planned.tool in state.pins
        and place not in state.claims
        and _is_to_ask(state, place, data.kind)
    )


def _is_to_ask(state: State, place: Place, kind: types.GateKind) -> bool:
    """Once before a call is made; once more each time that it came to nothing."""
    if kind == "exhausted":
        return state.may_appeal(place)
    return kind == "approval" and place not in state.gates and place not in state.results


def _gate_decided(state: State, _: types.Writer, data: types.Data) -> bool:
    assert isinstance(data, types.GateDecided)
    gate = state.gates.get((data.plan_seq, data.index))
    return (
        gate is not None
        and gate.decided is None
        and gate.request_seq == data.request_seq
        and not state.is_over
    )


def _unwinding(state: State, writer: types.Writer, data: types.Data) -> bool:
    """Once, where the run lasts; a runner says so only where nothing of its own is in flight."""
    if writer is _OPERATOR:
        return not state.is_over and not state.is_unwinding
    return _is_running(state) and not state.claims and state.open_model_call is None


def _finished(state: State, writer: types.Writer, data: types.Data) -> bool:
    assert isinstance(data, types.ExecFinished)
    if writer is _OPERATOR:
        return not state.is_over
    return (
        _is_running(state)
        and data.outcome != "cancelled"
        and not state.claims
        and state.open_model_call is None
    )


_RULES: dict[str, Callable[[State, types.Writer, types.Data], bool]] = {
    "exec.started": _started,
    "exec.attempt": _attempt,
    "model.called": _model_called,
    "model.replied": _model_replied,
    "plan.proposed": _plan,
    "tool.called": _claim,
    "tool.retried": _retry,
    "tool.result": _result,
    "tool.reconciled": _reconciled,
    "policy.evaluated": _policy,
    "gate.requested": _gate_requested,
    "gate.decided": _gate_decided,
    "exec.suspended": lambda state, _, __: not state.is_over and state.suspended is None,
    "exec.resumed": lambda state, _, __: not state.is_over and state.suspended is not None,
    "exec.cancelled": lambda state, _, __: not state.is_over and state.cancelled is None,
    "exec.killed": lambda state, _, __: not state.is_over,
    "exec.unwinding": _unwinding,
    "exec.finished": _finished,
    "feedback.given": lambda state, _, __: state.is_over,
}
"""May this happen now? One question per event type."""
