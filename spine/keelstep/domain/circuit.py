"""Is a tool so broken that it is better left alone? A circuit breaker, one for each contract of a namespace.

    closed ──`failures` in a row within `windowSeconds`──► open
       ▲                                                    │ after `openSeconds`
       └──`halfOpenCalls` succeeded── half-open ◄───────────┘
                                         └──one failed──► open

A failure is a tool that does not work: no answer, none in time, a status of 500 or more. One that answers no, or wants
fewer calls, works. Pure: the clock is an argument; all gateways share one record.
"""

from typing import Literal

import msgspec

from keelstep.domain.outcome import Judged
from keelstep.domain.reasons import classes
from keelstep.events import clock
from keelstep.kinds.limits import Breaker

FAILURES = frozenset({classes.TIMEOUT, classes.UNAVAILABLE, classes.CONNECTION})
"""The classes of failure that say that the tool does not work."""
PROBE_SECONDS = 60
"""A call that was to try the tool and of which nothing was heard for so long counts no more."""


class Circuit(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Where a breaker stands."""

    state: Literal["closed", "open", "half-open"] = "closed"
    failures: int = 0
    """In a row, so far."""
    since: int = 0
    """Of closed: when the first of these failed; else when it became so. Nanoseconds since 1970."""
    until: int = 0
    """Of open: when the tool may be tried."""
    trying: int = 0
    """Of half-open: calls that were let through to try it."""
    passed: int = 0
    """Of these: how many succeeded."""
    reason: str = ""
    """What the last failure was."""
    by: str = ""
    """Who wrote this, and its how manieth."""


CLOSED = Circuit()


def is_shut(circuit: Circuit) -> bool:
    """May the tool be called as if there were no breaker?"""
    return circuit.state == "closed"


def wait_ns(circuit: Circuit, terms: Breaker, now: int) -> int:
    """How long until the tool may be called, to try it; 0 where it may be now."""
    if circuit.state == "open":
        return max(0, circuit.until - now)
    if circuit.state == "half-open" and circuit.trying >= terms.half_open_calls:
        return max(0, circuit.since + PROBE_SECONDS * clock.SECOND - now)
    return 0


def tried(circuit: Circuit, now: int) -> Circuit:
    """One call is let through to try the tool, where `wait_ns` is 0 and it is not shut."""
    is_first = circuit.state == "open" or now >= circuit.since + PROBE_SECONDS * clock.SECOND
    if is_first:
        return Circuit(state="half-open", since=now, trying=1, reason=circuit.reason)
    return msgspec.structs.replace(circuit, trying=circuit.trying + 1, since=now)


def ended(circuit: Circuit, terms: Breaker, judged: Judged, now: int, *, is_probe: bool) -> Circuit:
    """What follows from a call's end."""
    error = judged.error
    failed = judged.status != "ok" and error is not None and error.error_class in FAILURES
    if not judged.was_sent and not failed:
        return circuit  # nothing was learnt
    if circuit.state == "closed":
        return _closed(circuit, terms, now, error.reason if failed and error is not None else "")
    if circuit.state == "open" or not is_probe:
        return circuit  # begun before it opened
    if failed:
        return _opened(terms, now, error.reason if error is not None else "")
    passed = circuit.passed + 1
    return CLOSED if passed >= terms.half_open_calls else msgspec.structs.replace(circuit, passed=passed)


def _closed(circuit: Circuit, terms: Breaker, now: int, failure: str) -> Circuit:
    if not failure:
        return CLOSED if circuit.failures else circuit
    is_old = now - circuit.since > terms.window_seconds * clock.SECOND
    failures = 1 if is_old or not circuit.failures else circuit.failures + 1
    if failures >= terms.failures:
        return _opened(terms, now, failure, failures)
    since = now if failures == 1 else circuit.since
    return Circuit(failures=failures, since=since, reason=failure)


def _opened(terms: Breaker, now: int, reason: str, failures: int = 1) -> Circuit:
    return Circuit(
        state="open",
        failures=failures,
        since=now,
        until=now + terms.open_seconds * clock.SECOND,
        reason=reason,
    )
