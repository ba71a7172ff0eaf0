"""What is the model told? The messages of its next call, from the fold alone: the same log gives the same bytes."""

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from keelstep.domain import canonical, template
from keelstep.domain import reply as replies
from keelstep.domain.revision import Pinned
from keelstep.domain.state import Plan, State
from keelstep.events import types
from keelstep.events.value import Value

Payloads = Mapping[str, bytes]
"""Loaded payloads by digest."""

_ENCODER = msgspec.json.Encoder()


def needed(state: State, since: int = 0) -> Iterator[Value]:
    """Every payload the messages are made of; with `since`, without those of earlier model calls, which never change."""
    if state.started is None:
        return
    if since == 0:
        yield state.started.goal
        yield state.started.inputs
    for ordinal in range(max(1, since), state.ordinal + 1):
        answer = state.models[ordinal].reply
        if answer is not None and answer.response is not None:
            yield answer.response
        plan = state.plans.get(ordinal)
        for result in _results(state, plan):
            if result is not None and result.output is not None:
                yield result.output


def messages(state: State, pinned: Pinned, payloads: Payloads) -> bytes:
    """The messages of the next model call, OpenAI chat format, as JSON bytes.

    Raises:
        template.TemplateError: the prompt cannot be rendered from these inputs.
    """
    assert state.started is not None
    goal = payloads[state.started.goal.digest].decode()
    inputs = _inputs(payloads[state.started.inputs.digest])
    slots = [slot for slot in pinned.strategy.prompt.slots if slot.optional or slot.name in inputs]
    values = {slot.name: inputs.get(slot.name) for slot in slots}
    system = template.render(pinned.strategy.prompt.template, {**values, template.GOAL: goal})
    found: list[dict[str, Any]] = [{"role": "system", "content": system}, {"role": "user", "content": goal}]
    for ordinal in range(1, state.ordinal + 1):
        answer = state.models[ordinal].reply
        if answer is not None and answer.status == "ok" and answer.response is not None:
            found += _turn(state, ordinal, payloads[answer.response.digest], pinned, payloads)
    return _ENCODER.encode(found)


def _inputs(payload: bytes) -> Mapping[str, Any]:
    try:
        inputs = canonical.loads(payload)
    except ValueError as error:
        raise template.TemplateError(f"the inputs cannot be read: {error}") from error
    return inputs if isinstance(inputs, dict) else {}


def _turn(
    state: State, ordinal: int, said: bytes, pinned: Pinned, payloads: Payloads
) -> list[dict[str, Any]]:
    """One reply and what came of it: the results of its plan, or our complaint."""
    assistant = _assistant(said, ordinal)
    plan = state.plans.get(ordinal)
    if plan is not None:
        results = _results(state, plan)
        return [
            assistant,
            *(
                {"role": "tool", "tool_call_id": call.call_id, "content": _content(result, payloads)}
                for call, result in zip(plan.steps, results, strict=True)
            ),
        ]
    meaning = replies.read(said, ordinal, pinned)
    if not isinstance(meaning, replies.Malformed):
        return [assistant]
    complaints = [
        {"role": "tool", "tool_call_id": identity, "content": _status("invalid", meaning.reason, complaint)}
        if identity
        else {"role": "user", "content": f"{complaint} Please answer again."}
        for identity, complaint in meaning.complaints.items()
    ]
    return [assistant, *complaints]


def _assistant(said: bytes, ordinal: int) -> dict[str, Any]:
    try:
        message = msgspec.json.decode(said, type=replies.Message)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {"role": "assistant", "content": said.decode(errors="replace")}
    found: dict[str, Any] = {"role": "assistant", "content": message.content}
    if message.tool_calls:
        found["tool_calls"] = [
            {
                "id": identity,
                "type": "function",
                "function": {"name": call.function.name, "arguments": call.function.arguments},
            }
            for call, identity in zip(
                message.tool_calls, replies.call_ids(message.tool_calls, ordinal), strict=True
            )
        ]
    return found


def _results(state: State, plan: Plan | None) -> list[types.ToolResult | None]:
    if plan is None:
        return []
    found = (state.results.get((plan.seq, call.index)) for call in plan.steps)
    return [result.data if result is not None else None for result in found]


def _content(result: types.ToolResult | None, payloads: Payloads) -> str:
    """What the model sees of a result."""
    if result is None:
        return _status("pending", "NotMade", "The call has not been made.")
    if result.status == "ok" and result.output is not None:
        return '{"status":"ok","output":' + payloads[result.output.digest].decode(errors="replace") + "}"
    error = result.error
    reason = error.reason if error is not None else "Unknown"
    return _status(result.status, reason, error.message if error is not None else "")


def _status(status: str, reason: str, message: str) -> str:
    return _ENCODER.encode({"status": status, "reason": reason, "message": message}).decode()
