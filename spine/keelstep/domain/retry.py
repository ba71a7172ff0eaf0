"""May a call be tried again, when, and how long may all of that take?

Trying again happens under the same claim with the same key. What the wait is follows from the contract, the call's own
identity and the count alone, so that everybody who reads the log computes the same; a tool that says when to come back
is believed, up to the time that the contract allows. Pure: no clock is read and nothing is waited for.
"""

import hashlib
import math
import re
from dataclasses import dataclass
from email import utils

from keelstep.domain import contract
from keelstep.domain.call import Standing, Unknowable
from keelstep.domain.outcome import Judged
from keelstep.domain.state import Claim, State
from keelstep.events import clock
from keelstep.kinds.contract import ToolContractSpec
from keelstep.kinds.failure import ErrorClass

_USUAL = (ErrorClass.RATE_LIMITED, ErrorClass.UNAVAILABLE, ErrorClass.CONNECTION_FAILED)
"""Worth another attempt where a contract says nothing, and where repeating does no harm."""
_SECONDS = re.compile(r"\d{1,9}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Again:
    """Another attempt, after this wait."""

    wait_ms: int


def decide(
    spec: ToolContractSpec, judged: Judged, *, attempts: int, seed: str, left_seconds: float, now: int
) -> Again | None:
    """What follows from an attempt that came to this, after so many; None where it is the last word.

    `seed` is what tells the call from every other, `left_seconds` what is left of its time, `now` nanoseconds since 1970.
    """
    is_harmless = contract.is_repeatable(spec) or not judged.was_sent or judged.status == "failed"
    if not (is_harmless and _can_help(spec, judged) and attempts < spec.failure_policy.max_attempts):
        return None
    wait_ms = max(backoff_ms(spec, seed, attempts), after_ms(judged.retry_after, now))
    return Again(wait_ms=wait_ms) if wait_ms < left_seconds * 1000 else None


def _can_help(spec: ToolContractSpec, judged: Judged) -> bool:
    """Does the contract call such a failure worth another attempt?"""
    error = judged.error
    if error is None:
        return False
    statuses = spec.failure_policy.retryable_statuses or ()
    return judged.asks_again or error.error_class in classes(spec) or error.status in statuses


def classes(spec: ToolContractSpec) -> tuple[ErrorClass, ...]:
    """The classes of failure worth another attempt."""
    named = spec.failure_policy.retryable
    if named is not None:
        return tuple(named)
    return _USUAL if contract.is_repeatable(spec) else ()


def attempts_allowed(spec: ToolContractSpec) -> int:
    """How often one call may be tried."""
    policy = spec.failure_policy
    can_help = classes(spec) or policy.retryable_statuses or policy.retry_when
    return policy.max_attempts if can_help else 1


def backoff_ms(spec: ToolContractSpec, seed: str, attempts: int) -> int:
    """The wait after this many attempts: growing, and longer by up to a half, which the call's identity decides."""
    whole = _backoff_seconds(spec, attempts) * 1000
    drawn = hashlib.sha256(f"{seed}\x1f{attempts}".encode()).digest()
    return whole + int.from_bytes(drawn[:4]) * (whole // 2) // 2**32


def after_ms(said: str, now: int) -> int:
    """How long a tool wants to be left alone, by its `Retry-After`: seconds or a date; 0 where it says nothing usable."""
    said = said.strip()
    if _SECONDS.fullmatch(said):
        return int(said) * 1000
    try:
        at = utils.parsedate_to_datetime(said).timestamp()
    except (ValueError, TypeError, OverflowError):
        return 0
    return max(0, math.ceil(at * 1000) - now // 1_000_000)


def budget_seconds(spec: ToolContractSpec) -> int:
    """How long a call may take: every attempt in full and the waits between, or what the contract allows altogether."""
    allowed = attempts_allowed(spec)
    waits = sum(_backoff_seconds(spec, attempts) for attempts in range(1, allowed))
    longest = spec.timeout_seconds * allowed + math.ceil(waits * 1.5)
    return min(longest, spec.failure_policy.total_seconds or longest)


def _backoff_seconds(spec: ToolContractSpec, attempts: int) -> int:
    policy = spec.failure_policy
    grown = int(policy.backoff_seconds * policy.backoff_factor ** (attempts - 1))
    return min(grown, policy.max_backoff_seconds)


def why_not(state: State, claim: Claim, stop: Standing, now: int) -> str:
    """Why a claim may not be performed once more, by its owner or by another; nothing where it may.

    What would keep a new claim from being made keeps this one from being repeated.
    """
    if state.undecidable:
        return "Undecidable"
    if state.is_over or state.started is None:
        return "RunEnded"
    if claim.undoes is None:
        if state.is_unwinding:
            return "RunEnded"
        if state.suspended is not None:
            return "Suspended"
        if now > clock.parse(state.started.deadline):
            return "DeadlineExceeded"
    if isinstance(stop, Unknowable):
        return stop.reason
    if stop is not None:
        return "ToolKilled" if stop.scope == "tool" else "Killed"
    if claim.valid_until and now > clock.parse(claim.valid_until):
        return "ApprovalLapsed"
    return ""
