"""What may a runner have sent to a model?"""

from typing import Any

import pytest

from keelstep_gateway import conversation

ASKED: dict[str, Any] = {"role": "user", "content": "What is on it?"}
CALLED = {"id": "c1", "type": "function", "function": {"name": "orders-get", "arguments": "{}"}}

REFUSED: dict[str, Any] = {
    "no list": {"role": "user", "content": "hi"},
    "none at all": [],
    "a message that is a text": ["hi"],
    "a message of nobody": [{"content": "hi"}],
    "a role of another age": [{"role": "function", "name": "f", "content": "hi"}],
    "a picture by its address": [
        {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "http://10.0.0.1/"}}]}
    ],
    "a file by its id": [
        {"role": "user", "content": [{"type": "file", "file": {"file_id": "https://metadata.example"}}]}
    ],
    "a text in parts": [{"role": "user", "content": [{"type": "text", "text": "hi"}]}],
    "a picture among the results": [
        {"role": "tool", "tool_call_id": "c1", "content": [{"type": "image_url", "image_url": "http://x"}]}
    ],
    "pictures beside the text": [
        {"role": "assistant", "content": "x", "images": [{"image_url": "http://x"}]}
    ],
    "a field of one provider": [{**ASKED, "cache_control": {"type": "ephemeral"}}],
    "a call that says more": [{"role": "assistant", "content": None, "tool_calls": [{**CALLED, "url": "x"}]}],
    "a function that says more": [
        {
            "role": "assistant",
            "tool_calls": [{**CALLED, "function": {"name": "f", "arguments": "{}", "file_id": "x"}}],
        }
    ],
    "arguments that are an object": [
        {"role": "assistant", "tool_calls": [{**CALLED, "function": {"name": "f", "arguments": {"a": 1}}}]}
    ],
    "a call of another kind": [{"role": "assistant", "tool_calls": [{**CALLED, "type": "url"}]}],
}


@pytest.mark.parametrize("case", REFUSED)
def test_no_model_is_sent(case: str) -> None:
    """A client library fetches what a message names: the request would leave past every rule of ours."""
    assert conversation.problem(REFUSED[case])


def test_a_transcript_is_sent_as_it_is() -> None:
    """All that `domain.transcript` writes: texts, calls, and what came of them."""
    messages = [
        {"role": "system", "content": "You help."},
        ASKED,
        {"role": "assistant", "content": None, "tool_calls": [CALLED]},
        {"role": "tool", "tool_call_id": "c1", "content": "{}"},
        {"role": "assistant", "content": "http://10.0.0.1/ is only a text here"},
    ]
    assert conversation.problem(messages) == ""
