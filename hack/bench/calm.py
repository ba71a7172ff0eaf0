"""Was anybody else working? Waits for a calm moment before each repetition, and writes down how calm it was.

A wait has an end: a machine that never becomes calm is measured all the same, and the result says so.
"""

import time
from dataclasses import dataclass, field
from typing import Any

import psutil

CALM_PERCENT = 20.0
"""Of all cores, used while we do nothing: below it nobody is in the way."""
_LOOK_SECONDS = 0.5


@dataclass(slots=True, kw_only=True)
class Calm:
    """How busy the machine was before each repetition."""

    patience_seconds: float
    """How long a repetition waits for calm at most."""
    _percents: list[float] = field(default_factory=list)
    _waited_seconds: float = 0.0

    def wait(self) -> None:
        """Return once it is calm, or patience ends."""
        began = time.monotonic()
        while True:
            percent = psutil.cpu_percent(interval=_LOOK_SECONDS)
            if percent < CALM_PERCENT or time.monotonic() - began >= self.patience_seconds:
                break
        self._percents.append(percent)
        self._waited_seconds += time.monotonic() - began

    def take(self) -> dict[str, Any]:
        """What was seen since the last time, for the result; forgets it."""
        percents, waited = self._percents, self._waited_seconds
        self._percents, self._waited_seconds = [], 0.0
        return {
            "background_cpu_percent": [round(percent, 1) for percent in percents],
            "is_calm": bool(percents) and max(percents) < CALM_PERCENT,
            "waited_seconds": round(waited, 1),
        }
