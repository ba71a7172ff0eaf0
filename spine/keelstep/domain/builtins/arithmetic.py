"""What is the sum, the product, the share? Decimal numbers as text, exact to the last digit; never a float.

A number is written as people write it: `-12.50`, no exponent, no thousands separator. Every answer is exact unless it
is rounded on purpose, with `scale` (digits behind the point) and `rounding`. Sums and products keep the digits they
have: 1.10 + 2.20 is 3.30.
"""

import decimal
from collections.abc import Callable, Sequence
from decimal import Decimal

from keelstep.domain.builtins import function
from keelstep.domain.builtins.function import EvaluationError, Function, Json
from keelstep.kinds.transport import BuiltinFunction

DIGITS = 40
"""The most before the point, and behind it."""
MOST_SCALE = 20
MOST_NUMBERS = 1_000
NUMBER: Json = {"type": "string", "pattern": rf"^-?[0-9]{{1,{DIGITS}}}(\.[0-9]{{1,{DIGITS}}})?$"}
SCALE: Json = {"type": "integer", "minimum": 0, "maximum": MOST_SCALE}
_ROUNDINGS = {
    "HalfEven": decimal.ROUND_HALF_EVEN,
    "HalfUp": decimal.ROUND_HALF_UP,
    "HalfDown": decimal.ROUND_HALF_DOWN,
    "Up": decimal.ROUND_UP,
    "Down": decimal.ROUND_DOWN,
    "Ceiling": decimal.ROUND_CEILING,
    "Floor": decimal.ROUND_FLOOR,
}
ROUNDING: Json = {"enum": list(_ROUNDINGS)}
_EXACT = decimal.Context(
    prec=10 * DIGITS, traps=[decimal.DivisionByZero, decimal.InvalidOperation, decimal.Overflow]
)
"""Wide enough for every sum and product of what is allowed in; and a quotient that has as many digits is never so near
to the middle between two rounded ones that rounding it twice could go wrong."""
_BOUND = Decimal(10) ** DIGITS
_ROUNDED = {"scale": SCALE, "rounding": ROUNDING}
_VALUE = function.answer(value=NUMBER)


def _binary(
    name: BuiltinFunction, summary: str, compute: Callable[[Decimal, Decimal], Decimal], example: str
) -> Function:
    """A function of two numbers, `a` and `b`."""
    return Function(
        name=name,
        summary=f"{summary} Exact, unless `scale` rounds it (`rounding`, default HalfEven).",
        input=function.arguments({"a": NUMBER, "b": NUMBER}, _ROUNDED),
        output=_VALUE,
        evaluate=lambda args: _answer(compute(Decimal(args["a"]), Decimal(args["b"])), args),
        example=({"a": "19.90", "b": "2.5"}, {"value": example}),
    )


def _divide(args: Json) -> Json:
    divisor = Decimal(args["b"])
    if not divisor:
        raise EvaluationError("DivisionByZero", "b: nothing can be divided by zero")
    return _answer(_EXACT.divide(Decimal(args["a"]), divisor), args)


def _sum(args: Json) -> Json:
    total = Decimal(0)
    for each in args["values"]:
        total = _EXACT.add(total, Decimal(each))
    return _answer(total, args)


def _round(args: Json) -> Json:
    return _answer(Decimal(args["value"]), args)


def _compare(args: Json) -> Json:
    return {"order": int(_EXACT.compare(Decimal(args["a"]), Decimal(args["b"])))}


def _answer(value: Decimal, args: Json) -> Json:
    """A number as people write it, rounded where the arguments say so; no negative zero."""
    if "scale" in args:
        rounding = _ROUNDINGS[args.get("rounding", "HalfEven")]
        value = value.quantize(Decimal(1).scaleb(-args["scale"]), rounding=rounding, context=_EXACT)
    elif "rounding" in args:
        raise EvaluationError("ArgumentsInvalid", "rounding: only with scale, the digits to round to")
    exponent = value.as_tuple().exponent
    assert isinstance(exponent, int)  # neither infinite nor not a number: both are trapped
    if abs(value) >= _BOUND or exponent < -DIGITS:
        raise EvaluationError(
            "NumberTooLarge", f"the answer has more than {DIGITS} digits before or behind the point; round it"
        )
    return {"value": f"{value if value else abs(value):f}"}


FUNCTIONS: Sequence[Function] = (
    _binary(BuiltinFunction.DECIMAL_ADD, "a + b.", _EXACT.add, "22.40"),
    _binary(BuiltinFunction.DECIMAL_SUBTRACT, "a - b.", _EXACT.subtract, "17.40"),
    _binary(BuiltinFunction.DECIMAL_MULTIPLY, "a times b.", _EXACT.multiply, "49.750"),
    Function(
        name=BuiltinFunction.DECIMAL_DIVIDE,
        summary="a / b, to `scale` digits behind the point (`rounding`, default HalfEven).",
        input=function.arguments({"a": NUMBER, "b": NUMBER, "scale": SCALE}, {"rounding": ROUNDING}),
        output=_VALUE,
        evaluate=_divide,
        example=({"a": "100", "b": "3", "scale": 2}, {"value": "33.33"}),
    ),
    Function(
        name=BuiltinFunction.DECIMAL_SUM,
        summary=f"The sum of up to {MOST_NUMBERS} numbers; of none it is 0. Exact, unless `scale` rounds it.",
        input=function.arguments(
            {"values": {"type": "array", "items": NUMBER, "maxItems": MOST_NUMBERS}}, _ROUNDED
        ),
        output=_VALUE,
        evaluate=_sum,
        example=({"values": ["19.90", "4.10", "-1.00"]}, {"value": "23.00"}),
    ),
    Function(
        name=BuiltinFunction.DECIMAL_ROUND,
        summary="A number to `scale` digits behind the point (`rounding`, default HalfEven).",
        input=function.arguments({"value": NUMBER, "scale": SCALE}, {"rounding": ROUNDING}),
        output=_VALUE,
        evaluate=_round,
        example=({"value": "2.345", "scale": 2, "rounding": "HalfUp"}, {"value": "2.35"}),
    ),
    Function(
        name=BuiltinFunction.DECIMAL_COMPARE,
        summary="How two numbers compare: -1 where a is less, 0 where they are equal, 1 where a is greater.",
        input=function.arguments({"a": NUMBER, "b": NUMBER}),
        output=function.answer(order={"enum": [-1, 0, 1]}),
        evaluate=_compare,
        example=({"a": "1.0", "b": "1.00"}, {"order": 0}),
    ),
)
"""In the order in which the page lists them."""
