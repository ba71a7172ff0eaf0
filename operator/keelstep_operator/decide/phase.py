"""What do people see of an execution? Phase, reason, numbers and conditions, from the fold.

Pending → Scheduled → Running ⇄ WaitingForApproval ⇄ Suspended → Unwinding → Succeeded | Failed | Cancelled | Killed
"""

from dataclasses import dataclass
from typing import Any

from keelstep.domain import flood, money, restored, unwind
from keelstep.domain.state import State
from keelstep.events import clock
from keelstep.kinds import names
from keelstep.kinds.execution import TERMINAL_PHASES, Phase
from keelstep_operator.decide import attempt, condition, unwinding
from keelstep_operator.decide import restored as came_back
from keelstep_operator.decide.condition import Finding
from keelstep_operator.decide.facts import Facts, NotReady, Pod

_PATIENCE_SECONDS = {"Unschedulable": 60, "CreateContainerConfigError": 5}
"""What is worth a word only when it lasts: nodes come, and a node may not yet read a Secret that was just made."""
_CANNOT_START = frozenset(
    {
        "Unschedulable",
        "ImagePullBackOff",
        "ErrImagePull",
        "ErrImageNeverPull",
        "InvalidImageName",
        "CreateContainerConfigError",
        "CreateContainerError",
        "RunContainerError",
    }
)
_MOST_OUTCOME = 2048
_MOST_COUNTED = 10
_FLOODED = (
    "its runner filled the log with messages that are no events, so its identity was ended: find out why, see `keelstep"
    " verify`, then `keelstep suspend` and `keelstep resume` let it go on, or cancel it"
)
_ENDS = {"succeeded": Phase.SUCCEEDED, "failed": Phase.FAILED, "cancelled": Phase.CANCELLED}


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Where an execution stands, and why."""

    phase: Phase
    reason: str
    message: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Caveat:
    """Something that changes no phase and that a person must know."""

    reason: str
    note: str


def standing(facts: Facts, stalled: tuple[str, str] | None) -> Standing:
    """Phase, reason and message."""
    found = _standing(facts)
    if stalled is not None and found.phase not in TERMINAL_PHASES:
        return Standing(phase=found.phase, reason=stalled[0], message=stalled[1])
    return found


def status(facts: Facts, stalled: tuple[str, str] | None) -> tuple[dict[str, Any], list[Finding]]:
    """The status without its conditions, and what the conditions are to say."""
    state = facts.state
    stands = standing(facts, stalled)
    shown: dict[str, Any] = {
        "phase": stands.phase.value,
        "reason": condition.word(stands.reason),
        "executionID": state.xid,
        "step": state.step,
        "tokens": state.tokens,
        "attempt": state.attempt,
        "observedSeq": state.seq,
        "observedHash": state.head if state.seq else "",
        "traceID": state.trace_id,
        "pod": _pod_name(facts),
        "gate": _gate_name(facts),
    }
    if state.started is not None:
        shown["strategyVersion"] = state.started.strategy_version
        shown["startedAt"] = clock.whole(state.started_at)
    if state.spent_micro_usd:
        shown["costUSD"] = money.usd(state.spent_micro_usd)
    if state.is_over:
        shown["finishedAt"] = clock.whole(state.over_at)
        shown["outcome"] = stands.message[:_MOST_OUTCOME]
    if state.killed is not None:
        shown["killSwitch"] = {
            "engaged": True,
            "since": clock.whole(state.over_at),
            "reason": state.killed.reason[:256],
        }
    shown = came_back.fitting(shown, facts.execution)
    return {key: part for key, part in shown.items() if part != ""}, _findings(facts, stands, stalled)


def _standing(facts: Facts) -> Standing:
    state = facts.state
    if state.killed is not None:
        by = f"{state.killed.scope} killed by {state.killed.by}: {state.killed.reason}"
        return Standing(phase=Phase.KILLED, reason=f"{state.killed.scope.capitalize()}Killed", message=by)
    if state.finished is not None:
        said = state.finished.message or state.finished.reason
        return Standing(phase=_ENDS[state.finished.outcome], reason=state.finished.reason, message=said)
    if state.started is None:
        return _before(facts)
    if state.is_unwinding:
        return _unwinding(facts)
    if restored.is_held(state):
        return Standing(phase=Phase.SUSPENDED, reason=restored.REASON, message=came_back.HELD)
    if flood.is_held(state):
        return Standing(phase=Phase.SUSPENDED, reason=flood.REASON, message=_FLOODED)
    if state.suspended is not None:
        return Standing(phase=Phase.SUSPENDED, reason="Suspended", message="spec.suspend is true")
    if state.pending_gates:
        name = _gate_name(facts)
        return Standing(
            phase=Phase.WAITING_FOR_APPROVAL,
            reason="ApprovalRequired",
            message=f"a person must decide {name}" if name else "a person must decide",
        )
    phase = Phase.RUNNING if state.worked else Phase.SCHEDULED if state.attempt else Phase.PENDING
    verdict = attempt.decide(facts)
    if isinstance(verdict, attempt.Later):
        when = f"the next attempt begins at {clock.whole(verdict.at)}"
        return Standing(phase=phase, reason=verdict.reason, message=when)
    problem = _start_problem(facts)
    if problem is not None:
        return Standing(phase=phase, reason=problem[0], message=problem[1])
    return Standing(phase=phase, reason="Running" if state.worked else "RunnerStarting")


def _unwinding(facts: Facts) -> Standing:
    """It has failed or was cancelled, and is not over yet."""
    state = facts.state
    why = state.unwinding or state.cancelled
    assert why is not None
    target = unwind.next_target(state)
    message = "waiting for what is in flight"
    if target is not None:
        name = _gate_name(facts)
        message = f"undoing {target.tool} with {target.undo}"
        if unwind.waits_for_person(state) and name:
            message = f"{message}: a person must decide {name}"
    return Standing(phase=Phase.UNWINDING, reason=why.reason, message=message)


def _before(facts: Facts) -> Standing:
    """The log has not begun."""
    execution = facts.execution
    if facts.stop is not None:
        reason = f"{facts.stop.scope.capitalize()}Killed"
        phase = Phase.KILLED if facts.stop.scope == "execution" else Phase.PENDING
        return Standing(phase=phase, reason=reason, message=f"{facts.stop.scope} killed: {facts.stop.reason}")
    if execution is not None and execution.spec.cancel:
        return Standing(phase=Phase.CANCELLED, reason="Cancelled", message="cancelled before it began")
    if execution is not None and execution.spec.suspend:
        return Standing(phase=Phase.SUSPENDED, reason="Suspended", message="suspended before it began")
    if isinstance(facts.start, NotReady):
        return Standing(phase=Phase.PENDING, reason=facts.start.reason, message=facts.start.message)
    return Standing(phase=Phase.PENDING, reason="Starting")


def _start_problem(facts: Facts) -> tuple[str, str] | None:
    """Why the current Pod does not get going, once that is worth a word."""
    pod = facts.pod
    if pod is None or pod.phase != "Pending" or pod.is_terminating or pod.reason not in _CANNOT_START:
        return None
    if facts.now < (worth_a_word_at(pod) or 0):
        return None
    return pod.reason, pod.message


def worth_a_word_at(pod: Pod | None) -> int | None:
    """When what keeps a Pod from starting becomes worth a word; nanoseconds since 1970, None where it is so at once."""
    if pod is None or pod.phase != "Pending" or pod.reason not in _PATIENCE_SECONDS:
        return None
    return pod.created_at + _PATIENCE_SECONDS[pod.reason] * clock.SECOND + 1


def caveats(state: State) -> list[Caveat]:
    """What a person must know beside the phase; a run that succeeded may have some too."""
    found = [
        Caveat(reason="OutcomeUnknown", note=f"nobody knows whether {tool} happened: find out there")
        for tool, keys in sorted(state.unknown.items())
        if keys
    ]
    effects = unwinding.told(state) if _is_bad_end(state) else ""
    if effects and (state.finished is None or effects not in state.finished.message):
        found.append(Caveat(reason="EffectsStand", note=effects))
    if state.voids:
        note = f"{_about(state.voids)} in the log changed nothing: see keelstep verify"
        found.append(Caveat(reason="VoidEvents", note=note))
    return found


def _is_bad_end(state: State) -> bool:
    """Over, and not as it was meant to be: then what it did before matters."""
    return state.is_over and (state.finished is None or state.finished.outcome != "succeeded")


def _about(voids: int) -> str:
    """A number of void messages, in steps: whoever floods a log must not make us write as often."""
    if voids > _MOST_COUNTED:
        return f"over {10 ** (len(str(voids - 1)) - 1)} void messages"
    return f"{voids} void message{'s' if voids > 1 else ''}"


def _findings(facts: Facts, stands: Standing, stalled: tuple[str, str] | None) -> list[Finding]:
    state = facts.state
    message = "; ".join(filter(None, (stands.message, *(each.note for each in caveats(state)))))
    if stands.phase is Phase.SUCCEEDED:
        succeeded = condition.holds("Succeeded", stands.reason, message)
    elif stands.phase in TERMINAL_PHASES:
        succeeded = condition.fails("Succeeded", stands.reason, message)
    else:
        succeeded = condition.unknown("Succeeded", stands.reason, message)
    return [*_acceptance(state, facts), succeeded, _stall(stalled)]


def _acceptance(state: State, facts: Facts) -> list[Finding]:
    refusal = facts.start if isinstance(facts.start, NotReady) else None
    if state.started is not None or refusal is None:
        is_begun = state.started is not None
        if not is_begun:
            return []
        return [
            condition.holds("Accepted", "Accepted", "the run has begun; what it asked for is pinned"),
            condition.holds("ResolvedRefs", "Pinned"),
        ]
    if refusal.condition == "Accepted":
        return [
            condition.fails("Accepted", refusal.reason, refusal.message),
            condition.holds("ResolvedRefs", "Resolved"),
        ]
    make = condition.unknown if refusal.is_pending else condition.fails
    return [
        condition.unknown("Accepted", refusal.reason, refusal.message),
        make("ResolvedRefs", refusal.reason, refusal.message),
    ]


def _stall(stalled: tuple[str, str] | None) -> Finding:
    if stalled is None:
        return condition.fails("Stalled", "Progressing")
    return condition.holds("Stalled", *stalled)


def _pod_name(facts: Facts) -> str:
    return names.pod(facts.name, facts.state.attempt) if facts.state.attempt else ""


def _gate_name(facts: Facts) -> str:
    pending = [
        gate.request_seq
        for gate in facts.state.gates.values()
        if gate.decided is None and (gate.undoes is not None or not facts.state.is_unwinding)
    ]
    if not pending or facts.state.is_over:
        return ""
    return names.gate(facts.name, min(pending))
