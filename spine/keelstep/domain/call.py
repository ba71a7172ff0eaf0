"""May this call be made now, and if not, why not? What a gateway decides, and a runner of its builtins.

From the fold, the pinned revisions, what is stopped, and the time; nothing a request says is trusted. Each list below
is a chain of questions asked in order; the first that objects wins.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from keelstep.domain import cel, freshness, money, policy, schema, tier
from keelstep.domain import contract as contracts
from keelstep.domain.revision import Pinned
from keelstep.domain.state import Claim, Gate, Place, State
from keelstep.events import clock, types
from keelstep.events.value import Value
from keelstep.kinds.contract import ToolContractSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Refuse:
    """Not now, or not for you: answered, not recorded."""

    reason: str
    message: str
    is_transient: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Deny:
    """No, and that is recorded as the call's result."""

    reason: str
    message: str
    policy: types.PolicyVerdict | None = None
    """What the rules said; None where there are none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """It is done already: the recorded answer is the answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Join:
    """Somebody owns it: wait for the result, or take over."""

    claim: Claim


@dataclass(frozen=True, slots=True, kw_only=True)
class AskGate:
    """A person must be asked first."""

    tier: int
    policy: types.PolicyVerdict | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """An equal earlier call answers it."""

    seq: int
    key: str
    policy: types.PolicyVerdict | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Perform:
    """Make the call: under a claim, or freely where it reads and costs nothing."""

    spec: ToolContractSpec
    planned: types.PlannedCall
    key: str
    """Empty for a builtin, which has none."""
    tier: int
    estimate_micro_usd: int
    gate: Gate | None
    needs_claim: bool
    policy: types.PolicyVerdict | None = None


Verdict = Refuse | Deny | Answered | Join | AskGate | Replay | Perform


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """What is stopped, as CONTROL says: the scope and why."""

    scope: str
    """tenant, strategy, tool or execution."""
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Unknowable:
    """Nobody can say what is stopped, so nothing may begin."""

    reason: str
    message: str


Standing = Stop | Unknowable | None
"""What stops a call; None where nothing does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """Everything a tool call's verdict rests on."""

    state: State
    pinned: Pinned
    attempt: int
    place: Place
    args: Mapping[str, Any]
    """The planned arguments, loaded; empty where there is no such planned call."""
    stop: Standing
    now: int
    """Nanoseconds since 1970."""
    args_problem: str = ""
    """Why the planned arguments cannot be read; empty where they were loaded."""
    platform: policy.Platform | None = None
    """The platform's rules for the tenant, as they are in force now."""
    asks_runner: bool = False
    """True where the runner asks itself: builtins are its own, everything else the gateway's."""
    evaluate: cel.Evaluate = cel.here
    """Where rules with macros are evaluated."""


def decide_tool(q: Question) -> Verdict:
    """What to do about the wish to make a planned call."""
    state = q.state
    ended = held_back(state, q.attempt)
    planned = state.step_at(q.place)
    if planned is not None and q.place in state.results:
        return Answered()
    if ended is not None:
        return ended
    if planned is None:
        return Refuse(reason="Superseded", message="this is not a call of the latest plan")
    claim = state.claims.get(q.place)
    if claim is not None:
        return Join(claim=claim)
    if state.pending_gates:
        return Refuse(reason="GatePending", message="the run waits for a person")
    if any((q.place[0], index) not in state.results for index in range(q.place[1])):
        return Refuse(
            reason="OutOfOrder", message="an earlier call of this plan is not done", is_transient=True
        )
    if isinstance(q.stop, Unknowable):
        return unknowable(q.stop)
    spec = q.pinned.contracts.get(planned.tool)
    pin = state.pins.get(planned.tool)
    if q.asks_runner != (pin is not None and pin.builtin):
        return Refuse(reason="RequestInvalid", message=f"{planned.tool} is called by {_hand(q)}")
    if spec is None or pin is None:
        return Deny(reason="ToolNotAllowed", message=f"the strategy does not list {planned.tool}")
    if q.stop is not None:
        return stopped(q.stop, planned.tool)
    for objects in _OBJECTIONS:
        objection = objects(q, planned, spec)
        if objection is not None:
            return objection
    cap = cap_micro_usd(q.state, q.pinned)
    # a pure function touches nothing that a rule could protect, and has nothing to do twice
    ruled = None if q.asks_runner else _ruled(q, planned, cap)
    if ruled is not None and ruled.effect == "deny":
        return Deny(
            reason=ruled.reason, message=ruled.message or f"rule {ruled.rule} denies it", policy=ruled
        )
    key = "" if q.asks_runner else contracts.idempotency_key(state.xid, planned.tool, spec, q.args, q.place)
    known = state.keys.get(key) if key else None
    if known is not None and known.status == "ok" and _is_usable(q, spec, known.seq):
        return Replay(seq=known.seq, key=key, policy=ruled)
    if known is not None and known.status == "open":
        return Refuse(reason="KeyBusy", message="an equal call is in flight", is_transient=True)
    gate = _gate(q, spec, ruled)
    if isinstance(gate, AskGate | Deny | Refuse):
        return gate
    estimate = contracts.estimate_micro_usd(spec)
    if state.spent_micro_usd + state.reserved_micro_usd + estimate > cap:
        return Deny(reason="BudgetExceeded", message="the run's budget does not cover this call")
    return Perform(
        spec=spec,
        planned=planned,
        key=key,
        tier=_required(q, spec, ruled),
        estimate_micro_usd=estimate,
        gate=gate,
        needs_claim=gate is not None or not contracts.is_free_read(spec),
        policy=ruled,
    )


def may_send(state: State, claim_seq: int, place: Place, owner: str, stop: Standing) -> str:
    """Why a stored claim permits nothing after all, or nothing where it does. Asked just before the first byte."""
    claim = state.claims.get(place)
    if claim is None or claim.seq != claim_seq:
        return "ClaimClosed"
    if claim.owner != owner:
        return "ClaimTakenOver"
    if state.undecidable:
        return "Undecidable"
    if state.is_over or (state.is_unwinding and claim.undoes is None):
        return "RunEnded"
    if claim.valid_until and claim.stored_at > clock.parse(claim.valid_until):
        return "ApprovalLapsed"
    if isinstance(stop, Unknowable):
        return stop.reason
    if stop is not None:
        return stopped(stop, claim.tool).reason
    return ""


def cap_micro_usd(state: State, pinned: Pinned) -> int:
    """What the run may spend: the smaller of what was asked and the strategy's limit."""
    limit = money.micro_usd(pinned.strategy.limits.cost_usd)
    return min(limit, state.started.budget_micro_usd) if state.started is not None else 0


def ended(state: State, attempt: int) -> Refuse | None:
    """Why an attempt may wish for nothing at all, whatever it is; None where it may."""
    if state.undecidable:
        return Refuse(reason="Undecidable", message=f"the log holds {state.undecidable}")
    if state.started is None or attempt > state.attempt:
        # a follower's answer may be behind what the asker has seen already
        message = f"attempt {attempt} has not begun, as far as it is known here"
        return Refuse(reason="NotBegun", message=message, is_transient=True)
    if attempt < 1 or attempt != state.attempt:
        return Refuse(reason="Superseded", message=f"attempt {attempt} is not the current one")
    if state.is_over:
        return Refuse(reason="RunEnded", message="the run is over")
    return None


def held_back(state: State, attempt: int) -> Refuse | None:
    """Why nothing may begin that is no undoing."""
    refusal = ended(state, attempt)
    if refusal is not None:
        return refusal
    if state.suspended is not None:
        return Refuse(reason="Suspended", message="the run is suspended")
    if state.is_unwinding:
        why = "is cancelled" if state.cancelled is not None else "has failed"
        return Refuse(reason="Cancelled", message=f"the run {why}")
    return None


def _hand(q: Question) -> str:
    """Who makes a call that the asked one does not."""
    return "a gateway, not by the runner" if q.asks_runner else "the runner itself: it is a builtin"


def unknowable(stop: Unknowable) -> Refuse:
    """What not knowing what is stopped means for any wish."""
    return Refuse(reason=stop.reason, message=stop.message, is_transient=True)


def stopped(stop: Stop, tool: str) -> Refuse | Deny:
    """What a kill means for a call of this tool."""
    if stop.scope == "tool":
        return Deny(reason="ToolKilled", message=f"{tool} is killed: {stop.reason}")
    return Refuse(reason="Killed", message=f"{stop.scope} is killed: {stop.reason}")


def _calls_exceeded(q: Question, planned: types.PlannedCall, spec: ToolContractSpec) -> Deny | None:
    """Is a limit on calls used up?"""
    limits = q.pinned.strategy.limits
    if q.state.tool_calls >= limits.tool_calls:
        return Deny(reason="ToolCallsExceeded", message=f"limit of {limits.tool_calls} tool calls reached")
    if q.state.step >= limits.steps:
        return Deny(reason="StepsExceeded", message=f"limit of {limits.steps} steps reached")
    grant = next((grant for grant in q.pinned.strategy.tools if grant.contract == planned.tool), None)
    most = grant.max_calls if grant is not None else 0
    if most is not None and q.state.calls.get(planned.tool, 0) >= most:
        return Deny(reason="ToolCallsExceeded", message=f"limit of {most} calls of {planned.tool} reached")
    return None


def _arguments_unreadable(q: Question, planned: types.PlannedCall, spec: ToolContractSpec) -> Deny | None:
    """Can the arguments be read at all?"""
    if not q.args_problem:
        return None
    return Deny(
        reason="ArgumentsUnreadable", message=f"the planned arguments cannot be used: {q.args_problem}"
    )


def _arguments_invalid(q: Question, planned: types.PlannedCall, spec: ToolContractSpec) -> Deny | None:
    """Do the arguments match the contract's schema?"""
    problems = schema.of_revision(spec.schemas.input).problems(q.args)
    return Deny(reason="ArgumentsInvalid", message="; ".join(problems)) if problems else None


def _outcome_unknown(q: Question, planned: types.PlannedCall, spec: ToolContractSpec) -> Deny | None:
    """Is the outcome of an earlier call of this contract unknown?"""
    if q.state.unknown_key_of(planned.tool) is None:
        return None
    return Deny(
        reason="OutcomeUnknown",
        message=f"whether an earlier call of {planned.tool} happened is not known; a person must find out",
    )


def _deadline_passed(q: Question, planned: types.PlannedCall, spec: ToolContractSpec) -> Deny | None:
    """Is there time left?"""
    assert q.state.started is not None
    if q.now <= clock.parse(q.state.started.deadline):
        return None
    return Deny(reason="DeadlineExceeded", message="the run's deadline has passed")


_OBJECTIONS: Sequence[Callable[[Question, types.PlannedCall, ToolContractSpec], Deny | None]] = (
    _calls_exceeded,
    _arguments_unreadable,
    _arguments_invalid,
    _outcome_unknown,
    _deadline_passed,
)


def _ruled(q: Question, planned: types.PlannedCall, cap_micro_usd: int) -> types.PolicyVerdict | None:
    """What the rules say; None where there are none."""
    asked = policy.Subject(
        state=q.state,
        pinned=q.pinned,
        tool=planned.tool,
        args=q.args,
        cap_micro_usd=cap_micro_usd,
        evaluate=q.evaluate,
    )
    return policy.judge(q.platform, asked)


def _is_usable(q: Question, spec: ToolContractSpec, seq: int) -> bool:
    """Is an earlier result young enough to be used again?"""
    found = q.state.answer_of(seq)
    return freshness.is_usable(spec, found.as_of if isinstance(found, types.ToolResult) else "", q.now)


def _required(q: Question, spec: ToolContractSpec, ruled: types.PolicyVerdict | None) -> int:
    """The tier the call needs; a rule's question to a person, once on record, is not taken back."""
    is_escalated = q.state.is_escalated(q.place) or (ruled is not None and ruled.effect == "escalate")
    return tier.required(spec.consequence_tier, is_escalated=is_escalated)


def _gate(
    q: Question, spec: ToolContractSpec, ruled: types.PolicyVerdict | None
) -> Gate | AskGate | Deny | Refuse | None:
    """Must a person be asked, and what did they say? For exactly these arguments and this contract, once."""
    required = _required(q, spec, ruled)
    if not tier.needs_gate(required, tier.allowed(q.pinned.strategy.autonomy.max_tier)):
        return None
    gate = q.state.gates.get(q.place)
    if gate is None:
        return AskGate(tier=required, policy=ruled)
    planned = q.state.step_at(q.place)
    assert planned is not None
    objection = not_approved(gate, planned.args, q.state.pins[planned.tool].digest, q.now)
    return gate if objection is None else objection


def not_approved(gate: Gate, args: Value, contract_digest: str, now: int) -> Deny | Refuse | None:
    """Why a person's answer does not let this call be made; None where it does."""
    decided = gate.decided
    if decided is None:
        return Refuse(reason="GatePending", message="the run waits for a person")
    if decided.verdict != "approved":
        return Deny(reason=_GATE_REASONS[decided.verdict], message=_because(decided))
    if gate.used:
        return Deny(reason="ApprovalUsed", message="the approval was used; it covers one call")
    if (decided.args_digest, decided.contract_digest) != (args.digest, contract_digest):
        return Deny(
            reason="ApprovalMismatch", message="the approval is for other arguments or another contract"
        )
    if decided.valid_until and now > clock.parse(decided.valid_until):
        return Deny(reason="ApprovalLapsed", message=f"the approval was valid until {decided.valid_until}")
    return None


_GATE_REASONS = {"rejected": "GateRejected", "expired": "GateExpired", "withdrawn": "GateWithdrawn"}


def _because(decided: types.GateDecided) -> str:
    who = ", ".join(approver.user for approver in decided.approvers)
    return " ".join(
        filter(
            None,
            [decided.verdict, f"by {who}" if who else "", f"({decided.reason})" if decided.reason else ""],
        )
    )
