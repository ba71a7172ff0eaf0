"""What may a rule call besides what CEL has? Only `money`: an amount is a decimal string, which CEL cannot compare.

Apart from the rules, because the process that evaluates theirs needs nothing else of them.
"""

from keelstep.domain import cel, money

_NO_AMOUNT = object()
"""Has no form in CEL, so that an expression fails that gets it; to raise instead would be written to stderr."""


def _money(usd: object) -> object:
    """Micro-USD of a decimal string."""
    try:
        return money.micro_usd(usd) if isinstance(usd, str) else _NO_AMOUNT
    except ValueError:
        return _NO_AMOUNT


CALLABLE: cel.Functions = {"money": _money}
"""Each by its name."""
