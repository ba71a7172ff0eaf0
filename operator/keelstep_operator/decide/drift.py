"""What do people see of a tool that says something else than was reviewed? A condition, and an Event where it changes.

It counts for nothing else: the contract stays Ready, runs start, and gateways refuse its calls one by one, so that they are
made again as soon as the tool is as it was.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from keelstep.log.drifts import Note
from keelstep_operator.decide import condition
from keelstep_operator.decide.condition import Finding

TYPE = "Drifted"
_FIX = "calls are refused; see keelstep contract diff, and import the tool again once it is reviewed"


def check(note: Note | None) -> Finding | None:
    """The condition; None where no gateway has met the tool otherwise than reviewed."""
    if note is None:
        return None
    if note.is_drifted:
        return condition.holds(TYPE, "Drifted", f"{note.message}; {_FIX}")
    return condition.fails(TYPE, "AsReviewed", "the MCP server says of the tool what was reviewed")


def is_news(now: Finding, before: Sequence[Mapping[str, Any]]) -> bool:
    """True where the conditions say otherwise so far."""
    known = next((each for each in before if each.get("type") == TYPE), {})
    return bool(known.get("status", "False") != now.status)
