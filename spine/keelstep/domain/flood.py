"""Which runs wait because their runner filled the log with what is no event? Those with very many such messages in a row.

A void message changes nothing, but whoever reads the log reads it. An honest writer's is none, so a runner that writes on
and on is broken or not ours. Its run is held and its identity ended, until a person has looked.
"""

from keelstep.domain.state import State

BY, REASON = "flood", "LogFlooded"
"""Who holds such a run, and why."""
MOST_VOIDS = 1_000
"""Void messages since the last event; of 64 KiB each at most."""


def is_flooded(state: State) -> bool:
    """True where the log's end is nothing but void messages, too many of them."""
    return state.voids_since > MOST_VOIDS


def is_held(state: State) -> bool:
    """True where the run waits for a person because of that, and for nothing else."""
    return state.suspended is not None and state.suspended.by == BY
