"""Does the fold know how much of a log's end is no event?"""

from keelstep.domain import flood
from keelstep.events import types
from keelstep.testing import builders
from keelstep.testing.builders import LogBuilder


def flooded(messages: int = flood.MOST_VOIDS + 1) -> LogBuilder:
    """A run whose runner has written so many messages that are no events."""
    run = builders.log().started().attempt()
    for _ in range(messages):
        run.garbage(b"{}")
    return run


def test_void_messages_are_counted_from_the_last_event() -> None:
    """One event in between, and somebody honest still writes; what was counted in all stays."""
    run = flooded(flood.MOST_VOIDS)
    assert (run.state.voids, run.state.voids_since) == (flood.MOST_VOIDS, flood.MOST_VOIDS)
    assert not flood.is_flooded(run.state)
    run.garbage(b"{}")
    assert flood.is_flooded(run.state)
    run.model()
    assert (run.state.voids, run.state.voids_since) == (flood.MOST_VOIDS + 1, 0)
    assert not flood.is_flooded(run.state)


def test_a_run_that_is_held_for_it_is_not_one_that_somebody_else_holds() -> None:
    """Who holds it says what lets it go."""
    run = flooded()
    run.forge("exec.suspended", types.Interruption(by=flood.BY, reason=flood.REASON), writer="op")
    assert flood.is_held(run.state)
    assert not flood.is_held(builders.log().started().attempt().suspended().state)
