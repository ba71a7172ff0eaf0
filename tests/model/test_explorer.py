"""The explorer itself, on systems small enough to see through."""

from collections.abc import Iterator

import pytest

from tests.model import explorer
from tests.model.explorer import Broken, Step

MOST = 1_000


class Counter:
    """Counts up by one or two, to a limit; all is well at the states given."""

    always_possible = "all is well in the end"

    def __init__(self, limit: int, wrong: int | None = None, well: frozenset[int] = frozenset({0})) -> None:
        self.limit, self.wrong, self.well = limit, wrong, well

    def begin(self) -> int:
        """Nothing counted."""
        return 0

    def steps(self, state: int) -> Iterator[Step[int]]:
        """One or two more."""
        for more in (1, 2):
            if state + more <= self.limit:
                broken = Broken("never so many", "counted too far") if state + more == self.wrong else None
                yield Step(f"+{more}", state + more, broken)

    def is_well(self, state: int) -> bool:
        """One of those given."""
        return state in self.well


def test_every_state_is_visited_once() -> None:
    """Two ways to a state are one state and two transitions."""
    found = explorer.explore(Counter(10, well=frozenset({10})), most_states=MOST)
    assert (found.states, found.transitions, found.depth) == (11, 19, 5)
    assert found.counterexample is None


def test_the_shortest_way_to_what_is_wrong_is_told() -> None:
    """A person reads a counterexample: no step in it is idle."""
    found = explorer.explore(Counter(10, wrong=6), most_states=MOST)
    assert found.counterexample is not None
    assert found.counterexample.broken.invariant == "never so many"
    assert found.counterexample.path == ("+2", "+2", "+2")


def test_a_state_from_which_all_cannot_become_well_is_found() -> None:
    """Liveness: from every reachable state a good one can be reached. 9 and 10 are past the last good one."""
    found = explorer.explore(Counter(10, well=frozenset({8})), most_states=MOST)
    assert found.counterexample is not None
    assert found.counterexample.broken.invariant == "all is well in the end"
    assert sum(int(step) for step in found.counterexample.path) == 9


def test_an_exploration_that_is_not_whole_proves_nothing() -> None:
    """Bounds are stated, never reached in silence."""
    with pytest.raises(explorer.TooLargeError):
        explorer.explore(Counter(10), most_states=5)
