"""Does every alert rest on a metric that exists, and has it samples and a page for whoever is woken?"""

import re
import shlex
from typing import Any

import pytest
import typer
from typer.core import TyperGroup

from hack.generate import metrics
from keelstep.cli import main
from tests.unit.telemetry import alerts

RULES, RUNBOOKS = alerts.rules(), alerts.runbooks()
SERIES = metrics.series()
_SELECTOR = re.compile(r"((?:agent|keelstep)_[a-z_]+)\{([^}]*)\}")
_LABEL = re.compile(r"(\w+)\s*(?:=~|!~|!=|=)")


@pytest.mark.parametrize("alert", RULES)
def test_an_alert_asks_for_metrics_that_exist(alert: str) -> None:
    """A name that no program has would never fire."""
    names = alerts.metrics_in(RULES[alert]["expr"])
    assert names
    assert names <= SERIES.keys()


@pytest.mark.parametrize("alert", RULES)
def test_an_alert_selects_by_labels_that_its_metric_has(alert: str) -> None:
    """A label that is never set selects nothing."""
    for name, selector in _SELECTOR.findall(RULES[alert]["expr"]):
        assert set(_LABEL.findall(selector)) <= set(SERIES[name].labels)


@pytest.mark.parametrize("alert", RULES)
def test_an_alert_says_whom_to_wake_and_where_to_read(alert: str) -> None:
    """A severity, a summary, a description, and its own runbook."""
    rule = RULES[alert]
    assert rule["labels"]["severity"] in ("critical", "warning")
    assert rule["annotations"].keys() == {"summary", "description", "runbook_url"}
    assert rule["annotations"]["runbook_url"] == f"docs/runbooks/{alert}.md"


@pytest.mark.parametrize("alert", RULES)
def test_an_alert_has_samples_for_firing_and_for_staying_silent(alert: str) -> None:
    """One of each at least, all of this alert."""
    expected = alerts.tests_of(alert)
    assert {each["alertname"] for each in expected} == {alert}
    assert any(each["exp_alerts"] for each in expected)
    assert any(not each["exp_alerts"] for each in expected)


def test_alerts_samples_and_runbooks_are_the_same_set() -> None:
    """Nothing is left of an alert that is gone; the list of runbooks names them all."""
    assert {file.stem for file in alerts.SAMPLES.glob("*.yaml")} == RULES.keys()
    assert RUNBOOKS.keys() == RULES.keys()
    listed = re.findall(r"^\| \[(\w+)\]", (alerts.RUNBOOKS / "README.md").read_text(), re.MULTILINE)
    assert listed == list(RULES)


@pytest.mark.parametrize("alert", RUNBOOKS)
def test_a_runbook_names_metrics_that_exist(alert: str) -> None:
    """In its queries and in its words."""
    assert alerts.metrics_in(RUNBOOKS[alert]) <= SERIES.keys() | {each.name for each in SERIES.values()}


@pytest.mark.parametrize("alert", RUNBOOKS)
def test_a_runbook_tells_commands_that_exist(alert: str) -> None:
    """With options that they have: nobody reads help at night."""
    text = RUNBOOKS[alert]
    commands = [line for line in alerts.typed(text, "sh") if line.startswith("keelstep ")]
    commands += re.findall(r"`(keelstep [a-z][^`]*)`", text)
    root = typer.main.get_command(main.build())
    for command in commands:
        found, rest = _found(root, shlex.split(command)[1:])
        options = {name for parameter in found.params for name in parameter.opts}
        assert {word for word in rest if word.startswith("-")} <= options, command


@pytest.mark.parametrize("alert", RUNBOOKS)
def test_a_runbook_has_something_to_look_at_and_something_to_do(alert: str) -> None:
    """It is about its alert, and it does not end with the diagnosis."""
    text = RUNBOOKS[alert]
    assert text.startswith(f"# {alert}\n")
    assert text.index("## Look at") < text.index("## Then")


def _found(command: Any, words: list[str]) -> tuple[Any, list[str]]:
    """The command that these words begin with, and what follows it."""
    while isinstance(command, TyperGroup):
        assert words[0] in command.commands, words
        command, words = command.commands[words[0]], words[1:]
    return command, words
