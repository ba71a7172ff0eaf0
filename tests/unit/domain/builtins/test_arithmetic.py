"""Is decimal arithmetic exact, and rounded only where it is asked to be?"""

import math
from collections.abc import Callable
from fractions import Fraction

import pytest
from hypothesis import assume, given
from hypothesis import strategies as some

from keelstep.domain import schema
from keelstep.domain.builtins import arithmetic
from tests.unit.domain.builtins import answer

NUMBERS = some.from_regex(r"-?[0-9]{1,18}(\.[0-9]{1,18})?", fullmatch=True)
SCALES = some.integers(0, arithmetic.MOST_SCALE)
_UNITS: dict[str, Callable[[Fraction], int]] = {
    "Up": lambda exact: math.ceil(abs(exact)) * (1 if exact >= 0 else -1),
    "Down": lambda exact: math.floor(abs(exact)) * (1 if exact >= 0 else -1),
    "Ceiling": math.ceil,
    "Floor": math.floor,
    "HalfEven": round,
    "HalfUp": lambda exact: math.floor(abs(exact) + Fraction(1, 2)) * (1 if exact >= 0 else -1),
    "HalfDown": lambda exact: math.ceil(abs(exact) - Fraction(1, 2)) * (1 if exact >= 0 else -1),
}
"""Every rounding to whole numbers, in fractions."""


def fraction(name: str, **args: object) -> Fraction:
    """What a function answers, as a fraction."""
    found = answer(name, **args)
    assert isinstance(found, dict), found
    assert not schema.compile_schema({"properties": {"value": arithmetic.NUMBER}}).problems(found)
    return Fraction(found["value"])


@given(NUMBERS, NUMBERS)
def test_sums_differences_and_products_are_exact(a: str, b: str) -> None:
    """To the last digit, as fractions say."""
    assert fraction("decimal.add", a=a, b=b) == Fraction(a) + Fraction(b)
    assert fraction("decimal.subtract", a=a, b=b) == Fraction(a) - Fraction(b)
    assert fraction("decimal.multiply", a=a, b=b) == Fraction(a) * Fraction(b)


@given(some.lists(NUMBERS, max_size=30))
def test_the_order_of_a_sum_makes_no_difference(values: list[str]) -> None:
    """Nothing is lost on the way, as floats would lose it."""
    assert fraction("decimal.sum", values=values) == sum(map(Fraction, values))
    assert answer("decimal.sum", values=values) == answer("decimal.sum", values=sorted(values))


@given(NUMBERS, NUMBERS, SCALES, some.sampled_from(sorted(_UNITS)))
def test_a_quotient_is_rounded_once_and_as_asked(a: str, b: str, scale: int, rounding: str) -> None:
    """The exact quotient, rounded in fractions, is the same."""
    assume(Fraction(b))
    exact = Fraction(a) / Fraction(b) * 10**scale
    assert fraction("decimal.divide", a=a, b=b, scale=scale, rounding=rounding) == Fraction(
        _UNITS[rounding](exact), 10**scale
    )


@given(NUMBERS, SCALES, some.sampled_from(sorted(_UNITS)))
def test_rounding_is_as_asked_and_leaves_that_many_digits(value: str, scale: int, rounding: str) -> None:
    """Digits behind the point, zeros included; a half goes where its name says."""
    found = answer("decimal.round", value=value, scale=scale, rounding=rounding)["value"]
    assert len(found.partition(".")[2]) == scale
    assert Fraction(found) == Fraction(_UNITS[rounding](Fraction(value) * 10**scale), 10**scale)


@given(NUMBERS, NUMBERS)
def test_numbers_compare_by_what_they_are_worth(a: str, b: str) -> None:
    """1.0 and 1.00 are equal."""
    order = (Fraction(a) > Fraction(b)) - (Fraction(a) < Fraction(b))
    assert answer("decimal.compare", a=a, b=b) == {"order": order}
    assert answer("decimal.compare", a="1.0", b="1.00") == {"order": 0}


@pytest.mark.parametrize(
    ("name", "args", "value"),
    [
        ("decimal.add", {"a": "1.10", "b": "2.20"}, "3.30"),
        ("decimal.subtract", {"a": "1.10", "b": "1.10"}, "0.00"),
        ("decimal.multiply", {"a": "-0", "b": "5"}, "0"),
        ("decimal.round", {"value": "-0.4", "scale": 0}, "0"),
        ("decimal.round", {"value": "2.5", "scale": 0}, "2"),
        ("decimal.round", {"value": "7", "scale": 2}, "7.00"),
        ("decimal.sum", {"values": []}, "0"),
        ("decimal.sum", {"values": ["0.005", "0.010"], "scale": 2, "rounding": "HalfUp"}, "0.02"),
        ("decimal.divide", {"a": "1", "b": "8", "scale": 3}, "0.125"),
        ("decimal.add", {"a": "0." + "0" * 39 + "1", "b": "0"}, "0." + "0" * 39 + "1"),
    ],
)
def test_numbers_are_written_as_people_write_them(name: str, args: dict[str, object], value: str) -> None:
    """The digits they have, no exponent, no negative zero."""
    assert answer(name, **args) == {"value": value}


def test_what_has_no_answer_says_why() -> None:
    """Nothing is divided by zero, nothing grows beyond what may go in again, no rounding without a place."""
    assert answer("decimal.divide", a="1", b="0.00", scale=2) == "DivisionByZero"
    assert answer("decimal.multiply", a="9" * 40, b="10") == "NumberTooLarge"
    assert answer("decimal.multiply", a="0." + "0" * 39 + "1", b="0.1") == "NumberTooLarge"
    assert answer("decimal.multiply", a="0." + "0" * 39 + "1", b="0.1", scale=2) == {"value": "0.00"}
    assert answer("decimal.add", a="1", b="1", rounding="Up") == "ArgumentsInvalid"
