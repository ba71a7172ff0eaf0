"""How is a model called? By `openai` where it speaks so, through litellm where it does not: behind one function.

One call is one HTTP request: no hidden retries, no prices or settings fetched at import, nothing of ours in a library's
logs. litellm takes seconds to import, so it is loaded in a thread, and only where a provider needs it. What a provider
says in an error is not passed on: it may quote the conversation, or a part of the key.
"""

import asyncio
import contextlib
import dataclasses
import importlib
import logging
import os
import threading
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import httpx
import msgspec
import structlog

from keelstep.domain import outcome
from keelstep.kinds.failure import ErrorClass
from keelstep_gateway import openai, wire
from keelstep_gateway.providers import Provider

log = structlog.get_logger(__name__)

MAX_REPLY_BYTES = 4 * 1024 * 1024
"""A longer message is not recorded."""
MAX_BODY_BYTES = 2 * MAX_REPLY_BYTES
"""More of a response is not read."""
MOST_TOKENS = 1_000_000_000
"""A provider that counts more in one call is not believed: the call costs all that it may cost."""

_QUIET: Mapping[str, str] = {
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",  # else it fetches prices at import
    "LITELLM_LOCAL_ANTHROPIC_BETA_HEADERS": "True",  # likewise
    "LITELLM_MODE": "PRODUCTION",  # else it reads a .env file
    "MAX_IMAGE_URL_DOWNLOAD_SIZE_MB": "0",  # else it fetches what a message names, past our egress
}


_TALKATIVE = ("LiteLLM", "LiteLLM Router", "LiteLLM Proxy", "openai", "httpx")
"""Loggers that may quote a conversation or a provider's words about it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """A model's answer."""

    message: bytes
    """The assistant's message as JSON: role, content, tool_calls; nothing else."""
    tokens_in: int | None
    """None where the provider did not say."""
    tokens_out: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """No usable answer."""

    reason: str
    message: str
    error_class: str
    status: int | None = None
    may_be_billed: bool = False
    """True where the provider may have worked for us."""


class Models:
    """Every model there is."""

    def __init__(self) -> None:
        self._loading: asyncio.Task[Any] | None = None
        self._opened: httpx.AsyncClient | None = None

    def load(self) -> "asyncio.Task[Any]":
        """Load the library in the background, once."""
        if self._loading is None:
            self._loading = asyncio.create_task(self._load())
        return self._loading

    async def complete(
        self,
        model: str,
        messages: Sequence[Any],
        tools: Sequence[Mapping[str, Any]],
        parameters: Mapping[str, Any],
        *,
        timeout_seconds: float,
        provider: Provider,
    ) -> Reply | Failure:
        """Ask a model once; never raises for what the provider does."""
        library = None if openai.speaks(model) else await asyncio.shield(self.load())
        seen = wire.Seen()
        wire.current.set(seen)
        try:
            async with asyncio.timeout(timeout_seconds):
                if library is None:
                    response: Any = await openai.complete(
                        self._session(), model, messages, tools, parameters, provider
                    )
                else:
                    response = await library.acompletion(
                        model=model,
                        messages=list(messages),
                        **({"tools": list(tools)} if tools else {}),
                        **parameters,
                        api_base=provider.base_url,
                        api_key=provider.api_key,
                        timeout=timeout_seconds,
                        num_retries=0,
                        max_retries=0,
                    )
        except Exception as error:  # noqa: BLE001 the library raises its own, its dependencies' and plain ones alike
            failure = _failure(model, error, seen)
            log.warning("model_failed", model=model, reason=failure.reason, kind=type(error).__name__)
            return failure
        return _reply(model, response)

    async def close(self) -> None:
        """Close every connection."""
        if self._opened is not None:
            await self._opened.aclose()

    def _session(self) -> httpx.AsyncClient:
        if self._opened is None:
            self._opened = wire.client(MAX_BODY_BYTES)
        return self._opened

    async def _load(self) -> Any:
        # set, not asked: the library reads its switches from the environment while it is imported
        os.environ.update(_QUIET)
        library = await _imported("litellm")
        library.suppress_debug_info = True
        library.telemetry = False
        for name in _TALKATIVE:
            logging.getLogger(name).disabled = True
        # its warnings about a reply's form quote the reply
        warnings.filterwarnings("ignore", message="Pydantic serializer warnings", category=UserWarning)
        library.aclient_session = self._session()
        # the same for providers that do not speak as OpenAI does; a few that bring a client of their own are not seen
        handler = library.llms.custom_httpx.http_handler.AsyncHTTPHandler
        handler._create_async_transport = staticmethod(lambda **_: wire.transport(MAX_BODY_BYTES))
        log.info("models_loaded")
        return library


async def _imported(name: str) -> Any:
    """A module, imported in a thread that does not hold up the end of the process."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[Any] = loop.create_future()

    def settle(module: Any, error: BaseException | None) -> None:
        if not done.done():
            done.set_result(module) if error is None else done.set_exception(error)

    def work() -> None:
        module, error = None, None
        try:
            module = importlib.import_module(name)
        except Exception as caught:  # noqa: BLE001 whatever an import raises is told to whoever waits for it
            error = caught
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(settle, module, error)

    threading.Thread(target=work, name=f"import-{name}", daemon=True).start()
    return await done


def _reply(model: str, response: Any) -> Reply | Failure:
    """The assistant's message of a response, in our own words."""
    choices = getattr(response, "choices", None)
    if not choices:
        return _invalid(model, "answered without a message")
    said = choices[0].message
    message: dict[str, Any] = {"role": "assistant", "content": said.content}
    calls = getattr(said, "tool_calls", None)
    if calls:
        message["tool_calls"] = [
            {
                "id": call.id if isinstance(call.id, str) else "",
                "type": "function",
                "function": {"name": call.function.name or "", "arguments": _text(call.function.arguments)},
            }
            for call in calls
        ]
    try:
        payload = msgspec.json.encode(message)
    except (TypeError, ValueError):  # a value that is no JSON, or half a character
        return _invalid(model, "answered with a message we cannot record")
    tokens_in, tokens_out = _usage(getattr(response, "usage", None))
    return Reply(message=payload, tokens_in=tokens_in, tokens_out=tokens_out)


def _text(arguments: str | dict[str, Any] | None) -> str:
    """A call's arguments as the text they should be."""
    return msgspec.json.encode(arguments).decode() if isinstance(arguments, dict) else arguments or ""


def _usage(usage: Any) -> tuple[int | None, int | None]:
    """Tokens in and out; None for both where the provider did not say, or says what cannot be."""
    tokens_in, tokens_out = getattr(usage, "prompt_tokens", 0), getattr(usage, "completion_tokens", 0) or 0
    # no prompt has none: the library says 0 where the provider said nothing
    for tokens, least in ((tokens_in, 1), (tokens_out, 0)):
        if not isinstance(tokens, int) or not least <= tokens <= MOST_TOKENS:
            return None, None
    return tokens_in, tokens_out


def _failure(model: str, error: Exception, seen: wire.Seen) -> Failure:
    """What went wrong, from what was seen on the wire; from the library's own word where nothing was."""
    if seen.is_cut:
        return too_large(model)
    if seen.status is None:
        return _unseen(model, error, seen)
    if seen.status < 400:
        if isinstance(error, TimeoutError) or getattr(error, "status_code", None) == 408:
            return _timeout(model, may_be_billed=True)
        return _invalid(model, "answered what is no reply of a model")
    return _of_status(model, seen.status)


def _unseen(model: str, error: Exception, seen: wire.Seen) -> Failure:
    status = getattr(error, "status_code", None)
    # of a provider's own client nobody knows whether it sent anything
    is_on_our_wire = seen.is_used or openai.speaks(model)
    may_be_billed = seen.was_sent or not is_on_our_wire
    if isinstance(error, TimeoutError) or status == 408:
        return _timeout(model, may_be_billed=may_be_billed)
    if seen.was_sent:
        return Failure(
            reason="ModelUnavailable",
            message=f"the connection to {model} broke before it answered",
            error_class=ErrorClass.UNAVAILABLE,
            may_be_billed=True,
        )
    if isinstance(status, int) and 400 <= status < 500:
        # the library itself refused, or another wire than ours was used
        return dataclasses.replace(_of_status(model, status), may_be_billed=may_be_billed)
    return Failure(
        reason="ModelUnreachable",
        message=f"{model} could not be reached",
        error_class=ErrorClass.CONNECTION_FAILED,
        may_be_billed=may_be_billed,
    )


def _of_status(model: str, status: int) -> Failure:
    error_class = outcome.class_of(status)
    reasons = {
        ErrorClass.RATE_LIMITED: "ModelRateLimited",
        ErrorClass.TIMEOUT: "ModelTimeout",
        ErrorClass.UNAVAILABLE: "ModelUnavailable",
    }
    reason = reasons.get(ErrorClass(error_class), "") if error_class != outcome.REFUSED else "ModelRefused"
    return Failure(
        reason=reason, message=f"{model} answered {status}", error_class=error_class, status=status
    )


def _timeout(model: str, *, may_be_billed: bool) -> Failure:
    return Failure(
        reason="ModelTimeout",
        message=f"{model} did not answer in time",
        error_class=ErrorClass.TIMEOUT,
        may_be_billed=may_be_billed,
    )


def _invalid(model: str, what: str) -> Failure:
    return Failure(
        reason="ModelReplyInvalid",
        message=f"{model} {what}",
        error_class=outcome.INVALID,
        may_be_billed=True,
    )


def too_large(model: str) -> Failure:
    """The failure of a reply that is not recorded for its size."""
    return Failure(
        reason="ResponseTooLarge",
        message=f"the reply of {model} is larger than {MAX_REPLY_BYTES} bytes",
        error_class=outcome.INVALID,
        may_be_billed=True,
    )
