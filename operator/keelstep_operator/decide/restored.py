"""What of a run is not to be believed because the log came from a backup? That it never began, and what its status has seen.

Pure. That open runs were held is in their logs (`keelstep.domain.restored`); how they are let go is in `execution`.
"""

from collections.abc import Mapping
from typing import Any

from keelstep.events import clock
from keelstep.kinds.execution import Execution
from keelstep_operator.decide.facts import NotReady

REASON = "LogLost"
HELD = (
    "the log came from a backup, and what this run did after it is not in it: look into the books of its tools, then"
    " `keelstep suspend` and `keelstep resume` let it go on, or cancel it"
)


def lost(execution: Execution, restored_at: int) -> NotReady | None:
    """Why an Execution without a log is not begun as if it were new; None where it is new."""
    created = execution.metadata.creation_timestamp
    if not restored_at or not created or clock.parse(created) >= restored_at:
        return None
    return NotReady(
        condition="Accepted",
        reason=REASON,
        message=(
            f"it was there before the log was restored at {clock.whole(restored_at)} and has no log in it: whether it"
            " ran is not known here; look into the books of its tools, then delete it, and apply it again to run it"
        ),
    )


def fitting(shown: Mapping[str, Any], execution: Execution | None) -> dict[str, Any]:
    """A status that has seen more than the log holds by now lets go of that first: it may be absent, never less."""
    if execution is None:
        return dict(shown)
    before = execution.status
    gone = set()
    if (before.observed_seq or 0) > shown.get("observedSeq", 0):
        gone |= {"observedSeq", "observedHash"}
    if before.execution_id and before.execution_id != shown.get("executionID"):
        gone.add("executionID")
    return {name: part for name, part in shown.items() if name not in gone}
