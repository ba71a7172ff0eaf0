"""Is what others wrote safe to print, and are numbers as people write them?"""

import json

import pytest
import yaml

from keelstep import errors
from keelstep.cli import exits, show, timeline
from keelstep.cli.exits import Exit
from keelstep.events import clock
from keelstep.views import ages

NOW = clock.parse("2026-11-21T12:00:00Z")


@pytest.mark.parametrize(
    "text", ["\x1b[2J", "\x07", "\x9b31m", "a\rb", "\u202etxt", "\x00", "\u200b\u2066x", "\x1b]0;title\x07"]
)
def test_nothing_that_a_terminal_obeys_gets_through(text: str) -> None:
    """Escape sequences, carriage returns and reversed text are replaced."""
    assert all(letter.isprintable() or letter == "\n" for letter in show.printable(text))
    assert not set(show.printable(text)) & set("\u202e\u2066")


def test_ordinary_text_stays_as_it_is() -> None:
    """Every script and line breaks."""
    text = "Grüße, 你好, مرحبا 🙂\nzweite Zeile"
    assert show.printable(text) == text


@pytest.mark.parametrize("form", list(show.Output))
def test_data_keeps_every_character_and_nothing_that_a_terminal_obeys(
    form: show.Output, capsys: pytest.CaptureFixture[str]
) -> None:
    """What would be obeyed is written as an escape, so that a program reads the same content."""
    content = {"text": "Grüße \x9b31m\u202etxt \x1b[2J\U000e0041\nzwei", "n": 1}
    show.Show(form).data(content)
    printed = capsys.readouterr().out
    assert show.printable(printed) == printed
    read = yaml.safe_load if form is show.Output.YAML else json.loads
    assert read(printed) == content
    assert form is show.Output.YAML or "Grüße" in printed


SPANS = {0.012: "12 ms", 3.44: "3.4 s", 59.94: "59.9 s", 125: "2 min 5 s", 11_400: "3 h 10 min"}


@pytest.mark.parametrize("seconds", SPANS)
def test_a_span_is_written_in_the_unit_that_fits(seconds: float) -> None:
    """From milliseconds to hours."""
    assert timeline.span(seconds) == SPANS[seconds]


AGES = {
    5: "5s",
    119: "119s",
    250: "4m10s",
    300: "5m",
    5_400: "90m",
    18_300: "5h5m",
    86_400: "24h",
    190_000: "2d4h",
}


@pytest.mark.parametrize("seconds", AGES)
def test_an_age_is_written_as_kubectl_does(seconds: int) -> None:
    """Two units at most."""
    assert ages.age(clock.whole(NOW - seconds * clock.SECOND), NOW) == AGES[seconds]


def test_a_time_that_is_none_is_no_age() -> None:
    """Absent stays empty; what is no time is shown as it is."""
    assert (ages.age(None, NOW), ages.age("soon", NOW)) == ("", "soon")


CODES: dict[str, tuple[errors.KeelstepError, Exit]] = {
    "not there": (errors.NotFoundError("GET /x: there is none", 404), Exit.NOT_FOUND),
    "no right": (errors.ForbiddenError("GET /x: you cannot", 403), Exit.REFUSED),
    "somebody was first": (errors.ConflictError("PATCH /x: changed", 409), Exit.REFUSED),
    "a name that is taken": (errors.AlreadyExistsError("POST /x: taken", 409), Exit.REFUSED),
    "a manifest that is wrong": (errors.InvalidObjectError("POST /x: spec.goal: too long", 422), Exit.USAGE),
    "settings that are wrong": (errors.SettingsError("--kubeconfig: none"), Exit.USAGE),
    "no cluster": (errors.KubeUnavailableError("GET /x: no answer"), Exit.UNAVAILABLE),
    "no broker": (errors.BrokerUnavailableError("no broker"), Exit.UNAVAILABLE),
    "no database": (errors.Waiting("PostgresUnavailable", "no database", 1.0), Exit.UNAVAILABLE),
    "somebody must act": (errors.Stalled("StreamRegressed", "another stream"), Exit.FAILED),
}


@pytest.mark.parametrize("case", CODES)
def test_an_error_has_its_exit_code(case: str) -> None:
    """As documented; and the message is the server's own, without our request."""
    error, code = CODES[case]
    ended = exits.of(error)
    assert ended.code is code
    assert "/x" not in ended.message
