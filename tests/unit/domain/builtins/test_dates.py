"""Are days and moments read, moved and written as the calendar says?"""

import calendar
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as some

from keelstep.domain.builtins import patterns
from tests.unit.domain.builtins import answer

_OFFSETS = some.integers(-23 * 60 - 59, 23 * 60 + 59).map(
    lambda minutes: timezone(timedelta(minutes=minutes))
)
MOMENTS = some.datetimes(min_value=datetime(3, 1, 1), max_value=datetime(9997, 12, 31), timezones=_OFFSETS)
DAYS = some.dates()


@given(MOMENTS)
def test_a_moment_is_the_same_in_utc(moment: datetime) -> None:
    """Whatever its offset, to the microsecond."""
    found = answer("date.parse", text=moment.isoformat())["time"]
    assert found.endswith("Z")
    assert datetime.fromisoformat(found) == moment


@given(MOMENTS, MOMENTS)
def test_what_is_added_is_the_difference(begin: datetime, end: datetime) -> None:
    """A duration leads from one moment to the other; whole days and seconds are cut towards zero."""
    found = answer("date.difference", **{"from": patterns.write(begin), "to": patterns.write(end)})
    whole = abs(end - begin) // timedelta(seconds=1)
    assert found["seconds"] == (whole if end > begin else -whole)
    assert found["days"] == int(found["seconds"] / 86_400)
    if len(found["duration"]) <= 40 and abs(end - begin) < timedelta(days=999_999):
        moved = answer("date.add", time=patterns.write(begin), duration=found["duration"])
        assert datetime.fromisoformat(moved["time"]) == end


@given(DAYS.filter(lambda day: 2 <= day.year <= 9997), some.integers(-12, 12))
def test_a_month_later_is_the_same_day_or_the_months_last(day: datetime, months: int) -> None:
    """31 January and a month is the end of February."""
    sign = "-" if months < 0 else ""
    found = answer("date.add", time=day.isoformat(), duration=f"{sign}P{abs(months)}M")["time"]
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    last = calendar.monthrange(year, month + 1)[1]
    assert found == f"{year:04d}-{month + 1:02d}-{min(day.day, last):02d}"


@given(MOMENTS)
def test_what_a_pattern_writes_the_same_pattern_reads(moment: datetime) -> None:
    """To the second; the offset as the pattern or the argument says."""
    whole = moment.replace(microsecond=0)
    text = answer("date.format", time=patterns.write(whole), pattern="%d. %B %Y %H:%M:%S %z")["text"]
    found = answer("date.parse", text=text, pattern="%d. %B %Y %H:%M:%S %z")["time"]
    assert datetime.fromisoformat(found) == whole
    utc = patterns.write(whole.astimezone(UTC))
    plain = answer("date.format", time=utc, pattern="%Y%m%dT%H%M%S")["text"]
    assert answer("date.parse", text=plain, pattern="%Y%m%dT%H%M%S") == {"time": utc}


@given(DAYS)
def test_a_weekday_is_the_calendars(day: datetime) -> None:
    """Monday is 1."""
    found = answer("date.weekday", time=day.isoformat())
    assert found == {"weekday": day.strftime("%A"), "number": day.isoweekday()}


@given(some.text(max_size=40))
def test_any_text_is_a_time_or_none(text: str) -> None:
    """Never a fault."""
    assert answer("date.parse", text=text) == "TimeInvalid" or "time" in answer("date.parse", text=text)
    assert isinstance(answer("date.add", time="2026-01-01", duration=text), dict | str)
    assert isinstance(answer("date.parse", text="x", pattern=text), dict | str)
    assert isinstance(answer("date.format", time="2026-01-01", pattern=text), dict | str)


@pytest.mark.parametrize(
    ("name", "args", "found"),
    [
        ("date.parse", {"text": "2026-11-21t08:00:00.5-00:30"}, {"time": "2026-11-21T08:30:00.5Z"}),
        ("date.parse", {"text": "3. May 2026", "pattern": "%d. %B %Y"}, "TimeInvalid"),
        ("date.parse", {"text": "03. May 2026", "pattern": "%d. %B %Y"}, {"time": "2026-05-03"}),
        (
            "date.parse",
            {"text": "03.05.2026 09:15", "pattern": "%d.%m.%Y %H:%M", "offset": "+02:00"},
            {"time": "2026-05-03T07:15:00Z"},
        ),
        ("date.add", {"time": "2024-02-29", "duration": "P1Y"}, {"time": "2025-02-28"}),
        ("date.add", {"time": "2024-01-31", "duration": "P1M1D"}, {"time": "2024-03-01"}),
        (
            "date.add",
            {"time": "2026-11-21T23:59:59+01:00", "duration": "PT0.5S"},
            {"time": "2026-11-21T23:59:59.5+01:00"},
        ),
        ("date.add", {"time": "2026-11-21", "duration": "-P1W"}, {"time": "2026-11-14"}),
        (
            "date.difference",
            {"from": "2026-11-21T00:00:00Z", "to": "2026-11-20T22:59:59.5Z"},
            {"days": 0, "seconds": -3600, "duration": "-PT1H0.5S"},
        ),
        (
            "date.difference",
            {"from": "2026-11-21", "to": "2026-11-21"},
            {"days": 0, "seconds": 0, "duration": "PT0S"},
        ),
        ("date.format", {"time": "2026-11-21", "pattern": "100%% on %A"}, {"text": "100% on Saturday"}),
    ],
)
def test_times_are_written_as_rfc_3339_does(name: str, args: dict[str, object], found: object) -> None:
    """Days stay days, offsets stay, fractions have no zeros behind them."""
    assert answer(name, **args) == found


@pytest.mark.parametrize(
    ("name", "args", "reason"),
    [
        ("date.parse", {"text": "2026-02-30"}, "TimeInvalid"),
        ("date.parse", {"text": "2026-11-21T24:00:00Z"}, "TimeInvalid"),
        ("date.parse", {"text": "2026-11-21T08:00:60Z"}, "TimeInvalid"),
        ("date.parse", {"text": "2026-11-21T08:00:00"}, "TimeInvalid"),
        ("date.parse", {"text": "2026-11-21T08:00:00+24:00"}, "TimeInvalid"),
        ("date.parse", {"text": "0001-01-01T00:00:00+01:00"}, "TimeInvalid"),
        ("date.parse", {"text": "٢٠٢٦-11-21"}, "TimeInvalid"),
        ("date.parse", {"text": "2026-11-21", "offset": "Z"}, "ArgumentsInvalid"),
        ("date.parse", {"text": "2026", "pattern": "%Y"}, "PatternInvalid"),
        ("date.parse", {"text": "2026", "pattern": "%Y%Y%m%d"}, "PatternInvalid"),
        ("date.parse", {"text": "x", "pattern": "%Y-%m-%d %A"}, "PatternInvalid"),
        ("date.parse", {"text": "x", "pattern": "%Y-%m-%d %"}, "PatternInvalid"),
        ("date.parse", {"text": "2026-13-01", "pattern": "%Y-%m-%d"}, "TimeInvalid"),
        ("date.parse", {"text": "2026-12-01 +9", "pattern": "%Y-%m-%d %z"}, "TimeInvalid"),
        ("date.format", {"time": "2026-11-21", "pattern": "%H"}, "PatternInvalid"),
        ("date.format", {"time": "2026-11-21", "pattern": "%x"}, "PatternInvalid"),
        ("date.format", {"time": "2026-11-21", "pattern": "%Y", "offset": "Z"}, "ArgumentsInvalid"),
        ("date.format", {"time": "2026-11-21T00:00:00Z", "pattern": "%Y", "offset": "+1"}, "TimeInvalid"),
        ("date.add", {"time": "2026-11-21", "duration": "PT1H"}, "DurationInvalid"),
        ("date.add", {"time": "2026-11-21", "duration": "P"}, "DurationInvalid"),
        ("date.add", {"time": "2026-11-21", "duration": "P1DT"}, "DurationInvalid"),
        ("date.add", {"time": "2026-11-21", "duration": "P1.5D"}, "DurationInvalid"),
        ("date.add", {"time": "9999-12-31", "duration": "P1D"}, "TimeInvalid"),
        ("date.add", {"time": "9999-12-31", "duration": "P1M"}, "TimeInvalid"),
        ("date.add", {"time": "0001-01-01", "duration": "-P999999Y"}, "TimeInvalid"),
        ("date.difference", {"from": "2026-11-21", "to": "2026-11-21T00:00:00Z"}, "TimeInvalid"),
    ],
)
def test_what_has_no_answer_says_why(name: str, args: dict[str, object], reason: str) -> None:
    """No such day, no such pattern, nothing outside the calendar."""
    assert answer(name, **args) == reason
