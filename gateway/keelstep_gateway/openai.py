"""How is a model asked that speaks as OpenAI does? With one request for a chat completion, over the wire that is watched.

No client library: all it does beyond this request is what we do not want, and it takes seconds to import. What is wrong
with an answer is raised; what it means is the caller's.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import httpx
import msgspec

from keelstep.domain import canonical
from keelstep_gateway.providers import SPOKEN, Provider

URL = "https://api.openai.com/v1"


class Function(msgspec.Struct, frozen=True):
    """What is called."""

    name: str | None = None
    arguments: str | dict[str, Any] | None = None
    """JSON as text; some servers send the object itself."""


class ToolCall(msgspec.Struct, frozen=True):
    """One call that the model asks for."""

    function: Function
    id: Any = None


class Message(msgspec.Struct, frozen=True):
    """What the model says."""

    content: str | None = None
    tool_calls: list[ToolCall] | None = None


class Choice(msgspec.Struct, frozen=True):
    """One answer of as many as were asked for."""

    message: Message


class Usage(msgspec.Struct, frozen=True):
    """Tokens, as the provider counts them."""

    prompt_tokens: int | float = 0
    completion_tokens: int | float | None = 0


class Completion(msgspec.Struct, frozen=True):
    """The part of a chat completion that matters here."""

    choices: list[Choice]
    usage: Usage | None = None


class RefusedError(Exception):
    """The provider answered with a status that is no success."""


def speaks(model: str) -> bool:
    """Is this model asked this way?"""
    return model.startswith(SPOKEN)


async def complete(
    session: httpx.AsyncClient,
    model: str,
    messages: Sequence[Any],
    tools: Sequence[Mapping[str, Any]],
    parameters: Mapping[str, Any],
    provider: Provider,
) -> Completion:
    """Ask once, without a bound of its own on the time it takes.

    Raises:
        RefusedError: the status says that there is no answer.
        ValueError: the answer is no chat completion.
        httpx.HTTPError: the connection failed, or too much came back.
    """
    asked = {
        "model": model.removeprefix(SPOKEN),
        "messages": [_without_nulls(message) for message in messages],
        **_named(parameters, provider),
    }
    if tools:
        asked["tools"] = tools
    response = await session.post(
        f"{(provider.base_url or URL).rstrip('/')}/chat/completions",
        content=msgspec.json.encode(asked),
        headers={"Authorization": f"Bearer {provider.api_key}", "Content-Type": "application/json"},
        timeout=None,
    )
    if not response.is_success:
        raise RefusedError(response.status_code)
    return msgspec.convert(canonical.loads(response.content), Completion)


def _without_nulls(message: Any) -> Any:
    """Servers differ in what they take for a field of nothing: a call without words, say. None misses what is left out."""
    if not isinstance(message, dict):
        return message
    return {name: given for name, given in message.items() if given is not None}


def _named(parameters: Mapping[str, Any], provider: Provider) -> dict[str, Any]:
    """OpenAI's newer models know the bound of an answer only under its newer name, others only under the older."""
    if provider.base_url is not None or "max_tokens" not in parameters:
        return dict(parameters)
    renamed = {"max_tokens": "max_completion_tokens"}
    return {renamed.get(name, name): given for name, given in parameters.items()}
