"""What does a runner do next? One decision from the fold, the pinned revisions and the payloads they name.

    no model call yet, or the plan is done ──► AskModel
    the model call is open                 ──► AskModel (the same: the gateway answers it once)
    a reply with calls                     ──► Propose
    a call that came to nothing            ──► AskGates or Finish, where its contract says so
    a planned call without result          ──► AskTool, or AskGates where a person must be asked first
    … of a builtin                         ──► Evaluate: a pure function needs no gateway
    a final reply                          ──► Finish, or Unwind where the run failed and something can be undone
    … and while that is undone             ──► AskUndo, one after the other
    replaced, over, suspended, parked      ──► Stop

The runner evaluates tiers only to save a round trip; the gateway decides. Of a builtin it decides itself, with the
gateway's own question (`call.decide_tool`).
"""

from collections.abc import Sequence
from dataclasses import dataclass

from keelstep.domain import criteria, exhaust, template, tier, transcript, unwind
from keelstep.domain import reply as replies
from keelstep.domain.revision import Pinned
from keelstep.domain.state import Place, State
from keelstep.events import types

MOST_CORRECTIONS = 2
"""A model that is malformed once more than this ends the run."""
MOST_MODEL_FAILURES = 3
"""Model calls that fail in a row end the run."""
_MOST_MESSAGE_CHARACTERS = 500
_OF_STANDING = frozenset(
    {"Cancelled", "GatePending", "Killed", "RunEnded", "Superseded", "Suspended", "Undecidable"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """This attempt is done; exit 0."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AskModel:
    """Ask the gateway for the model call of this ordinal."""

    ordinal: int
    messages: bytes
    failures: int = 0
    """Model calls that failed just before this one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Propose:
    """Append the plan that the last reply asks for."""

    ordinal: int
    calls: Sequence[replies.Call]
    summary: str
    policy_checks: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class AskTool:
    """Ask the gateway for a planned call."""

    plan_seq: int
    index: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluate:
    """Make a planned call of a builtin, and append its result."""

    plan_seq: int
    index: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One call that needs a person."""

    plan_seq: int
    index: int
    tier: int
    kind: types.GateKind = "approval"
    undoes: int | None = None
    """The result whose undoing it is about."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AskGates:
    """Append these questions, then stop: no pod waits for a person."""

    questions: Sequence[Question]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finish:
    """Append the end."""

    finished: types.ExecFinished
    output: bytes | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Unwind:
    """Append that the run has failed; then what it did is undone."""

    unwinding: types.Unwinding
    output: bytes | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AskUndo:
    """Ask the gateway to undo what this event recorded."""

    seq: int


Action = Stop | AskModel | Propose | AskTool | Evaluate | AskGates | Finish | Unwind | AskUndo


def must_stop(state: State, attempt: int) -> str:
    """Why this attempt may do nothing more, or nothing where it may go on."""
    if state.undecidable:
        return "Undecidable"
    if state.attempt != attempt:
        return "Superseded"
    if state.is_over:
        return "RunEnded"
    if state.is_unwinding:
        return "Cancelled"
    if state.suspended is not None:
        return "Suspended"
    return ""


def must_stop_undoing(state: State, attempt: int) -> str:
    """Why this attempt may undo nothing more, or nothing where there is something to undo."""
    if state.undecidable:
        return "Undecidable"
    if state.attempt != attempt:
        return "Superseded"
    if state.is_over:
        return "RunEnded"
    return "" if state.is_unwinding and unwind.next_target(state) is not None else "Unwound"


def needs_payloads(state: State) -> bool:
    """Does the next decision rest on what was said? Not while planned calls wait, or what was done is undone."""
    return not state.is_unwinding and (state.plan is None or state.is_plan_resolved)


def decide(state: State, pinned: Pinned, payloads: transcript.Payloads, attempt: int) -> Action:
    """What to do next."""
    if state.is_unwinding and not must_stop_undoing(state, attempt):
        return _undo(state)
    reason = must_stop(state, attempt)
    if reason:
        return Stop(reason=reason)
    appeals = exhaust.appeals(state, pinned)
    if appeals:
        return AskGates(questions=[_appeal(state, pinned, place) for place in appeals])
    ended_by = exhaust.ends_run(state, pinned)
    if ended_by:
        return _fail(state, "ToolExhausted", f"{ended_by} came to nothing, and the run cannot do without it")
    if not needs_payloads(state):
        return _next_call(state, pinned)
    if state.pending_gates:
        return Stop(reason="Parked")
    last = state.models.get(state.ordinal)
    if last is None:
        return _ask_model(state, pinned, payloads, 1)
    if last.reply is None:
        return _ask_model(state, pinned, payloads, state.ordinal)
    if last.reply.status != "ok":
        return _after_failure(state, pinned, payloads)
    if state.ordinal in state.plans:
        return _ask_model(state, pinned, payloads, state.ordinal + 1)
    assert last.reply.response is not None
    return _after_reply(state, pinned, payloads, payloads[last.reply.response.digest])


def is_to_ask(state: State, question: Question) -> bool:
    """Does the question still need asking, and the call still an answer?"""
    place = (question.plan_seq, question.index)
    gate, is_tried = state.gates.get(place), place in state.results
    if place in state.claims:
        return False
    if question.undoes is not None:
        target = unwind.next_target(state)
        is_next = target is not None and target.seq == question.undoes
        is_new = gate is None or (question.kind == "undo" and gate.kind == "approval")
        return is_next and is_new and is_tried == (question.kind == "undo")
    if question.kind == "exhausted":
        return state.may_appeal(place)
    return gate is None and not is_tried


def _undo(state: State) -> Action:
    """What is to be undone next: by the gateway, or, where that came to nothing, by a person."""
    target = unwind.next_target(state)
    assert target is not None
    gate = state.gates.get(target.undo_place)
    if gate is not None and gate.decided is None:
        return Stop(reason="Parked")
    if target.undo_place in state.results:
        plan_seq, index = target.undo_place
        tier_asked = state.pins[target.undo].tier if target.undo in state.pins else 0
        question = Question(plan_seq=plan_seq, index=index, tier=tier_asked, kind="undo", undoes=target.seq)
        return AskGates(questions=[question])
    return AskUndo(seq=target.seq)


def _appeal(state: State, pinned: Pinned, place: Place) -> Question:
    planned = state.step_at(place)
    assert planned is not None
    return Question(plan_seq=place[0], index=place[1], tier=_tier(state, pinned, planned), kind="exhausted")


def _next_call(state: State, pinned: Pinned) -> Action:
    plan = state.plan
    assert plan is not None
    waiting = (call for call in plan.steps if (plan.seq, call.index) not in state.results)
    first = next(waiting)
    if _needs_gate(state, pinned, first) or state.pending_gates:
        questions = [
            Question(plan_seq=plan.seq, index=call.index, tier=_tier(state, pinned, call))
            for call in (first, *waiting)
            if _needs_gate(state, pinned, call)
        ]
        return AskGates(questions=questions) if questions else Stop(reason="Parked")
    pin = state.pins.get(first.tool)
    if pin is not None and pin.builtin:
        return Evaluate(plan_seq=plan.seq, index=first.index)
    return AskTool(plan_seq=plan.seq, index=first.index)


def _tier(state: State, pinned: Pinned, call: types.PlannedCall) -> int:
    assert state.plan is not None
    spec = pinned.contracts.get(call.tool)
    if spec is None:
        return 0
    return tier.required(spec.consequence_tier, is_escalated=state.is_escalated((state.plan.seq, call.index)))


def _needs_gate(state: State, pinned: Pinned, call: types.PlannedCall) -> bool:
    """Must a person be asked who has not been asked yet?"""
    plan = state.plan
    assert plan is not None
    place = (plan.seq, call.index)
    if place in state.gates or call.tool not in pinned.contracts:
        return False
    if _has_rules(state, pinned, call) and place not in state.policies:
        return False  # the gateway asks the rules first: nobody is asked about what they deny
    return tier.needs_gate(_tier(state, pinned, call), tier.allowed(pinned.strategy.autonomy.max_tier))


def _has_rules(state: State, pinned: Pinned, call: types.PlannedCall) -> bool:
    assert state.started is not None
    return bool(pinned.contracts[call.tool].policy or state.started.policy)


def _ask_model(
    state: State, pinned: Pinned, payloads: transcript.Payloads, ordinal: int, failures: int = 0
) -> Action:
    limits = pinned.strategy.limits
    if ordinal > state.ordinal:
        if state.ordinal >= limits.model_calls:
            return _fail(state, "ModelCallsExceeded", f"limit of {limits.model_calls} model calls reached")
        if state.step >= limits.steps:
            return _fail(state, "StepsExceeded", f"limit of {limits.steps} steps reached")
        if state.tokens >= limits.tokens:
            return _fail(state, "TokensExceeded", f"limit of {limits.tokens} tokens reached")
    try:
        messages = transcript.messages(state, pinned, payloads)
    except template.TemplateError as error:
        return _fail(state, "PromptInvalid", f"the prompt cannot be rendered: {error}")
    return AskModel(ordinal=ordinal, messages=messages, failures=failures)


def _after_failure(state: State, pinned: Pinned, payloads: transcript.Payloads) -> Action:
    failures = 0
    for ordinal in range(state.ordinal, 0, -1):
        answer = state.models[ordinal].reply
        if answer is None or answer.status == "ok":
            break
        failures += 1
    last = state.models[state.ordinal].reply
    error = last.error if last is not None else None
    if error is not None and error.error_class in ("Refused", "Invalid"):
        return _fail(state, error.reason, error.message)
    if failures >= MOST_MODEL_FAILURES:
        what = error.message if error is not None else "no answer"
        return _fail(state, "ModelUnavailable", f"{failures} model calls in a row failed: {what}")
    return _ask_model(state, pinned, payloads, state.ordinal + 1, failures)


def _after_reply(state: State, pinned: Pinned, payloads: transcript.Payloads, said: bytes) -> Action:
    meaning = replies.read(said, state.ordinal, pinned)
    if isinstance(meaning, replies.Calls):
        most = pinned.strategy.limits.tool_calls
        if state.tool_calls >= most:
            # the gateway would deny each of them, and the model could ask for ever
            return _fail(state, "ToolCallsExceeded", f"limit of {most} tool calls reached")
        checks = [f"{call.tool}:{_check(state, pinned, call)}" for call in meaning.calls]
        return Propose(
            ordinal=state.ordinal, calls=meaning.calls, summary=meaning.summary, policy_checks=checks
        )
    if isinstance(meaning, replies.Final):
        return _finish(state, pinned, meaning.output)
    if _malformed_in_a_row(state, pinned, payloads) > MOST_CORRECTIONS:
        complaint = next(iter(meaning.complaints.values()))
        return _fail(
            state, "ModelMalformed", f"after {MOST_CORRECTIONS} corrections, {meaning.reason}: {complaint}"
        )
    return _ask_model(state, pinned, payloads, state.ordinal + 1)


def _check(state: State, pinned: Pinned, call: replies.Call) -> str:
    required = tier.required(pinned.contracts[call.tool].consequence_tier)
    gated = tier.needs_gate(required, tier.allowed(pinned.strategy.autonomy.max_tier))
    return f"tier{required}:{'gate' if gated else 'free'}"


def _malformed_in_a_row(state: State, pinned: Pinned, payloads: transcript.Payloads) -> int:
    count = 0
    for ordinal in range(state.ordinal, 0, -1):
        answer = state.models[ordinal].reply
        if answer is None or answer.response is None:
            continue
        meaning = replies.read(payloads[answer.response.digest], ordinal, pinned)
        if not isinstance(meaning, replies.Malformed):
            break
        count += 1
    return count


def _finish(state: State, pinned: Pinned, output: bytes) -> Finish | Unwind:
    found, missed = criteria.judge(state, pinned, output)
    finished = types.ExecFinished(
        outcome="failed" if missed else "succeeded",
        reason="CriteriaNotMet" if missed else "Completed",
        message=f"not met: {', '.join(missed)}"[:_MOST_MESSAGE_CHARACTERS] if missed else "",
        criteria=found,
        steps_n=state.step,
        tokens=state.tokens,
        micro_usd=state.spent_micro_usd,
    )
    return _end(state, finished, output)


def _end(state: State, finished: types.ExecFinished, output: bytes | None) -> Finish | Unwind:
    """The end, or first the undoing of what a run did that has failed."""
    if finished.outcome != "failed" or not unwind.is_needed(state):
        return Finish(finished=finished, output=output)
    unwinding = types.Unwinding(reason=finished.reason, message=finished.message, criteria=finished.criteria)
    return Unwind(unwinding=unwinding, output=output)


def _fail(state: State, reason: str, message: str) -> Finish | Unwind:
    finished = types.ExecFinished(
        outcome="failed",
        reason=reason,
        message=message[:_MOST_MESSAGE_CHARACTERS],
        steps_n=state.step,
        tokens=state.tokens,
        micro_usd=state.spent_micro_usd,
    )
    return _end(state, finished, None)


def after_refusal(state: State, attempt: int, reason: str, message: str) -> Stop | Finish | Unwind:
    """What follows from a model call that the gateway refused for good.

    A refusal that speaks of the run's own standing only ends the attempt: what it spoke of may have passed by now.
    """
    stop = must_stop(state, attempt)
    if stop or reason in _OF_STANDING:
        return Stop(reason=stop or reason)
    return _fail(state, reason, message)
