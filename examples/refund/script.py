"""What does the scripted model answer? A pure function of the script and the conversation it is shown.

The scenario is the first whose `goal` is found in the first user message; the turn is the number of replies the
conversation already holds. So the model remembers nothing: a run that crashed and resumed hears the same words again,
and any number of runs may talk to it at once. Must not do I/O.
"""

import json
import pathlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import pydantic
import yaml

Message = Mapping[str, Any]
"""One message of an OpenAI-style conversation."""


class ScriptError(Exception):
    """The script file cannot be used; whoever wrote it must correct it."""


class UnmatchedError(Exception):
    """The script has no answer to this conversation; the message says what was not matched."""


class _Part(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Call(_Part):
    """One tool call the model asks for."""

    name: str
    """The tool's name as the model is told it. Example: `orders_get`."""
    arguments: dict[str, Any] | str = {}
    """The arguments, or a text that is sent as it stands: malformed JSON, say."""


class Usage(_Part):
    """Tokens the reply claims to have used."""

    prompt: Annotated[int, pydantic.Field(ge=0)]
    completion: Annotated[int, pydantic.Field(ge=0)]


class When(_Part):
    """What must hold for a reply to be the one. White space does not count; what is absent always holds."""

    last_tool_result_contains: str | None = None
    any_tool_result_contains: str | None = None
    model: str | None = None
    """The model's name as it was asked for. Example: `shop-scripted-1`."""

    def holds(self, messages: Sequence[Message], model: str) -> bool:
        """Whether it holds for this request."""
        results = [_squeeze(_text(message)) for message in messages if message.get("role") == "tool"]
        if self.model is not None and self.model != model:
            return False
        if self.last_tool_result_contains is not None and not any(
            _squeeze(self.last_tool_result_contains) in result for result in results[-1:]
        ):
            return False
        return self.any_tool_result_contains is None or any(
            _squeeze(self.any_tool_result_contains) in result for result in results
        )


class Reply(_Part):
    """One answer of the model, or one way to fail."""

    when: When = When()
    content: str | dict[str, Any] | None = None
    """What it says; an object is said as JSON."""
    calls: list[Call] = []
    """The tool calls it asks for."""
    size: Annotated[int, pydantic.Field(ge=0, le=100_000_000)] = 0
    """Says this many letters instead of `content`. Unit: bytes."""
    usage: Usage | None = None
    """Default: a quarter of the characters, rounded up."""
    seconds: Annotated[float, pydantic.Field(ge=0, le=600)] = 0
    """Thinks this long first. Unit: seconds."""
    status: Annotated[int, pydantic.Field(ge=200, le=599)] = 200
    """Other than 200: an error of that HTTP status, `content` its message."""
    empty: bool = False
    """True sends HTTP 200 and no body at all."""

    def text(self) -> str | None:
        """What it says, as text."""
        if self.size:
            return "x" * self.size
        return json.dumps(self.content) if isinstance(self.content, dict) else self.content


class Scenario(_Part):
    """What the model says in the runs of one goal."""

    name: Annotated[str, pydantic.Field(pattern=r"^[a-z0-9-]+$")]
    goal: str
    """A regular expression, searched in the first user message."""
    turns: Annotated[list[Reply | list[Reply]], pydantic.Field(min_length=1)]
    """One entry per model call: a reply, or alternatives of which the first whose `when` holds is given."""
    repeat: Annotated[int, pydantic.Field(ge=1, le=100_000)] = 1
    """How many times the turns are gone through."""

    @pydantic.field_validator("goal")
    @classmethod
    def _is_regular(cls, goal: str) -> str:
        try:
            re.compile(goal)
        except re.error as error:
            raise ValueError(f"not a regular expression: {error}") from error
        return goal


class Script(_Part):
    """A whole script."""

    models: Annotated[list[str], pydantic.Field(min_length=1)]
    """The names the server answers to."""
    scenarios: Annotated[list[Scenario], pydantic.Field(min_length=1)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The reply that was chosen, and where it stands."""

    scenario: str
    turn: int
    reply: Reply


def load(path: pathlib.Path) -> Script:
    """Read a script file.

    Raises: ScriptError, naming the file and the fields, if it cannot be read, is not YAML, or does not fit.
    """
    try:
        return Script.model_validate(yaml.safe_load(path.read_text()))
    except OSError as error:
        raise ScriptError(f"cannot read {path}: {error.strerror}") from error
    except yaml.YAMLError as error:
        raise ScriptError(f"{path} is not YAML: {error}") from error
    except pydantic.ValidationError as error:
        problems = (".".join(map(str, part["loc"])) + ": " + part["msg"] for part in error.errors())
        raise ScriptError(f"{path}: " + "; ".join(problems)) from error


def choose(script: Script, model: str, messages: Sequence[Message]) -> Answer:
    """The answer to one request.

    Raises: UnmatchedError if model, goal, turn or every `when` of the turn does not fit.
    """
    if model not in script.models:
        raise UnmatchedError(f"there is no model {model!r}; this server has {', '.join(script.models)}")
    goal = next((_text(message) for message in messages if message.get("role") == "user"), None)
    if goal is None:
        raise UnmatchedError("the conversation has no user message, so no goal to find a scenario by")
    scenario = next((each for each in script.scenarios if re.search(each.goal, goal)), None)
    if scenario is None:
        known = ", ".join(each.name for each in script.scenarios)
        raise UnmatchedError(f"no scenario's goal matches {_excerpt(goal)}; scenarios: {known}")
    turn = sum(message.get("role") == "assistant" for message in messages)
    if turn >= len(scenario.turns) * scenario.repeat:
        raise UnmatchedError(f"scenario {scenario.name} ends before turn {turn}")
    entry = scenario.turns[turn % len(scenario.turns)]
    for reply in entry if isinstance(entry, list) else [entry]:
        if reply.when.holds(messages, model):
            return Answer(scenario=scenario.name, turn=turn, reply=reply)
    last = next((_text(each) for each in reversed(messages) if each.get("role") == "tool"), "none")
    raise UnmatchedError(
        f"scenario {scenario.name}, turn {turn}: no alternative holds; the last tool result is {_excerpt(last)}"
    )


def _text(message: Message) -> str:
    """A message's text; the OpenAI form also allows a list of parts."""
    content = message.get("content") or ""
    if isinstance(content, str):
        return content
    return "".join(part.get("text", "") for part in content if isinstance(part, dict))


def _squeeze(text: str) -> str:
    return "".join(text.split())


def _excerpt(text: str) -> str:
    return repr(text if len(text) <= 200 else text[:200] + "…")
