"""Is a state a value, whatever is folded onto it?"""

import immutables
import pytest

from keelstep.domain import draft, execution
from keelstep.domain.state import State
from tests.unit.domain import stories


def test_a_draft_changes_no_state() -> None:
    """Neither a field nor a map of the state that it was made of; what was not touched is still shared."""
    state = stories.claimed().state
    before = dict(state.results), dict(state.claims), state.seq
    now = draft.of(state)
    draft.change(now, "seq", 99)
    draft.put(now, "results", (1, 1), "x")
    draft.drop(now, "claims", next(iter(state.claims)))
    after = draft.frozen(now)
    assert (dict(state.results), dict(state.claims), state.seq) == before
    assert (after.seq, len(after.results), len(after.claims)) == (99, len(before[0]) + 1, 0)
    assert after.keys is state.keys


def test_a_frozen_draft_is_a_state_like_any_other() -> None:
    """Nobody can change it, and its maps are what a state's maps are."""
    after = execution.resume(execution.begin("x1", "shop"), stories.finished().messages, lambda _, __: True)
    with pytest.raises(AttributeError):
        after.seq = 1  # type: ignore[misc]
    for name in State.__struct_fields__:
        assert not hasattr(getattr(after, name), "finish"), f"{name} is still in a draft's form"
    assert isinstance(after.results, immutables.Map)
    assert hash(after.claims) == hash(stories.finished().state.claims)


def test_a_state_that_many_were_folded_from_stays_what_it_was() -> None:
    """Two futures of one state know nothing of each other."""
    log = stories.planned("orders.get", "credit.grant")
    state = log.state
    read, written = log.result(0).state, stories.planned("orders.get", "credit.grant").claim(1).state
    assert not state.results
    assert not state.claims
    assert (len(read.results), len(read.claims)) == (1, 0)
    assert (len(written.results), len(written.claims)) == (0, 1)
