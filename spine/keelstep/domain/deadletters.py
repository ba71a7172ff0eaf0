"""What ended badly in a run and waits for a person? A view of its log, no store of its own.

    a call whose outcome nobody knows      find out at the tool; a run that tries again might do it twice
    a call that failed to the last         the tool did not work; it may by now
    the run itself                         it came to nothing: malformed replies, exhausted attempts, a deadline …
    an event that nobody here knows        a newer program wrote it

A person settles it by having it done again, in a run of its own with its own tiers and gates, or by saying that it is
done with: `spec.discard` of the Execution, which the log records. A run that goes on still has its own ways, so what is in
doubt there waits too, and can be settled once it is over. What was cancelled or killed was ended by people: only what they
may not know is told. Pure.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from keelstep.domain.reasons import classes
from keelstep.domain.state import State

Kind = Literal["Unknown", "Exhausted", "Run", "Undecidable"]
_PASSING = frozenset(
    {classes.TIMEOUT, classes.RATE_LIMITED, classes.UNAVAILABLE, classes.CONNECTION, classes.NOT_SENT}
)
"""Classes of failure that may be over by now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """One thing that waits for a person."""

    kind: Kind
    seq: int
    """The event that says so."""
    tool: str = ""
    reason: str
    message: str = ""


def of(state: State) -> list[Letter]:
    """Everything of a run that waits for a person, oldest first."""
    if state.discarded is not None:
        return []
    found = [*_unknown(state), *_exhausted(state), *_run(state)]
    return sorted(found, key=lambda letter: letter.seq)


def _unknown(state: State) -> Iterator[Letter]:
    """Calls that may have happened."""
    for tool, keys in state.unknown.items():
        for key in keys:
            known = state.keys[key]
            result = next((each for each in state.results.values() if each.seq == known.seq), None)
            error = result.data.error if result is not None else None
            yield Letter(
                kind="Unknown",
                seq=known.seq,
                tool=tool,
                reason=error.reason if error is not None else "OutcomeUnknown",
                message=error.message if error is not None else "",
            )


def _exhausted(state: State) -> Iterator[Letter]:
    """Calls of a run that has failed which came to nothing, and no later one of the same key came to something."""
    if state.finished is None or state.finished.outcome != "failed":
        return
    for result in state.results.values():
        error, key = result.data.error, state.keys.get(result.data.idempotency_key)
        if result.data.status != "failed" or error is None or error.error_class not in _PASSING:
            continue
        if key is not None and key.status == "ok":
            continue
        yield Letter(
            kind="Exhausted",
            seq=result.seq,
            tool=result.data.tool,
            reason=error.reason,
            message=error.message,
        )


def _run(state: State) -> Iterator[Letter]:
    """The run as a whole."""
    if state.undecidable:
        message = f"the log holds {state.undecidable}"
        yield Letter(kind="Undecidable", seq=state.seq + 1, reason="Undecidable", message=message)
    elif state.finished is not None and state.finished.outcome == "failed":
        finished = state.finished
        yield Letter(kind="Run", seq=state.over_seq, reason=finished.reason, message=finished.message)
