"""What may a gateway take of a tenant's day?"""

from hypothesis import given
from hypothesis import strategies as st

from keelstep.domain import daily
from keelstep.domain.daily import NONE, Day
from keelstep.events import clock


def test_what_is_taken_is_a_twentieth_of_the_day() -> None:
    """However little is missing: the next calls need no write of their own."""
    assert daily.slice_micro_usd(NONE, 1_000_000, 10) == 50_000


def test_a_call_that_costs_more_takes_as_many_slices_as_it_needs() -> None:
    """And not one more."""
    assert daily.slice_micro_usd(NONE, 1_000_000, 120_000) == 150_000


def test_at_the_end_of_the_day_what_is_left_is_taken_if_it_is_enough() -> None:
    """Else nothing: half of a call is none."""
    day = Day(taken_micro_usd=970_000)
    assert daily.slice_micro_usd(day, 1_000_000, 30_000) == 30_000
    assert daily.slice_micro_usd(day, 1_000_000, 30_001) == 0


def test_a_budget_that_was_lowered_below_what_is_taken_gives_nothing() -> None:
    """Until the next day, or until it is raised."""
    assert daily.slice_micro_usd(Day(taken_micro_usd=500), 400, 1) == 0


@given(cap=st.integers(1, 10**9), wishes=st.lists(st.integers(1, 10**8), max_size=60))
def test_never_is_more_taken_than_the_day_has(cap: int, wishes: list[int]) -> None:
    """Whatever is asked for, in whatever order; and what is taken covers what was missing."""
    day = NONE
    for missing in wishes:
        got = daily.slice_micro_usd(day, cap, missing)
        assert got == 0 or got >= missing
        day = daily.taken(day, got)
        assert day.taken_micro_usd <= cap


def test_a_day_is_named_by_its_date_in_utc() -> None:
    """Everywhere the same, whatever the machine's own time zone."""
    midnight = clock.parse("2026-11-22T00:00:00Z")
    assert daily.name(midnight - 1) == "2026-11-21"
    assert daily.name(midnight) == "2026-11-22"
