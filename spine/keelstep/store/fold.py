"""What was each message? The fold of every execution in a shard, held in memory as far as it fits.

The same `execution.advance` as everywhere. A state that is not held is folded again from the rows in Postgres, with
the judgement that is recorded there, so that no signature is checked twice. Pure but for its own memory.
"""

from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from keelstep.domain import execution, validity
from keelstep.domain.state import State
from keelstep.events.frame import Stored
from keelstep.store.feed import Arrival

Key = tuple[str, str]
"""Tenant and xid."""

HELD_EVENTS = 300_000
"""How many events the held states may have folded, together: about 1 KiB of memory each."""
UNSIGNED = "Unsigned"


class Vouched(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A message, and whether its signature is its writer's."""

    arrival: Arrival
    is_signed: bool


class Judged(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A message, and what it was."""

    arrival: Arrival
    outcome: execution.Outcome
    after: State
    """The state that includes it."""


class Recorded(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A message as the tables hold it."""

    stored: Stored
    is_signed: bool


@dataclass(slots=True)
class Fold:
    """The states of a shard's executions, as far as they are held."""

    held_events: int = HELD_EVENTS
    _states: OrderedDict[Key, State] = field(default_factory=OrderedDict)
    _over: set[Key] = field(default_factory=set)
    """Held executions that have ended: little comes after the end."""
    _events: int = 0

    def missing(self, batch: Sequence[Vouched]) -> set[Key]:
        """The executions whose state must be restored before this batch."""
        return {key for each in batch if (key := _key(each.arrival)) not in self._states}

    def restore(self, keys: Iterable[Key], history: Mapping[Key, Sequence[Recorded]]) -> None:
        """Fold again what the tables hold of these executions."""
        for tenant, xid in keys:
            state = execution.begin(xid, tenant)
            for each in history.get((tenant, xid), ()):
                state, _ = execution.advance(state, each.stored, _SIGNED if each.is_signed else _NOT_SIGNED)
            self._hold((tenant, xid), state)

    def judge(self, batch: Sequence[Vouched]) -> list[Judged]:
        """Fold the next messages; every execution in the batch is held."""
        judged = []
        for each in batch:
            arrival = each.arrival
            key = _key(arrival)
            state, outcome = execution.advance(
                self._states[key], arrival.stored, _SIGNED if each.is_signed else _NOT_SIGNED
            )
            self._hold(key, state)
            judged.append(Judged(arrival=arrival, outcome=outcome, after=state))
        return judged

    def trim(self, committed: int) -> None:
        """Let go of what has ended, then of what was not needed for longest; only of what Postgres has in full."""
        for key in self._over:
            state = self._states.get(key)
            if state is not None and state.position <= committed:
                self._let_go(key)
        self._over = {key for key in self._over if key in self._states}
        while self._events > self.held_events:
            key, state = next(iter(self._states.items()))
            if state.position > committed:
                return
            self._let_go(key)

    def forget(self) -> None:
        """Hold nothing."""
        self._states.clear()
        self._over.clear()
        self._events = 0

    def _hold(self, key: Key, state: State) -> None:
        before = self._states.get(key)
        self._events += _weight(state) - (_weight(before) if before is not None else 0)
        self._states[key] = state
        self._states.move_to_end(key)
        if state.is_over:
            self._over.add(key)

    def _let_go(self, key: Key) -> None:
        state = self._states.pop(key, None)
        if state is not None:
            self._events -= _weight(state)


def _key(arrival: Arrival) -> Key:
    return arrival.tenant, arrival.xid


def _weight(state: State) -> int:
    return state.seq + 1


def _always(_: object, __: Stored) -> bool:
    return True


def _never(_: object, __: Stored) -> bool:
    return False


_SIGNED: validity.Vouch = _always
_NOT_SIGNED: validity.Vouch = _never
