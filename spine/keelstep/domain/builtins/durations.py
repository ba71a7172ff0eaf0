"""How long is `P1M2DT3H`, and what day is it that much later? ISO 8601 durations on the calendar.

Years and months are counted first and end on the month's last day where it is shorter (31 January + 1 month is 28 or
29 February), then weeks and days, then hours, minutes and seconds. Nothing here knows a time zone.
"""

import calendar
import re
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TypeVar

from keelstep.domain.builtins.function import EvaluationError

_MOST_DIGITS = 6
_TEXT = re.compile(
    r"(?P<sign>-)?P(?=.)(?:(?P<years>N)Y)?(?:(?P<months>N)M)?(?:(?P<weeks>N)W)?(?:(?P<days>N)D)?"
    r"(?P<time>T(?=.)(?:(?P<hours>N)H)?(?:(?P<minutes>N)M)?(?:(?P<seconds>N)(?:\.(?P<fraction>\d{1,6}))?S)?)?".replace(
        "N", rf"\d{{1,{_MOST_DIGITS}}}"
    ),
    re.ASCII,
)
MICROSECONDS = 1_000_000
"""In a second."""
SECONDS_IN_A_DAY = 86_400

Day = TypeVar("Day", date, datetime)


@dataclass(frozen=True, slots=True, kw_only=True)
class Duration:
    """A length of time on the calendar; both parts have the same sign."""

    months: int
    rest: timedelta
    has_time: bool
    """True where hours, minutes or seconds were named."""


def parse(text: str) -> Duration:
    """The duration that a text says.

    Raises:
        EvaluationError: it says none.
    """
    found = _TEXT.fullmatch(text)
    if found is None:
        raise EvaluationError(
            "DurationInvalid", "duration: not an ISO 8601 duration such as P1M2DT3H or -P7D"
        )
    sign = -1 if found["sign"] else 1
    number = {
        name: int(found[name] or 0)
        for name in ("years", "months", "weeks", "days", "hours", "minutes", "seconds")
    }
    rest = timedelta(
        weeks=number["weeks"],
        days=number["days"],
        hours=number["hours"],
        minutes=number["minutes"],
        seconds=number["seconds"],
        microseconds=int((found["fraction"] or "0").ljust(6, "0")),
    )
    return Duration(
        months=sign * (12 * number["years"] + number["months"]),
        rest=sign * rest,
        has_time=found["time"] is not None,
    )


def add(day: Day, duration: Duration) -> Day:
    """The day, or the moment, so much later; earlier where the duration is negative.

    Raises:
        EvaluationError: that lies outside the years 1 to 9999.
    """
    try:
        month = day.year * 12 + day.month - 1 + duration.months
        year, month = divmod(month, 12)
        last = calendar.monthrange(year, month + 1)[1] if 1 <= year <= 9999 else 31
        return day.replace(year=year, month=month + 1, day=min(day.day, last)) + duration.rest
    except (ValueError, OverflowError) as error:
        raise EvaluationError("TimeInvalid", "the answer lies outside the years 1 to 9999") from error


def text(length: timedelta) -> str:
    """A length as ISO 8601 in days, hours, minutes and seconds: `P1DT2H`; nothing is `PT0S`."""
    sign, length = ("-", -length) if length < timedelta(0) else ("", length)
    minutes, seconds = divmod(length.seconds, 60)
    hours, minutes = divmod(minutes, 60)
    fraction = f".{length.microseconds:06d}".rstrip("0") if length.microseconds else ""
    clock = {"H": str(hours), "M": str(minutes), "S": f"{seconds}{fraction}"}
    parts = "".join(f"{number}{unit}" for unit, number in clock.items() if number != "0")
    if not length.days:
        return f"{sign}PT{parts or '0S'}"
    return f"{sign}P{length.days}D" + (f"T{parts}" if parts else "")
