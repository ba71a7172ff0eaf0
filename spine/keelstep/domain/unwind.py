"""What did this run do that can be undone, and how far is that? Facts of the fold; nothing here reads a contract.

A call is undone by the contract that its pin names, after the run has failed or was cancelled, the last one first:

    performed ─► undo claimed ─► ok: undone
        │             └────────► failed, unknown, denied ─► a person ─┬ done by hand
        │                                                             └ given up: it stands
        └ its outcome is unknown: found out, or left to a person likewise

An undo's place is the event that says what it undoes, and 0: no plan has that place. What validity asks here works on a
draft of a state, too, whose maps cannot be walked.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from keelstep.domain.state import Place, Result, State

Status = Literal["waiting", "asking", "done", "byHand", "givenUp"]
"""`asking`: it did not succeed, and a person has not answered yet."""
SETTLED = frozenset({"done", "byHand", "givenUp"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A call that was made, or may have been, and can be undone."""

    seq: int
    """The `tool.result` that ended it: what an undo says it undoes."""
    place: Place
    """Where it was planned."""
    tool: str
    undo: str
    """The contract that undoes it."""
    is_known: bool
    """False where nobody knows whether it happened."""

    @property
    def undo_place(self) -> Place:
        """Where its undoing stands."""
        return place_of(self.seq)


def place_of(seq: int) -> Place:
    """Where the undoing of what this event recorded stands."""
    return (seq, 0)


def targets(state: State) -> list[Target]:
    """Everything that can be undone, the last call first."""
    found = []
    for seq, place in reversed(state.undoable):
        result, later = state.end_of(place), state.reconciled.get(place)
        if result is not None and (later is None or later.data.status == "ok"):
            tool = result.data.tool
            undo = state.pins[tool].undo
            is_known = _is_done(state, place, result)
            found.append(Target(seq=seq, place=place, tool=tool, undo=undo, is_known=is_known))
    return found


def key_of(state: State, target: Target) -> str:
    """The key of the call that undoes it."""
    result = state.end_of(target.place)
    assert result is not None
    return f"undo{result.data.idempotency_key}"


def status(state: State, seq: int) -> Status:
    """How far the undoing is of what this event recorded."""
    place = place_of(seq)
    result, gate = state.results.get(place), state.gates.get(place)
    if result is None:
        return "waiting"
    if _is_done(state, place, result):
        return "done"
    if gate is None or gate.decided is None:
        return "asking"
    if gate.kind == "undo":
        return "byHand" if gate.decided.verdict == "approved" else "givenUp"
    # a person who was asked before it said no: nobody is asked twice
    return "asking" if gate.decided.verdict == "approved" else "givenUp"


def next_target(state: State) -> Target | None:
    """What is to be undone next; None where nothing is left."""
    return next((each for each in targets(state) if status(state, each.seq) not in SETTLED), None)


def is_needed(state: State) -> bool:
    """Is there anything to undo, or may there be once what is in flight has ended?"""
    return next_target(state) is not None or any(
        claim.undoes is None and state.pins[claim.tool].undo for claim in state.claims.values()
    )


def waits_for_person(state: State) -> bool:
    """Is a person being asked about what is to be undone next?"""
    target = next_target(state)
    gate = state.gates.get(target.undo_place) if target is not None else None
    return gate is not None and gate.decided is None


def undone(state: State) -> list[str]:
    """The tools whose calls were undone, by us or by hand, in the order of their calls."""
    found = [each for each in targets(state) if status(state, each.seq) in ("done", "byHand")]
    return [each.tool for each in reversed(found)]


def standing(state: State) -> list[str]:
    """The tools whose effects stand, in the order of the calls; what may have happened counts as having happened."""
    gone = {each.seq for each in targets(state) if status(state, each.seq) in ("done", "byHand")}
    found = sorted((result.seq, result.data.tool) for _, result in _effects(state) if result.seq not in gone)
    open_claims = sorted((claim.seq, claim.tool) for claim in state.claims.values() if claim.undoes is None)
    return [tool for _, tool in (*found, *open_claims)]


def _effects(state: State) -> Iterator[tuple[Place, Result]]:
    """Every call that changed something, or may have."""
    for place, result in (*state.results.items(), *state.doubted.items()):
        data, later = result.data, state.reconciled.get(place)
        known = later.data.status if later is not None else data.status
        pin = state.pins.get(data.tool)
        is_effect = pin is not None and pin.tier > 0 and data.replayed_seq is None and data.undoes is None
        if is_effect and known in ("ok", "unknown"):
            yield place, result


def _is_done(state: State, place: Place, result: Result) -> bool:
    later = state.reconciled.get(place)
    return result.data.status == "ok" or (later is not None and later.data.status == "ok")
