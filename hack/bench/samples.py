"""What do many measurements say together? Percentiles within a repetition, the spread of those over repetitions.

Pure. Nearest rank and never an interpolated value: a percentile shown here was really measured.
"""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

QUANTILES = {"p50": 0.50, "p99": 0.99}


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """One figure over all repetitions."""

    min: float
    median: float
    max: float


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest measured value that at least this share (0 to 1) of the values does not exceed.

    Raises:
        ValueError: there are no values.
    """
    if not values:
        raise ValueError("a percentile of nothing")
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def spread(values: Sequence[float]) -> Spread:
    """Least, middle and greatest of one figure's repetitions.

    Raises:
        ValueError: there are no values.
    """
    if not values:
        raise ValueError("a spread of nothing")
    return Spread(min=min(values), median=statistics.median(values), max=max(values))


def quantiles(repetitions: Sequence[Sequence[float]]) -> dict[str, Spread]:
    """p50 and p99 of each repetition, and how they spread over the repetitions."""
    return {
        name: spread([percentile(values, share) for values in repetitions])
        for name, share in QUANTILES.items()
    }
