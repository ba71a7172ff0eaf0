"""Percentiles and spreads."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hack.bench import samples

NUMBERS = st.lists(st.floats(min_value=0, max_value=1e9), min_size=1, max_size=300)


@pytest.mark.parametrize(
    ("values", "share", "expected"),
    [
        ([5.0], 0.5, 5.0),
        ([1.0, 2.0], 0.5, 1.0),
        ([4.0, 1.0, 3.0, 2.0], 0.99, 4.0),
        ([3.0, 1.0, 2.0], 0.0, 1.0),
    ],
)
def test_a_percentile_is_the_least_value_that_reaches_the_share(
    values: list[float], share: float, expected: float
) -> None:
    """Nearest rank, in any order of the values."""
    assert samples.percentile(values, share) == expected


def test_the_99th_of_two_thousand_leaves_twenty_above_it() -> None:
    """The size the append bench has: its p99 rests on twenty values, not on one."""
    values = [float(number) for number in range(2_000)]
    assert sum(value > samples.percentile(values, 0.99) for value in values) == 20


@given(NUMBERS, st.floats(min_value=0, max_value=1))
def test_a_percentile_was_really_measured(values: list[float], share: float) -> None:
    """Never interpolated: at least the share lies at or below it."""
    found = samples.percentile(values, share)
    assert found in values
    assert sum(value <= found for value in values) >= share * len(values)


@given(st.lists(NUMBERS, min_size=1, max_size=9))
def test_quantiles_spread_over_repetitions_and_not_over_all_values(repetitions: list[list[float]]) -> None:
    """Each repetition counts once, however many values it has."""
    found = samples.quantiles(repetitions)
    for name, share in samples.QUANTILES.items():
        each = [samples.percentile(values, share) for values in repetitions]
        assert (found[name].min, found[name].max) == (min(each), max(each))
        assert found[name].min <= found[name].median <= found[name].max


def test_nothing_has_no_percentile_and_no_spread() -> None:
    """A bench that measured nothing must not look like one that found zero."""
    with pytest.raises(ValueError, match="nothing"):
        samples.percentile([], 0.5)
    with pytest.raises(ValueError, match="nothing"):
        samples.spread([])
