"""What did the model say: calls, a final output, or nothing we can use?

The model is a component that proposes; everything it says is checked against the pinned contracts before it becomes a
plan, and what is wrong is told back to it in words.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from keelstep.domain import canonical, schema
from keelstep.domain.revision import Pinned
from keelstep.kinds import names

MOST_CALLS = 64
"""Calls in one reply; more is malformed."""
_PLAIN_ID = re.compile(r"[A-Za-z0-9_.:-]{1,64}")
_MOST_NAME_CHARACTERS = 64


class Function(msgspec.Struct, frozen=True):
    """A function call as OpenAI writes it."""

    name: str = ""
    arguments: str = ""


class ToolCall(msgspec.Struct, frozen=True):
    """One wished call."""

    id: str = ""
    function: Function = Function()


class Message(msgspec.Struct, frozen=True):
    """The assistant's message, as recorded in `model.replied`."""

    role: str = "assistant"
    content: str | None = None
    tool_calls: list[ToolCall] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A valid call."""

    call_id: str
    tool: str
    """The contract's name."""
    args: bytes
    """Canonical JSON."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Calls:
    """The model wants these calls made."""

    calls: Sequence[Call]
    summary: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Final:
    """The model is done."""

    output: bytes
    """Canonical JSON."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Malformed:
    """Nothing we can use, and what to tell the model."""

    reason: str
    complaints: Mapping[str, str]
    """By tool call id; `""` for the message as a whole."""


def read(payload: bytes, ordinal: int, pinned: Pinned) -> Calls | Final | Malformed:
    """What a recorded reply means under these contracts. Total: any bytes give one of the three."""
    try:
        message = msgspec.json.decode(payload, type=Message)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return Malformed(reason="ReplyNotAMessage", complaints={"": "The reply was not a message."})
    if message.tool_calls:
        return _calls(message, ordinal, pinned)
    return _final(message.content or "", pinned)


def _calls(message: Message, ordinal: int, pinned: Pinned) -> Calls | Malformed:
    wished = message.tool_calls or []
    identities = call_ids(wished, ordinal)
    if len(wished) > MOST_CALLS:
        many = f"At most {MOST_CALLS} calls in one reply."
        return Malformed(reason="TooManyCalls", complaints=dict.fromkeys(identities, many))
    tools = {names.model_tool(name): name for name in pinned.contracts}
    calls: list[Call] = []
    complaints: dict[str, str] = {}
    reason = ""
    for wish, identity in zip(wished, identities, strict=True):
        found = _call(wish, identity, tools, pinned)
        if isinstance(found, Call):
            calls.append(found)
            complaints[identity] = "This call was fine but was not made, because another one was not."
        else:
            reason = reason or found[0]
            complaints[identity] = found[1]
    if reason:
        return Malformed(reason=reason, complaints=complaints)
    return Calls(calls=calls, summary=message.content or "")


def call_ids(wished: Sequence[ToolCall], ordinal: int) -> list[str]:
    """The model's own ids of its calls; ours for all of them where one is missing, stands twice, or is no plain word."""
    own = [wish.id for wish in wished]
    if len(set(own)) == len(own) and all(map(_PLAIN_ID.fullmatch, own)):
        return own
    return [f"call-{ordinal}-{index}" for index in range(len(own))]


def _call(wish: ToolCall, identity: str, tools: Mapping[str, str], pinned: Pinned) -> Call | tuple[str, str]:
    name = tools.get(wish.function.name)
    if name is None:
        called = repr(wish.function.name[:_MOST_NAME_CHARACTERS])[:_MOST_NAME_CHARACTERS]
        return (
            "UnknownTool",
            f"There is no tool {called}; there are: {', '.join(sorted(tools)) or 'none'}.",
        )
    try:
        args: Any = canonical.loads(wish.function.arguments.encode() or b"{}")
    except ValueError:
        return "ArgumentsNotJson", "The arguments are not valid JSON."
    if not isinstance(args, dict):
        return "ArgumentsNotJson", "The arguments are not a JSON object."
    problems = schema.of_revision(pinned.contracts[name].schemas.input).problems(args)
    if problems:
        return "ArgumentsInvalid", f"The arguments do not match the tool's schema: {'; '.join(problems)}."
    return Call(call_id=identity, tool=name, args=canonical.dumps(args))


def _final(content: str, pinned: Pinned) -> Final | Malformed:
    if not content.strip():
        return Malformed(reason="ReplyEmpty", complaints={"": "The reply was empty."})
    if pinned.strategy.output_schema is None:
        return Final(output=canonical.dumps({"text": content}))
    try:
        output = canonical.loads(content.encode())
    except ValueError:
        return Malformed(
            reason="OutputNotJson",
            complaints={"": "The final answer must be one JSON document and nothing else."},
        )
    problems = schema.of_revision(pinned.strategy.output_schema).problems(output)
    if problems:
        return Malformed(
            reason="OutputInvalid",
            complaints={"": f"The final answer does not match its schema: {'; '.join(problems)}."},
        )
    return Final(output=canonical.dumps(output))
