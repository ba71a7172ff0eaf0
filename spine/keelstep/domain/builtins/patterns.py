"""How is a moment written, and what moment is written here? RFC 3339, or a pattern of a few well-known directives.

The same in every locale: names are English. Only what is listed in `DIRECTIVES` means something; all else is itself.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo

from keelstep.domain.builtins.function import EvaluationError

Moment = date | datetime
"""A calendar day, or a moment with its offset from UTC."""
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
)  # fmt: skip
_TEXT = re.compile(
    r"(\d{4}-\d{2}-\d{2})(?:[Tt](\d{2}:\d{2}:\d{2})(?:\.(\d{1,6}))?([Zz]|[+-]\d{2}:\d{2}))?", re.ASCII
)
_OFFSET = re.compile(r"([+-])([01]\d|2[0-3]):([0-5]\d)", re.ASCII)
_DIRECTIVE = re.compile(r"%(.?)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Directive:
    """What `%` and a letter stand for."""

    meaning: str
    write: Callable[[datetime], str]
    read: str = ""
    """A pattern; empty where it can only be written."""


DIRECTIVES: Mapping[str, Directive] = {
    "Y": Directive("year, four digits", lambda at: f"{at.year:04d}", r"\d{4}"),
    "m": Directive("month, 01 to 12", lambda at: f"{at.month:02d}", r"\d{2}"),
    "d": Directive("day, 01 to 31", lambda at: f"{at.day:02d}", r"\d{2}"),
    "B": Directive("month's English name", lambda at: MONTHS[at.month - 1], "|".join(MONTHS)),
    "A": Directive("weekday's English name, only written", lambda at: DAYS[at.weekday()]),
    "H": Directive("hour, 00 to 23", lambda at: f"{at.hour:02d}", r"\d{2}"),
    "M": Directive("minute, 00 to 59", lambda at: f"{at.minute:02d}", r"\d{2}"),
    "S": Directive("second, 00 to 59", lambda at: f"{at.second:02d}", r"\d{2}"),
    "z": Directive("offset from UTC, Z or +01:00", lambda at: _zone(at.tzinfo), r"Z|[+-]\d{2}:\d{2}"),
}
"""`%%` is a percent sign."""
_OF_TIME = frozenset("HMSz")


def read(argument: str, text: str) -> Moment:
    """A day (`2026-11-21`) or a moment (`2026-11-21T08:00:00Z`, any offset, up to microseconds), as RFC 3339 writes it.

    Raises:
        EvaluationError: it is neither.
    """
    found = _TEXT.fullmatch(text)
    if found is None:
        raise _invalid(argument, "not RFC 3339, such as 2026-11-21 or 2026-11-21T08:00:00Z")
    day, clock, fraction, zone = found.groups()
    try:
        if clock is None:
            return date.fromisoformat(day)
        moment = datetime.fromisoformat(f"{day}T{clock}.{(fraction or '0').ljust(6, '0')}")
    except ValueError as error:
        raise _no_such(argument) from error
    return moment.replace(tzinfo=offset(argument, zone.upper()))


def write(moment: Moment) -> str:
    """RFC 3339, with a fraction only where there is one; UTC is `Z`."""
    if not isinstance(moment, datetime):
        return moment.isoformat()
    head, _, fraction = moment.replace(tzinfo=None).isoformat().partition(".")
    return head + (f".{fraction.rstrip('0')}" if fraction else "") + _zone(moment.tzinfo)


def offset(argument: str, text: str) -> tzinfo:
    """The offset from UTC that `Z` or `+01:00` says.

    Raises:
        EvaluationError: it says none below a day.
    """
    if text == "Z":
        return UTC
    found = _OFFSET.fullmatch(text)
    if found is None:
        raise _invalid(argument, "not an offset from UTC such as Z or +01:00")
    length = timedelta(hours=int(found[2]), minutes=int(found[3]))
    return timezone(-length if found[1] == "-" else length)


def render(moment: Moment, pattern: str) -> str:
    """A moment as a pattern wants it.

    Raises:
        EvaluationError: the pattern has an unknown directive, or asks a day for its time.
    """
    has_time = isinstance(moment, datetime)
    at = moment if isinstance(moment, datetime) else datetime(moment.year, moment.month, moment.day)

    def replaced(found: re.Match[str]) -> str:
        if found[1] == "%":
            return "%"
        directive = _directive(found[1])
        if found[1] in _OF_TIME and not has_time:
            raise EvaluationError("PatternInvalid", f"pattern: a day has no %{found[1]}")
        return directive.write(at)

    return _DIRECTIVE.sub(replaced, pattern)


def scan(text: str, pattern: str, zone: tzinfo) -> Moment:
    """What a text says by a pattern: a day where the pattern names no time of day, else a moment.

    `zone` is meant where the pattern names no offset.

    Raises:
        EvaluationError: the pattern does not name a whole day, or the text is not as it says.
    """
    found = re.fullmatch(_reader(pattern), text, re.ASCII)
    if found is None:
        raise _invalid("text", "not as the pattern says")
    parts = found.groupdict()
    month = int(parts["m"]) if "m" in parts else MONTHS.index(parts["B"]) + 1
    try:
        day = date(int(parts["Y"]), month, int(parts["d"]))
        hour, minute, second = (int(parts.get(letter, 0)) for letter in "HMS")
        at = datetime(day.year, day.month, day.day, hour, minute, second, tzinfo=zone)
    except ValueError as error:
        raise _no_such("text") from error
    if "z" in parts:
        return at.replace(tzinfo=offset("text", parts["z"]))
    return at if parts.keys() & _OF_TIME else day


def _reader(pattern: str) -> str:
    """The regular expression of a pattern. Linear to match: every directive has a fixed set of texts."""
    parts: list[str] = []
    letters: list[str] = []
    at = 0
    for found in _DIRECTIVE.finditer(pattern):
        letter = found[1]
        parts.append(re.escape(pattern[at : found.start()]))
        at = found.end()
        if letter == "%":
            parts.append("%")
            continue
        directive = _directive(letter)
        if not directive.read or letter in letters:
            raise EvaluationError("PatternInvalid", f"pattern: %{letter} cannot be read, or stands twice")
        letters.append(letter)
        parts.append(f"(?P<{letter}>{directive.read})")
    parts.append(re.escape(pattern[at:]))
    if not {"Y", "d"} <= set(letters) or not {"m", "B"} & set(letters):
        raise EvaluationError("PatternInvalid", "pattern: must name %Y, %m (or %B) and %d")
    return "".join(parts)


def _directive(letter: str) -> Directive:
    found = DIRECTIVES.get(letter)
    if found is None:
        known = " ".join(f"%{each}" for each in DIRECTIVES)
        raise EvaluationError("PatternInvalid", f"pattern: an unknown directive; there are {known} and %%")
    return found


def _zone(zone: tzinfo | None) -> str:
    length = zone.utcoffset(None) if zone is not None else None
    assert length is not None  # every moment of ours has a fixed offset
    if not length:
        return "Z"
    sign, length = ("-", -length) if length < timedelta(0) else ("+", length)
    hours, minutes = divmod(length.seconds // 60, 60)
    return f"{sign}{hours:02d}:{minutes:02d}"


def _invalid(argument: str, why: str) -> EvaluationError:
    return EvaluationError("TimeInvalid", f"{argument}: {why}")


def _no_such(argument: str) -> EvaluationError:
    return _invalid(argument, "there is no such day or time of day")
