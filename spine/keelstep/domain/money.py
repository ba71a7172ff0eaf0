"""How do we count money? In integer micro-USD; decimal strings only where people read and write.

Nothing here is a float, and nothing rounds down what somebody owes.
"""

import functools
import re
from decimal import ROUND_CEILING, Decimal

MICRO = 1_000_000
_USD = re.compile(r"\d{1,9}(\.\d{1,6})?", re.ASCII)


@functools.lru_cache(maxsize=1024)
def micro_usd(usd: str) -> int:
    """`"0.25"` dollars as 250000 micro-USD.

    Raises:
        ValueError: it is not a decimal number of dollars with at most six digits behind the point.
    """
    if not _USD.fullmatch(usd):
        raise ValueError(f"not an amount in US dollars: {usd!r}")
    return int(Decimal(usd) * MICRO)


def usd(micro: int) -> str:
    """Micro-USD as dollars without trailing zeros: 250000 is `"0.25"`."""
    text = f"{Decimal(micro) / MICRO:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def of_tokens(tokens: int, usd_per_million: str) -> int:
    """What tokens cost, in micro-USD, rounded up."""
    return int((Decimal(tokens) * Decimal(usd_per_million)).to_integral_value(ROUND_CEILING))
