"""What happens next to this execution? The law, as a list of questions.

    facts ─► at most one event to append (the first question that wants one), then decided again on the new state
          ─► once none is wanted: what to do in Kubernetes and at the broker, and when to look again

Every question reads only facts, so that a crash between any two steps is healed by asking again.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from keelstep.domain import flood, restored
from keelstep.events import clock, envelope, types
from keelstep.kinds import names
from keelstep_operator.decide import actions, attempt, gate, proposing, settled, unwinding
from keelstep_operator.decide.facts import Facts, Gate, Ready

SETTLE_SECONDS = 10
"""A runner that finished may take so long to leave before its identity is revoked."""
KEPT_PODS = 2
"""Ended Pods kept for their logs, the newest ones of each execution."""
DEADLINE_EXCEEDED, ATTEMPTS_EXHAUSTED = "DeadlineExceeded", "AttemptsExhausted"
OWN_ENDS = frozenset({DEADLINE_EXCEEDED, ATTEMPTS_EXHAUSTED})
"""Why the operator itself fails a run; its runner did not say goodbye."""
DELETED = "Deleted"
"""Why a run whose resource was deleted is cancelled: in the log it proves that the deletion was observed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What follows from the facts."""

    append: actions.Append | None = None
    todo: Sequence[actions.Action] = ()
    stalled: tuple[str, str] | None = None
    """Reason and message of what a person must act on."""
    wake_at: int | None = None
    """Look again then; nanoseconds since 1970."""


def decide(facts: Facts) -> Outcome:
    """The one event to append now, or everything else that is to be done. Total, pure."""
    wanted = wanted_event(facts)
    if wanted is not None:
        return Outcome(append=wanted)
    todo = [*_effects(facts)]
    stalled = _stalled(facts)
    return Outcome(todo=todo, stalled=stalled, wake_at=_wake_at(facts))


def wanted_event(facts: Facts) -> actions.Append | None:
    """The first event that a question wants, in the order of `_QUESTIONS`."""
    if facts.state.undecidable:
        return None
    for question in _QUESTIONS:
        wanted = question(facts)
        if wanted is not None:
            return wanted
    return None


def _start(facts: Facts) -> actions.Append | None:
    """May it start?"""
    ready = facts.start
    state = facts.state
    if state.started is not None or state.is_over or not isinstance(ready, Ready) or _is_unwanted(facts):
        return None
    return proposing.append(
        facts, "exec.started", ready.data, trace_id=ready.trace_id, payloads=ready.payloads
    )


def _seal(facts: Facts) -> actions.Append | None:
    """Was it deleted before it began? Its name is freed only once the log is closed, for whoever is late to begin it."""
    state = facts.state
    if not facts.is_deleted or state.started is not None or state.is_over:
        return None
    return proposing.finish(
        facts, "cancelled", DELETED, "deleted before it began", trace_id=_own_trace(state.xid)
    )


def _own_trace(xid: str) -> str:
    """A run that never began has no trace but its own end."""
    return envelope.identifier(xid, "trace")


def _kill(facts: Facts) -> actions.Append | None:
    """Is it killed, by whatever scope?"""
    stop = facts.stop
    if stop is None or not _is_open(facts):
        return None
    return proposing.append(
        facts, "exec.killed", types.Interruption(by=stop.by, reason=stop.reason, scope=stop.scope)
    )


def _cancel(facts: Facts) -> actions.Append | None:
    """Does somebody want it to end in good order?"""
    if not _is_open(facts) or facts.state.cancelled is not None:
        return None
    if facts.is_deleted:
        return proposing.append(facts, "exec.cancelled", types.Interruption(by="kubernetes", reason=DELETED))
    execution = facts.execution
    if execution is None:
        return None
    if execution.metadata.deletion_timestamp is not None:
        return proposing.append(
            facts, "exec.cancelled", types.Interruption(by="kubernetes", reason="BeingDeleted")
        )
    if execution.spec.cancel:
        return proposing.append(
            facts, "exec.cancelled", types.Interruption(by="spec.cancel", reason="Cancelled")
        )
    return None


def _finish_unwound(facts: Facts) -> actions.Append | None:
    """Is it cancelled or has failed, with everything in flight settled and nothing left to undo?"""
    return unwinding.finished(facts) if _is_open(facts) else None


def _deadline(facts: Facts) -> actions.Append | None:
    """Is its time up? Also while it waits for a person."""
    started = facts.state.started
    if started is None or not _is_open(facts) or facts.is_orphaned or facts.state.is_unwinding:
        return None
    if facts.now <= clock.parse(started.deadline):
        return None
    return unwinding.fail(facts, DEADLINE_EXCEEDED, f"the deadline {started.deadline} has passed")


def _exhausted(facts: Facts) -> actions.Append | None:
    """Did too many attempts in a row do nothing?"""
    verdict = attempt.decide(facts)
    if not isinstance(verdict, attempt.Exhausted):
        return None
    if facts.state.is_unwinding:
        return unwinding.given_up(facts, verdict.message)
    return unwinding.fail(facts, ATTEMPTS_EXHAUSTED, verdict.message)


def _hold(facts: Facts) -> actions.Append | None:
    """Does its runner fill the log with what is no event?"""
    state = facts.state
    if not _is_open(facts) or not flood.is_flooded(state):
        return None
    if state.is_unwinding:
        return unwinding.given_up(facts, "its runner filled the log with what is no event")
    if state.suspended is not None:
        return None
    return proposing.append(facts, "exec.suspended", types.Interruption(by=flood.BY, reason=flood.REASON))


def _suspend(facts: Facts) -> actions.Append | None:
    """Is it to be held, or let go on?"""
    execution = facts.execution
    if execution is None or not _is_open(facts) or facts.state.is_unwinding:
        return None
    if restored.is_held(facts.state) or flood.is_held(facts.state):
        # somebody must hold it themselves before it may go on
        theirs = types.Interruption(by="spec.suspend", reason="Resumed")
        return proposing.append(facts, "exec.resumed", theirs) if execution.spec.suspend else None
    if execution.spec.suspend and facts.state.suspended is None:
        return proposing.append(
            facts, "exec.suspended", types.Interruption(by="spec.suspend", reason="Suspended")
        )
    if not execution.spec.suspend and facts.state.suspended is not None:
        return proposing.append(
            facts, "exec.resumed", types.Interruption(by="spec.suspend", reason="Resumed")
        )
    return None


def _decide_gate(facts: Facts) -> actions.Append | None:
    """Did people answer, or is the time to answer up?"""
    started = facts.state.started
    if started is None or not _is_open(facts) or facts.is_orphaned:
        return None
    for asked in facts.gates:
        if facts.state.is_unwinding and not asked.is_of_undo:
            continue  # nobody needs that answer any more
        verdict = gate.decide(asked, requester=started.requester, now=facts.now)
        if verdict is not None:
            return _decided(facts, asked, verdict)
    return None


def _decided(facts: Facts, asked: Gate, verdict: gate.Verdict) -> actions.Append | None:
    found = next(
        (
            known
            for known in facts.state.gates.values()
            if known.request_seq == asked.request_seq and known.decided is None
        ),
        None,
    )
    if found is None:
        return None
    data = types.GateDecided(
        plan_seq=found.plan_seq,
        index=found.index,
        request_seq=found.request_seq,
        verdict=verdict.verdict,
        args_digest=asked.args_digest,
        contract_digest=asked.contract_digest,
        approvers=list(verdict.approvers),
        reason=verdict.reason,
        latency_ms=max(0, (facts.now - found.asked_at) // 1_000_000),
        valid_until=clock.text(verdict.valid_until) if verdict.valid_until else "",
    )
    return proposing.append(facts, "gate.decided", data, found.request_seq)


def _next_attempt(facts: Facts) -> actions.Append | None:
    """Does it need another attempt?"""
    verdict = attempt.decide(facts)
    if not isinstance(verdict, attempt.Next):
        return None
    number = facts.state.attempt + 1
    data = types.ExecAttempt(attempt=number, pod=names.pod(facts.name, number), reason=verdict.reason)
    return proposing.append(facts, "exec.attempt", data, number, attempt=number)


_QUESTIONS: Sequence[Callable[[Facts], actions.Append | None]] = (
    _start,
    _seal,
    _kill,
    _cancel,
    _finish_unwound,
    _deadline,
    _hold,
    _suspend,
    _decide_gate,
    _exhausted,
    _next_attempt,
    settled.discarded,
)


def _effects(facts: Facts) -> list[actions.Action]:
    """What must be so in Kubernetes and at the broker, given the log."""
    execution = facts.execution
    todo: list[actions.Action] = []
    if execution is not None and facts.wants_kill and facts.stop is None and not facts.state.is_over:
        todo.append(actions.EngageKill(reason=execution.spec.kill_switch.reason or "kill switch"))
    if facts.state.is_over:
        todo += _after_the_end(facts)
    elif facts.is_orphaned:
        todo += _cut_off(facts.state.attempt)
    elif facts.state.started is not None:
        todo += _while_it_lasts(facts)
    if facts.is_deleted and facts.state.is_over:
        todo.append(actions.ReleaseName())
    return todo


def _while_it_lasts(facts: Facts) -> list[actions.Action]:
    state = facts.state
    todo: list[actions.Action] = []
    if state.attempt > 1:
        todo += _cut_off(state.attempt - 1)
    is_done = unwinding.is_done(facts)
    is_held = is_done or (state.suspended is not None and not state.is_unwinding)
    if is_done or flood.is_flooded(state) or flood.is_held(state):
        todo += _cut_off(state.attempt)
    for number, pod in facts.pods.items():
        if pod.is_live and not pod.is_forged and (number < state.attempt or is_held):
            todo.append(actions.EndPod(pod=pod))
    todo += _superfluous(facts)
    if is_held:
        return todo
    wanted = [asked for asked in facts.gates if asked.is_of_undo or not state.is_unwinding]
    todo += [actions.OpenGate(gate=asked) for asked in wanted if _is_to_ask(asked)]
    if isinstance(attempt.decide(facts), attempt.Again):
        todo.append(actions.RunAttempt(attempt=state.attempt))
    return todo


def _after_the_end(facts: Facts) -> list[actions.Action]:
    state = facts.state
    todo: list[actions.Action] = []
    killed = state.killed is not None
    if killed or not _is_leaving(facts):
        todo += _cut_off(state.attempt)
        todo += [
            actions.EndPod(pod=pod, is_immediate=killed)
            for pod in facts.pods.values()
            if not pod.is_ended and not pod.is_forged and (killed or not pod.is_terminating)
        ]
    todo += _superfluous(facts)
    until = expires_at(facts)
    if until is not None and facts.now >= until:
        todo.append(actions.DeleteResource())
    return todo


def _superfluous(facts: Facts) -> list[actions.Action]:
    ended = sorted(
        (pod for pod in facts.pods.values() if pod.is_ended and not pod.is_forged and not pod.is_terminating),
        key=lambda pod: -pod.attempt,
    )
    return [actions.EndPod(pod=pod) for pod in ended[KEPT_PODS:]]


def _is_leaving(facts: Facts) -> bool:
    """The runner said that it finished, and has had no time to leave yet."""
    pod = facts.pod
    return (
        facts.state.finished is not None
        and facts.state.finished.reason not in OWN_ENDS
        and facts.state.cancelled is None
        and pod is not None
        and pod.is_live
        and not pod.is_forged
        and facts.now < facts.state.over_at + SETTLE_SECONDS * clock.SECOND
    )


def _is_to_ask(asked: Gate) -> bool:
    return not (asked.exists or asked.refusal or asked.problem)


def expires_at(facts: Facts) -> int | None:
    """When the resource is to be deleted, where that was asked for; nanoseconds since 1970."""
    execution = facts.execution
    if execution is None or not facts.state.is_over:
        return None
    if execution.spec.ttl_seconds_after_finished is None:
        return None
    return facts.state.over_at + execution.spec.ttl_seconds_after_finished * clock.SECOND


def _stalled(facts: Facts) -> tuple[str, str] | None:
    if facts.state.undecidable:
        return (
            "Undecidable",
            f"the log holds {facts.state.undecidable}, which this operator does not know: upgrade it",
        )
    for asked in facts.gates:
        if asked.problem:
            return "EvidenceMissing", f"the question {asked.name} cannot be put: {asked.problem}"
        if asked.is_forged:
            return (
                "ChildForged",
                f"ApprovalGate {asked.name} exists and is not ours; delete it in the operator's name",
            )
    verdict = attempt.decide(facts)
    if isinstance(verdict, attempt.Forged):
        return "ChildForged", f"Pod {verdict.name} exists and is not ours; delete it"
    return None


def _wake_at(facts: Facts) -> int | None:
    """The next moment at which time alone changes the answer."""
    moments: list[int | None] = [expires_at(facts)]
    state = facts.state
    if state.is_over:
        if _is_leaving(facts):
            moments.append(state.over_at + SETTLE_SECONDS * clock.SECOND)
    elif state.started is not None and not facts.is_orphaned:
        until = unwinding.until(facts) if state.is_unwinding else clock.parse(state.started.deadline)
        moments.append(until + 1 if until is not None else None)
        moments += [asked.deadline + 1 for asked in facts.gates if asked.deadline]
        verdict = attempt.decide(facts)
        if isinstance(verdict, attempt.Later):
            moments.append(verdict.at)
    return min((moment for moment in moments if moment is not None), default=None)


def _is_open(facts: Facts) -> bool:
    return facts.state.started is not None and not facts.state.is_over


def _is_unwanted(facts: Facts) -> bool:
    """It was stopped before it began."""
    execution = facts.execution
    return (
        facts.stop is not None
        or execution is None
        or execution.metadata.deletion_timestamp is not None
        or execution.spec.cancel
        or execution.spec.suspend
        or facts.wants_kill
    )


def _cut_off(last: int) -> list[actions.Action]:
    """End the identities of every attempt up to this one."""
    attempts = list(range(1, last + 1))
    return [actions.Revoke(attempts=attempts), actions.DropSecrets(attempts=attempts)] if attempts else []
