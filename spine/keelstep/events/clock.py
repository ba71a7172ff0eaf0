"""How do we write a point in time? RFC 3339 in UTC as text, nanoseconds since 1970 as a number; never a float.

Nothing here reads a clock but `now`, and nothing pure may call that.
"""

import functools
import re
import time
from datetime import UTC, datetime

SECOND = 1_000_000_000
"""Nanoseconds."""
_TEXT = re.compile(r"(\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2})(?:\.(\d{1,9}))?Z", re.ASCII)


def now() -> int:
    """The wall clock, nanoseconds since 1970."""
    return time.time_ns()


def boot() -> int:
    """Nanoseconds since boot, counting while the machine or the process is stopped: what deadlines are measured by."""
    clock = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
    return time.clock_gettime_ns(clock)


def text(nanoseconds: int) -> str:
    """RFC 3339 with microseconds: `2026-11-21T08:00:00.123456Z`."""
    seconds, rest = divmod(nanoseconds, SECOND)
    return f"{_seconds(seconds)}.{rest // 1000:06d}Z"


def whole(nanoseconds: int) -> str:
    """RFC 3339 in whole seconds, as Kubernetes writes it: `2026-11-21T08:00:00Z`."""
    return f"{_seconds(nanoseconds // SECOND)}Z"


@functools.lru_cache(maxsize=64)
def _seconds(seconds: int) -> str:
    """Many events are of the same second, and to write it costs more than all else of an envelope."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}"


def parse(value: str) -> int:
    """Nanoseconds since 1970 of an RFC 3339 time in UTC.

    Raises:
        ValueError: it is not such a time.
    """
    match = _TEXT.fullmatch(value)
    if match is None:
        raise ValueError(f"not an RFC 3339 time in UTC: {value!r}")
    seconds, rest = match.groups("0")
    return _since_1970(seconds) * SECOND + int(rest.ljust(9, "0"))


@functools.lru_cache(maxsize=1024)
def _since_1970(seconds: str) -> int:
    """What is written, as a number."""
    return int(datetime.fromisoformat(f"{seconds}+00:00").timestamp())
