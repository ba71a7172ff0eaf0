"""Runs of the small agent of `pinned`, and what its runner does next."""

from keelstep.domain import transcript, turn
from keelstep.events import types, value
from keelstep.testing import builders
from keelstep.testing.builders import LogBuilder
from tests.unit.domain import pinned

FINAL = {"role": "assistant", "content": "All done."}
NONSENSE = {
    "role": "assistant",
    "tool_calls": [{"id": "c1", "function": {"name": "burn", "arguments": "{}"}}],
}


def calls(*tools: str, content: str | None = None, arguments: str = '{"n":1}') -> dict[str, object]:
    """A reply that wishes these calls."""
    wished = [
        {"id": f"call-{index}", "function": {"name": tool.replace(".", "_"), "arguments": arguments}}
        for index, tool in enumerate(tools)
    ]
    return {"role": "assistant", "content": content, "tool_calls": wished}


def run(**started: object) -> LogBuilder:
    """Its first attempt has begun."""
    return builders.log().started(**{"contracts": pinned.pins(), **started}).attempt()


def payloads(log: LogBuilder) -> dict[str, bytes]:
    """Every payload its messages are made of."""
    return {each.digest: value.open_inline(each) or b"" for each in transcript.needed(log.state)}


def decide(log: LogBuilder, attempt: int | None = None, **strategy: object) -> turn.Action:
    """What its runner does next, under a strategy with some fields changed."""
    number = log.state.attempt if attempt is None else attempt
    return turn.decide(log.state, pinned.pinned(**strategy), payloads(log), number)


def messages(log: LogBuilder, **strategy: object) -> bytes:
    """What the model would be told now."""
    return transcript.messages(log.state, pinned.pinned(**strategy), payloads(log))


def planned(*tools: str) -> LogBuilder:
    """The model wished these calls, and they are planned."""
    args = {"n": 1}
    return run().model(calls(*tools)).plan(*tools, args=args)


def error(reason: str = "Down", error_class: str = "Unavailable") -> types.Error:
    """Why a model call failed."""
    return types.Error(reason=reason, error_class=error_class, message="the model is down")
