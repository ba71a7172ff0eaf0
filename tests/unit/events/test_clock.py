"""A point in time is written one way and read strictly."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keelstep.events import clock

MOST = 253_402_300_799 * clock.SECOND
"""The end of the year 9999."""


@given(st.integers(min_value=0, max_value=MOST))
def test_a_time_written_is_the_time_read_to_the_microsecond(nanoseconds: int) -> None:
    """Nothing is rounded up and nothing passes through a float."""
    assert clock.parse(clock.text(nanoseconds)) == nanoseconds - nanoseconds % 1000
    assert clock.parse(clock.whole(nanoseconds)) == nanoseconds - nanoseconds % clock.SECOND


def test_the_brokers_nanoseconds_are_kept() -> None:
    """The broker writes up to nine digits and leaves out trailing zeros."""
    assert clock.parse("2026-11-21T08:00:00.123456789Z") % clock.SECOND == 123_456_789
    assert clock.parse("2026-11-21T08:00:00.5Z") % clock.SECOND == 500_000_000


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2026-11-21",
        "2026-11-21T08:00:00",
        "2026-11-21T08:00:00+01:00",
        "2026-11-21T08:00:00Z\n",
        " 2026-11-21T08:00:00Z",
        "2026-13-21T08:00:00Z",
        "2026-02-30T08:00:00Z",
        "2026-11-21T25:00:00Z",
        "2026-11-21T08:00:00.Z",
        "2026-11-21T08:00:00.1234567890Z",
        "2026-11-21t08:00:00z",
        "\u0662026-11-21T08:00:00Z",
        "never",
    ],
)
def test_what_is_no_time_in_utc_is_refused(text: str) -> None:
    """A deadline that can be read in two ways is no deadline."""
    with pytest.raises(ValueError, match=r"time|date|day|month|hour"):
        clock.parse(text)
