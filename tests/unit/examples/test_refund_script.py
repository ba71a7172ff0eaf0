"""Does the scripted model choose its reply from the conversation alone, and say clearly what it cannot match?"""

import pathlib
from typing import Any

import pytest

from examples.refund import script

SCRIPT = script.Script.model_validate(
    {
        "models": ["one", "two"],
        "scenarios": [
            {
                "name": "greeting",
                "goal": "^say hello",
                "turns": [
                    {"calls": [{"name": "orders_get", "arguments": {"order_id": "1"}}]},
                    [
                        {"when": {"last_tool_result_contains": '"status":"denied"'}, "content": "sorry"},
                        {"when": {"model": "two"}, "content": "from the second model"},
                        {"when": {"any_tool_result_contains": "gold"}, "content": "found"},
                    ],
                ],
            },
            {"name": "loop", "goal": "hello", "repeat": 2, "turns": [{"content": "a"}, {"content": "b"}]},
        ],
    }
)


def _conversation(goal: str, *results: str) -> list[dict[str, Any]]:
    """A goal and, for each tool result, one model turn before it."""
    messages: list[dict[str, Any]] = [
        {"role": "system", "content": "be brief"},
        {"role": "user", "content": goal},
    ]
    for result in results:
        messages += [{"role": "assistant", "content": None}, {"role": "tool", "content": result}]
    return messages


def _said(goal: str, *results: str, model: str = "one") -> str | None:
    return script.choose(SCRIPT, model, _conversation(goal, *results)).reply.text()


def test_the_first_scenario_whose_goal_is_found_answers() -> None:
    """Order in the file decides between two that fit."""
    assert script.choose(SCRIPT, "one", _conversation("say hello")).scenario == "greeting"
    assert script.choose(SCRIPT, "one", _conversation("well, say hello")).scenario == "loop"


def test_the_goal_is_the_first_user_message_even_when_it_comes_in_parts() -> None:
    """The OpenAI form allows content to be a list; a later user message, a correction say, changes nothing."""
    messages: list[dict[str, Any]] = [
        {"role": "user", "content": [{"type": "text", "text": "say "}, {"type": "text", "text": "hello"}]},
        {"role": "assistant", "content": "x"},
        {"role": "tool", "content": "gold"},
        {"role": "user", "content": "something else"},
    ]
    answer = script.choose(SCRIPT, "one", messages)
    assert (answer.scenario, answer.turn, answer.reply.content) == ("greeting", 1, "found")


def test_equal_conversations_get_equal_answers() -> None:
    """Nothing is remembered between requests: a resumed run hears the same words."""
    first = script.choose(SCRIPT, "one", _conversation("hello", "r"))
    script.choose(SCRIPT, "one", _conversation("hello", "r", "r"))
    assert script.choose(SCRIPT, "one", _conversation("hello", "r")) == first


def test_alternatives_are_tried_in_order_and_white_space_does_not_count() -> None:
    """The wording of a tool message may be spaced by whoever wrote it."""
    assert _said("say hello", '{ "status" : "denied" }') == "sorry"
    assert _said("say hello", "gold", model="two") == "from the second model"
    assert _said("say hello", "a pot of gold") == "found"


def test_a_condition_on_the_last_result_forgets_the_earlier_ones() -> None:
    """`last` is the last one; `any` is any."""
    last = script.When(last_tool_result_contains="gold")
    anywhere = script.When(any_tool_result_contains="gold")
    conversation = _conversation("hello", "gold", "lead")
    assert not last.holds(conversation, "one")
    assert anywhere.holds(conversation, "one")
    assert not anywhere.holds(_conversation("hello"), "one")


def test_turns_repeat_as_often_as_the_scenario_says() -> None:
    """Turns are gone through `repeat` times, then the scenario is over."""
    assert [_said("hello", *["r"] * count) for count in range(4)] == ["a", "b", "a", "b"]
    with pytest.raises(script.UnmatchedError, match="scenario loop ends before turn 4"):
        _said("hello", *["r"] * 4)


UNMATCHED = {
    "an unknown model": ("three", _conversation("hello"), "no model 'three'; this server has one, two"),
    "no user message": ("one", [{"role": "system", "content": "x"}], "no user message"),
    "no goal that fits": ("one", _conversation("goodbye"), "matches 'goodbye'; scenarios: greeting, loop"),
    "no alternative that holds": (
        "one",
        _conversation("say hello", "lead"),
        "scenario greeting, turn 1: no alternative holds; the last tool result is 'lead'",
    ),
}


@pytest.mark.parametrize(("model", "messages", "message"), UNMATCHED.values(), ids=UNMATCHED.keys())
def test_what_is_not_matched_is_named(model: str, messages: list[dict[str, Any]], message: str) -> None:
    """Whoever writes a script sees at once which part of it did not fit."""
    with pytest.raises(script.UnmatchedError) as caught:
        script.choose(SCRIPT, model, messages)
    assert message in str(caught.value)


BAD_FILES = {
    "not YAML": ("a: [", "is not YAML"),
    "an unknown field": ("{models: [m], scenarios: [{name: a, goal: a, turns: [{say: x}]}]}", "say"),
    "no turns": ("{models: [m], scenarios: [{name: a, goal: a, turns: []}]}", "scenarios.0.turns"),
    "a goal that is no regular expression": (
        "{models: [m], scenarios: [{name: a, goal: '(', turns: [{content: x}]}]}",
        "scenarios.0.goal",
    ),
}


@pytest.mark.parametrize(("text", "message"), BAD_FILES.values(), ids=BAD_FILES.keys())
def test_a_script_that_cannot_be_used_names_file_and_field(
    text: str, message: str, tmp_path: pathlib.Path
) -> None:
    """Told before the server starts, not at the first request."""
    path = tmp_path / "script.yaml"
    path.write_text(text)
    with pytest.raises(script.ScriptError) as caught:
        script.load(path)
    assert message in str(caught.value)
    assert "script.yaml" in str(caught.value)


def test_a_missing_script_file_is_named(tmp_path: pathlib.Path) -> None:
    """No stack trace for a wrong path."""
    with pytest.raises(script.ScriptError, match="No such file"):
        script.load(tmp_path / "nowhere.yaml")
