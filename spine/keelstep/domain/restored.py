"""Which runs wait because their log came from a backup? Those that were open in it.

What such a run did after the backup is in no log. So it goes on only when a person says so, who has looked at what its
tools have in their own books.
"""

from keelstep.domain.state import State

BY, REASON = "restore", "LogRestored"
"""Who holds such a run, and why."""


def is_held(state: State) -> bool:
    """True where it waits for that, and for nothing else."""
    return state.suspended is not None and state.suspended.by == BY
