"""What is the model told? The messages of its next call, from the fold alone: the same log gives the same bytes.

A call is answered by a line of ours, which is JSON, and below it by the tool's own text between marks (`present`).
"""

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
from msgspec import structs

from keelstep.domain import canonical, present, template
from keelstep.domain import reply as replies
from keelstep.domain.revision import Pinned
from keelstep.domain.state import Place, Plan, Result, State
from keelstep.events import types
from keelstep.events.value import Value
from keelstep.kinds import names
from keelstep.kinds.transport import BuiltinFunction

Payloads = Mapping[str, bytes]
"""Loaded payloads by digest."""

_ENCODER = msgspec.json.Encoder()
_UNSHOWN = "The call was made; what came of it cannot be shown to you."


def needed(state: State, since: int = 0) -> Iterator[Value]:
    """Every payload the messages are made of; with `since`, without those of earlier model calls, which never change."""
    if state.started is None:
        return
    if since == 0:
        yield state.started.goal
        yield state.started.inputs
    for place in state.reconciled:  # of earlier model calls, too
        told = _told(_result(state, place))
        if told is not None:
            yield told
    for ordinal in range(max(1, since), state.ordinal + 1):
        answer = state.models[ordinal].reply
        if answer is not None and answer.response is not None:
            yield answer.response
        plan = state.plans.get(ordinal)
        for result in _results(state, plan):
            told = _told(result)
            if told is not None:
                yield told


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
                {
                    "role": "tool",
                    "tool_call_id": call.call_id,
                    "content": _content(call, result, pinned, payloads),
                }
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


def _results(state: State, plan: Plan | None) -> list[Result | None]:
    return [] if plan is None else [_result(state, (plan.seq, call.index)) for call in plan.steps]


def _result(state: State, place: Place) -> Result | None:
    """How a call ended, as it is known by now."""
    result, later = state.results.get(place), state.reconciled.get(place)
    if result is None or later is None:
        return result
    error = None if later.data.status == "ok" else types.Error(reason="NotHappened")
    data = structs.replace(
        result.data, status=later.data.status, output=later.data.output, shown=later.data.shown, error=error
    )
    return Result(seq=later.seq, data=data)


def _told(result: Result | None) -> Value | None:
    """What the model sees of an output."""
    if result is None or result.data.status != "ok":
        return None
    return result.data.output if result.data.shown is None else result.data.shown.value


def _content(call: types.PlannedCall, result: Result | None, pinned: Pinned, payloads: Payloads) -> str:
    """What the model sees of a result."""
    if result is None:
        return _status("pending", "NotMade", "The call has not been made.")
    data, told = result.data, _told(result)
    if told is not None:
        text = payloads[told.digest].decode(errors="replace")
        return f"{_head(result, pinned)}\n{present.marked(data.tool, told.digest, text)}"
    if data.status == "ok":
        return _status("ok", data.shown.reason if data.shown is not None else "Unknown", _UNSHOWN)
    error = data.error or types.Error(reason="Unknown")
    if data.status == "denied" or not error.message:
        return _status(data.status, error.reason, error.message)
    # it may repeat words of the tool's, such as the name of a field
    said = present.marked(data.tool, call.args.digest, error.message)
    return f"{_status(data.status, error.reason)}\n{said}"


def _head(result: Result, pinned: Pinned) -> str:
    """The line above an output: since when it is true, how much of it there is, and how to see more."""
    data = result.data
    head: dict[str, Any] = {"status": "ok"} | ({"as_of": data.as_of} if data.as_of else {})
    if data.shown is not None and data.shown.value is not None and data.shown.cut_from:
        size = data.shown.value.size
        head |= {"result": result.seq, "bytes": data.shown.cut_from, "shown": size}
        pager = _pager(pinned)
        if pager:
            head["more"] = f"call {pager} with this result and offset {size}"
    return _ENCODER.encode(head).decode()


def _pager(pinned: Pinned) -> str:
    """The tool that pages through outputs, where the strategy lists one."""
    for name, spec in pinned.contracts.items():
        builtin = spec.transport.builtin
        if builtin is not None and builtin.function is BuiltinFunction.RESULT_PAGE:
            return names.model_tool(name)
    return ""


def _status(status: str, reason: str, message: str = "") -> str:
    told = {"status": status, "reason": reason} | ({"message": message} if message else {})
    return _ENCODER.encode(told).decode()
