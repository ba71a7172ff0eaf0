"""What day is that, and how long until then? On the Gregorian calendar, years 1 to 9999.

A time is a day (`2026-11-21`) or a moment with its offset (`2026-11-21T08:00:00+01:00`), as RFC 3339 writes them.
There is no "now" here: the same arguments give the same answer for ever. An offset is all that is known of a time zone.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, tzinfo

from keelstep.domain.builtins import durations, function, patterns
from keelstep.domain.builtins.function import EvaluationError, Function, Json
from keelstep.domain.builtins.patterns import Moment
from keelstep.kinds.transport import BuiltinFunction

TIME: Json = {"type": "string", "minLength": 1, "maxLength": 40}
OFFSET: Json = {"type": "string", "minLength": 1, "maxLength": 6}
TEXT: Json = {"type": "string", "maxLength": 256}
_TIME_ANSWER = function.answer(time=TIME)
_DIRECTIVES = ", ".join(f"%{letter} {each.meaning}" for letter, each in patterns.DIRECTIVES.items())


def _parse(args: Json) -> Json:
    if "pattern" in args:
        zone = patterns.offset("offset", args.get("offset", "Z"))
        moment = patterns.scan(args["text"], args["pattern"], zone)
    elif "offset" in args:
        raise EvaluationError("ArgumentsInvalid", "offset: only with pattern; RFC 3339 says its own")
    else:
        moment = patterns.read("text", args["text"])
    return {"time": patterns.write(_at(moment, UTC) if isinstance(moment, datetime) else moment)}


def _format(args: Json) -> Json:
    moment = patterns.read("time", args["time"])
    if "offset" in args:
        if not isinstance(moment, datetime):
            raise EvaluationError("ArgumentsInvalid", "offset: a day has none")
        moment = _at(moment, patterns.offset("offset", args["offset"]))
    return {"text": patterns.render(moment, args["pattern"])}


def _add(args: Json) -> Json:
    moment, duration = patterns.read("time", args["time"]), durations.parse(args["duration"])
    if isinstance(moment, datetime):
        return {"time": patterns.write(durations.add(moment, duration))}
    if duration.has_time:
        raise EvaluationError("DurationInvalid", "duration: hours, minutes and seconds need a time of day")
    return {"time": patterns.write(durations.add(moment, duration))}


def _difference(args: Json) -> Json:
    begin, end = patterns.read("from", args["from"]), patterns.read("to", args["to"])
    length = _length(begin, end)
    seconds = length // timedelta(seconds=1) if length >= timedelta(0) else -(-length // timedelta(seconds=1))
    sign = -1 if seconds < 0 else 1
    return {
        "days": sign * (abs(seconds) // durations.SECONDS_IN_A_DAY),
        "seconds": seconds,
        "duration": durations.text(length),
    }


def _length(begin: Moment, end: Moment) -> timedelta:
    if isinstance(begin, datetime) and isinstance(end, datetime):
        return end - begin
    if isinstance(begin, datetime) or isinstance(end, datetime):
        raise EvaluationError("TimeInvalid", "to: a day and a moment have no difference; give two of a kind")
    return end - begin


def _weekday(args: Json) -> Json:
    moment = patterns.read("time", args["time"])
    return {"weekday": patterns.DAYS[moment.weekday()], "number": moment.isoweekday()}


def _at(moment: datetime, zone: tzinfo) -> datetime:
    """The same moment at another offset."""
    try:
        return moment.astimezone(zone)
    except OverflowError as error:
        raise EvaluationError("TimeInvalid", "the answer lies outside the years 1 to 9999") from error


FUNCTIONS: Sequence[Function] = (
    Function(
        name=BuiltinFunction.DATE_PARSE,
        summary=(
            "The day, or the moment in UTC, that a text says: RFC 3339, or as `pattern` says (with `offset`, default Z,"
            f" where the pattern names none). Directives: {_DIRECTIVES}, %% a percent sign."
        ),
        input=function.arguments({"text": TEXT}, {"pattern": TEXT, "offset": OFFSET}),
        output=_TIME_ANSWER,
        evaluate=_parse,
        example=({"text": "21.11.2026", "pattern": "%d.%m.%Y"}, {"time": "2026-11-21"}),
    ),
    Function(
        name=BuiltinFunction.DATE_FORMAT,
        summary="A time as `pattern` says, at `offset` where one is given. The directives of date.parse.",
        input=function.arguments({"time": TIME, "pattern": TEXT}, {"offset": OFFSET}),
        output=function.answer(text={"type": "string"}),
        evaluate=_format,
        example=(
            {"time": "2026-11-21T07:30:00Z", "pattern": "%A, %d %B %Y, %H:%M", "offset": "+01:00"},
            {"text": "Saturday, 21 November 2026, 08:30"},
        ),
    ),
    Function(
        name=BuiltinFunction.DATE_ADD,
        summary=(
            "The time that is an ISO 8601 duration later, earlier where it is negative. Months and years first, and no"
            " further than the month's last day; then days; then hours, minutes and seconds."
        ),
        input=function.arguments({"time": TIME, "duration": TIME}),
        output=_TIME_ANSWER,
        evaluate=_add,
        example=({"time": "2026-01-31", "duration": "P1M"}, {"time": "2026-02-28"}),
    ),
    Function(
        name=BuiltinFunction.DATE_DIFFERENCE,
        summary=(
            "How long it is between two days or two moments: whole days, whole seconds (both towards zero), and the exact"
            " ISO 8601 duration; negative where `to` is earlier."
        ),
        input=function.arguments({"from": TIME, "to": TIME}),
        output=function.answer(
            days={"type": "integer"}, seconds={"type": "integer"}, duration={"type": "string"}
        ),
        evaluate=_difference,
        example=(
            {"from": "2026-11-21", "to": "2026-12-24"},
            {"days": 33, "seconds": 2_851_200, "duration": "P33D"},
        ),
    ),
    Function(
        name=BuiltinFunction.DATE_WEEKDAY,
        summary="The weekday of a time, at its own offset; number 1 is Monday.",
        input=function.arguments({"time": TIME}),
        output=function.answer(
            weekday={"enum": list(patterns.DAYS)}, number={"type": "integer", "minimum": 1, "maximum": 7}
        ),
        evaluate=_weekday,
        example=({"time": "2026-11-21"}, {"weekday": "Saturday", "number": 6}),
    ),
)
"""In the order in which the page lists them."""
