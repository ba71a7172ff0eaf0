"""Does the run need another attempt, and why?

    no attempt ─Started─► a1 ─ exited, lost ──────────► a2   RunnerCrashed · PodLost · Evicted
                           ├─ asked a person, answered ► a2   GateDecided   (even while pod 1 is going down)
                           ├─ suspended, resumed ──────► a2   Resumed
                           ├─ orphaned, applied again ─► a2   IdentityRevoked
                           └─ cancelled, out of time ──► a2   Unwinding   (only where something is to be undone)

A Pod that exited counts as missing. A missing one is made again under the same number only where its attempt wrote
nothing, and is young or had none so far, since Kubernetes refused it. Attempts in a row that write nothing wait longer
each time, and are limited.
"""

from dataclasses import dataclass

from keelstep.domain import unwind
from keelstep.domain.state import State
from keelstep.events import clock
from keelstep_operator.decide.facts import Facts

YOUNG_SECONDS = 30
"""An attempt that wrote nothing and is younger gets its Pod again."""
BACKOFF_SECONDS = (0, 1, 2, 4, 8, 15, 30)
"""From the start of one attempt that wrote nothing to the next, by how many there were in a row."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Next:
    """Begin the next attempt."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Again:
    """Make the current attempt's Pod (again)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Later:
    """The next attempt begins then."""

    at: int
    """Nanoseconds since 1970."""
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Exhausted:
    """There were too many attempts that did nothing."""

    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Forged:
    """A Pod has the attempt's name and is not ours."""

    name: str


Verdict = Next | Again | Later | Exhausted | Forged | None


def decide(facts: Facts) -> Verdict:
    """What the current attempt needs; None where it runs, or where none may."""
    state = facts.state
    if not may_run(state) or not facts.may_have_pods or facts.stop is not None or facts.wants_kill:
        return None
    if state.attempt == 0:
        return Next(reason="Started")
    if state.attempt_seq < state.unwinding_seq and not state.is_unwound_by_runner:
        return Next(reason="Unwinding")
    if is_parked(state):
        return Next(reason="GateDecided")
    if facts.resumed_seq > state.attempt_seq:
        return Next(reason="Resumed")
    if facts.is_revoked:
        return Next(reason="IdentityRevoked")
    pod = facts.pod
    if pod is None:
        is_young = facts.now < state.attempt_at + YOUNG_SECONDS * clock.SECOND
        if state.barren_attempts and (is_young or facts.is_unmade):
            return Again()
        return _crashed(facts, "PodLost", "its Pod is gone")
    if pod.is_forged:
        return Forged(name=pod.name)
    if pod.is_live:
        return None
    told = ": ".join(filter(None, (pod.reason, pod.message)))
    if pod.is_evicted:
        return _crashed(facts, "Evicted", told)
    return _crashed(facts, "RunnerCrashed" if pod.is_ended else "PodLost", told)


def may_run(state: State) -> bool:
    """Something may be going on: started, not over, nothing holds it, nobody is being asked."""
    if state.started is None or state.is_over or state.undecidable:
        return False
    if state.is_unwinding:
        return unwind.next_target(state) is not None and not unwind.waits_for_person(state)
    return state.suspended is None and state.pending_gates == 0


def is_parked(state: State) -> bool:
    """The current attempt asked a person and left."""
    return any(gate.request_seq > state.attempt_seq for gate in state.gates.values())


def _crashed(facts: Facts, reason: str, told: str) -> Verdict:
    barren = facts.state.barren_attempts
    if barren >= facts.attempt_limit:
        last = f"; the last one: {told}" if told else ""
        return Exhausted(message=f"{barren} attempts in a row wrote nothing{last}")
    pause = BACKOFF_SECONDS[min(barren, len(BACKOFF_SECONDS) - 1)] * clock.SECOND
    at = facts.state.attempt_at + pause if barren else 0
    return Later(at=at, reason=reason) if facts.now < at else Next(reason=reason)
