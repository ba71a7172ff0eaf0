"""Which states can be reached, and is one of them wrong? Breadth first, so that the first one found is the nearest.

A system says how it begins, what can happen next, and when all is well; nothing here knows what its states mean. States
are hashable values: two ways to the same state meet. After a whole exploration the second question is asked: is there a
state from which no way leads to one where all is well?
"""

import contextlib
import gc
import itertools
import time
from array import array
from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass
from typing import Generic, NamedTuple, Protocol, TypeVar

S = TypeVar("S", bound=Hashable)


class Broken(NamedTuple):
    """An invariant does not hold."""

    invariant: str
    how: str
    """One sentence."""


class Step(NamedTuple, Generic[S]):
    """Something that can happen next."""

    what: str
    after: S
    broken: Broken | None = None
    """What must never be, where this step shows it."""


class System(Protocol[S]):
    """What can be explored."""

    always_possible: str
    """The name of the invariant that all can still become well."""

    def begin(self) -> S:
        """The first state."""
        ...

    def steps(self, state: S) -> Iterable[Step[S]]:
        """Everything that can happen next."""
        ...

    def is_well(self, state: S) -> bool:
        """Whether nothing is left open."""
        ...


class TooLargeError(Exception):
    """There are more states than were allowed: nothing is proven."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Counterexample:
    """The shortest way to what must never be."""

    broken: Broken
    path: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Explored:
    """What an exploration found."""

    states: int
    transitions: int
    depth: int
    """Steps from the beginning to the state that is farthest from it."""
    seconds: float
    counterexample: Counterexample | None


def explore(system: System[S], *, most_states: int) -> Explored:
    """Every state that can be reached, until one is wrong.

    Raises:
        TooLargeError: there are more than `most_states`.
    """
    begun = time.monotonic()
    search = _Search(system, most_states)
    with _uncollected():
        found = search.run() or search.stuck()
    return Explored(
        states=len(search.states),
        transitions=len(search.sources),
        depth=search.depth,
        seconds=time.monotonic() - begun,
        counterexample=found,
    )


@contextlib.contextmanager
def _uncollected() -> Iterator[None]:
    """Millions of values without a cycle among them: looking for cycles would take as long as all the rest."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


class _Search(Generic[S]):
    """One exploration: states in the order in which they were found, and every transition by number."""

    def __init__(self, system: System[S], most_states: int) -> None:
        self.system, self.most_states = system, most_states
        first = system.begin()
        self.states: list[S] = [first]
        self.number: dict[S, int] = {first: 0}
        self.parent = array("l", [0])
        self.sources, self.targets = array("l"), array("l")
        self.depth = 0

    def run(self) -> Counterexample | None:
        """Breadth first, to the end or to the first thing that is wrong."""
        at, last_of_level = 0, 0
        while at < len(self.states):
            for step in self.system.steps(self.states[at]):
                if step.broken is not None:
                    return Counterexample(broken=step.broken, path=(*self.path(at), step.what))
                self._meet(at, step.after)
            if at == last_of_level and len(self.states) - 1 > at:
                last_of_level, self.depth = len(self.states) - 1, self.depth + 1
            at += 1
        return None

    def _meet(self, at: int, after: S) -> None:
        known = self.number.get(after)
        if known is None:
            known = len(self.states)
            if known >= self.most_states:
                raise TooLargeError(f"more than {self.most_states} states")
            self.number[after] = known
            self.states.append(after)
            self.parent.append(at)
        if known != at:
            self.sources.append(at)
            self.targets.append(known)

    def stuck(self) -> Counterexample | None:
        """The nearest state from which no way leads to one where all is well."""
        count = len(self.states)
        heads = array("l", [-1]) * count
        following = array("l", [-1]) * len(self.sources)
        for edge, target in enumerate(self.targets):
            following[edge] = heads[target]
            heads[target] = edge
        can = bytearray(count)
        todo = [at for at, state in enumerate(self.states) if self.system.is_well(state)]
        for at in todo:
            can[at] = 1
        while todo:
            edge = heads[todo.pop()]
            while edge >= 0:
                source = self.sources[edge]
                if not can[source]:
                    can[source] = 1
                    todo.append(source)
                edge = following[edge]
        at = can.find(0)
        if at < 0:
            return None
        broken = Broken(
            self.system.always_possible, "from here no way leads to a state where nothing is left open"
        )
        return Counterexample(broken=broken, path=self.path(at))

    def path(self, at: int) -> tuple[str, ...]:
        """What happened, from the beginning to this state: told again, so that no label has to be kept."""
        numbers = [at]
        while numbers[-1]:
            numbers.append(self.parent[numbers[-1]])
        numbers.reverse()
        told: list[str] = []
        for before, after in itertools.pairwise(numbers):
            wanted = self.states[after]
            told.append(
                next(step.what for step in self.system.steps(self.states[before]) if step.after == wanted)
            )
        return tuple(told)
