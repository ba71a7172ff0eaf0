"""Since when is a result true, and may it be used again now?

A result that was recorded answers every later equal call of its run, whatever has changed since: what a run saw stays
what it saw. Where a contract says how old that may be, an older result is not used, and the call is made again.
"""

from datetime import UTC, datetime
from typing import Any

from keelstep.domain import canonical
from keelstep.domain.builtins.function import EvaluationError
from keelstep.events import clock
from keelstep.kinds.contract import ToolContractSpec

_LAST_SECOND = 253_402_300_800
"""The first of the year 10000, which our times cannot write."""


def as_of(spec: ToolContractSpec, output: bytes, answered: int) -> str:
    """Since when an output is true, RFC 3339; empty where its contract asks for a time that it does not say.

    `answered` is when the tool answered: no output is true of a later time, whatever it says.
    """
    if spec.freshness is None or spec.freshness.as_of is None:
        return clock.text(answered)
    moment = _moment(_found(spec.freshness.as_of, output))
    return clock.text(min(moment, answered)) if moment is not None else ""


def is_usable(spec: ToolContractSpec, since: str, now: int) -> bool:
    """May a result that is true since then be used again?"""
    if spec.freshness is None:
        return True
    return bool(since) and now - clock.parse(since) <= spec.freshness.max_age_seconds * clock.SECOND


def is_cached(spec: ToolContractSpec, answered: str, since: str, now: int) -> bool:
    """May a result of another run, which the tool gave then, be used?"""
    if spec.cache is None or now - clock.parse(answered) > spec.cache.ttl_seconds * clock.SECOND:
        return False
    return is_usable(spec, since, now)


def _found(expression: str, output: bytes) -> Any:
    # a runner that needs no times should not wait for the library
    from keelstep.domain.builtins import query

    try:
        return query.find(expression, canonical.loads(output))
    except (EvaluationError, ValueError):
        return None


def _moment(found: Any) -> int | None:
    """Nanoseconds since 1970; None where it is no time between then and the year 10000."""
    if isinstance(found, str):
        try:
            moment = datetime.fromisoformat(found)
            found = (moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)).timestamp()
        except (ValueError, OverflowError):
            return None
    if isinstance(found, bool) or not isinstance(found, int | float) or not 0 <= found < _LAST_SECOND:
        return None
    return int(found * clock.SECOND)
