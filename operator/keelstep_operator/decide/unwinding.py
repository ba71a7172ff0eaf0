"""How does a run end that has failed or was cancelled? First what it did is undone, as far as that goes.

    something can be undone ──► exec.unwinding (or exec.cancelled) ─► attempts that undo, people who are asked ─┐
    nothing can             ──► exec.finished                                                                  │
    nothing is left, its time is over, nobody can undo anything ◄──────────────────────────────────────────────┘

What was undone and what stands is in the end's message. A resource that is being deleted owns no Pods any more, so
nothing is undone for it; a kill undoes nothing.
"""

from collections import Counter
from collections.abc import Sequence

from keelstep.domain import unwind
from keelstep.domain.state import State
from keelstep.events import clock, types
from keelstep_operator.decide import actions, proposing
from keelstep_operator.decide.facts import Facts

_MOST_MESSAGE = 500


def fail(facts: Facts, reason: str, message: str) -> actions.Append:
    """The end of a run that has failed, or first its unwinding."""
    if facts.state.is_unwinding or not facts.may_have_pods or not unwind.is_needed(facts.state):
        return proposing.finish(facts, "failed", reason, message)
    data = types.Unwinding(reason=reason, message=message)
    return proposing.append(facts, "exec.unwinding", data, reason)


def finished(facts: Facts) -> actions.Append | None:
    """The end, once everything in flight is settled and nothing is left that could be undone, or its time is over."""
    state = facts.state
    if not state.is_unwinding:
        return None
    ends_at = until(facts)
    if ends_at is None or facts.now <= ends_at:
        if state.claims or state.open_model_call is not None:
            return None
        if facts.may_have_pods and unwind.next_target(state) is not None:
            return None
    return _end(facts, "")


def given_up(facts: Facts, message: str) -> actions.Append:
    """The end where attempts can do nothing."""
    return _end(facts, f"undoing was given up, {message}")


def until(facts: Facts) -> int | None:
    """When undoing is over, whatever is left; None while a person is asked, and where there is nothing to undo."""
    state = facts.state
    if state.started is None or not state.is_unwinding or unwind.next_target(state) is None:
        return None
    if unwind.waits_for_person(state):
        return None
    return state.unwinding_at + state.started.unwind_seconds * clock.SECOND


def is_done(facts: Facts) -> bool:
    """Is nothing left that an attempt could do?"""
    state = facts.state
    return state.is_unwinding and (unwind.next_target(state) is None or not facts.may_have_pods)


def told(state: State) -> str:
    """What was undone and what stands, for a person; nothing where a run did nothing."""
    undone, standing = unwind.undone(state), unwind.standing(state)
    return "; ".join(
        filter(
            None,
            (
                f"undone: {_counted(undone)}" if undone else "",
                f"not undone: {_counted(standing)}" if standing else "",
            ),
        )
    )


def _end(facts: Facts, why: str) -> actions.Append:
    """The end as it was decided when the unwinding began: what was said first counts."""
    state = facts.state
    failed, cancelled = state.unwinding, state.cancelled
    first = failed.message if failed is not None else f"cancelled by {cancelled.by}" if cancelled else ""
    message = "; ".join(filter(None, (first, why, told(state))))[:_MOST_MESSAGE]
    if failed is not None:
        return proposing.finish(
            facts, "failed", failed.reason, message, criteria=failed.criteria, output=failed.output
        )
    assert cancelled is not None
    return proposing.finish(facts, "cancelled", cancelled.reason, message)


def _counted(tools: Sequence[str]) -> str:
    """Tools by name, each with how often where that is more than once."""
    return ", ".join(f"{tool} ({n} times)" if n > 1 else tool for tool, n in Counter(tools).items())
