"""Which messages may be sent to a model? Those of a transcript: texts, and calls of tools with what came of them.

A client library fetches what a message only names: a picture by its address, a file by its id. That request would be of a
runner's making and leave past `egress`, so no such message is sent. Nothing is decided here about what a text says.
"""

from typing import Any

import msgspec

_MOST_MESSAGE = 300


class _Function(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    arguments: str


class _Call(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="type", tag="function"):
    id: str
    function: _Function


class _Message(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="role"):
    pass


class _System(_Message, frozen=True, tag="system"):
    content: str


class _User(_Message, frozen=True, tag="user"):
    content: str


class _Assistant(_Message, frozen=True, tag="assistant"):
    content: str | None = None
    tool_calls: list[_Call] = []


class _Tool(_Message, frozen=True, tag="tool"):
    content: str
    tool_call_id: str


def problem(messages: Any) -> str:
    """Why these are no messages of a transcript; nothing where they are."""
    try:
        found = msgspec.convert(messages, list[_System | _User | _Assistant | _Tool])
    except msgspec.ValidationError as error:
        return f"the messages are none that a model may be sent: {error}"[:_MOST_MESSAGE]
    return "" if found else "there are no messages"
