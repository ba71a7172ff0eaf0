"""Money is whole micro-USD inside and decimal text outside; nothing is lost on the way."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keelstep.domain import money


@given(st.integers(min_value=0, max_value=10**15 - 1))
def test_an_amount_written_is_the_amount_read(micro: int) -> None:
    """Exact both ways, without a float in between."""
    assert money.micro_usd(money.usd(micro)) == micro


@pytest.mark.parametrize(
    ("micro", "text"), [(0, "0"), (1, "0.000001"), (250_000, "0.25"), (1_000_000, "1"), (100_000_000, "100")]
)
def test_dollars_are_written_without_trailing_zeros(micro: int, text: str) -> None:
    """As a person would write them."""
    assert money.usd(micro) == text


@pytest.mark.parametrize(
    "text", ["", "-1", "+1", "1.", ".5", "1e3", "1,5", "0.0000001", "1 ", "1\n", "NaN", "\u0661", "1" * 10]
)
def test_what_is_no_amount_is_refused(text: str) -> None:
    """No sign, no exponent, no rounding, no digits of other scripts."""
    with pytest.raises(ValueError, match="not an amount"):
        money.micro_usd(text)


@given(st.integers(min_value=0, max_value=10**9), st.integers(min_value=0, max_value=10**9))
def test_the_cost_of_tokens_is_rounded_up_never_down(tokens: int, price_micro: int) -> None:
    """An estimate is an upper bound and a bill is never short."""
    cost = money.of_tokens(tokens, money.usd(price_micro))
    assert cost * 1_000_000 >= tokens * price_micro > (cost - 1) * 1_000_000
