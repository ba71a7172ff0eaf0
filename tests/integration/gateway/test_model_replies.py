"""What becomes of a model's reply that is none, or a strange one? It is recorded or refused; nothing else ever happens."""

import gzip
import json
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import msgspec
import pytest
import pytest_asyncio
from aiohttp import web

from keelstep.domain import reply as replies
from keelstep_gateway import models
from keelstep_gateway.models import Failure, Models, Reply
from keelstep_gateway.providers import Provider

SECRET = "only-between-us"
PROVIDERS = ["openai/strange-1", "anthropic/strange-1", "gemini/strange-1"]
"""Each speaks in another way."""


def said(message: Any, **rest: Any) -> dict[str, Any]:
    """A completion with this message."""
    return {
        "id": "c",
        "object": "chat.completion",
        "created": 0,
        "model": "m",
        "choices": [{"index": 0, "finish_reason": "stop", "message": message}],
        "usage": {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7},
        **rest,
    }


def called(*, id: Any = "c1", **function: Any) -> dict[str, Any]:
    """A completion with one tool call."""
    call = {"id": id, "type": "function", "function": {"name": "t", "arguments": "{}", **function}}
    return said({"role": "assistant", "content": None, "tool_calls": [call]})


def counted(**usage: Any) -> dict[str, Any]:
    """A completion that counts its tokens so."""
    return said({"role": "assistant", "content": "hi"}, usage={"total_tokens": 7, **usage})


NO_REPLY: dict[str, Any] = {
    "half a character": b'{"choices":[{"index":0,"message":{"role":"assistant","content":"\\ud800"}}]}',
    "bytes that are no text": b'{"choices":[{"message":{"content":"\xff\xfe"}}]}',
    "a page": b"<html>busy</html>",
    "half a document": b'{"choices": [',
    "a document without end": b"[" * 100_000,
    "nothing": b"",
    "null": None,
    "a list": [1, 2],
    "an error that says 200": {"error": {"message": "no"}},
    "no choices": said(None, choices=[]),
    "choices that are none": said(None, choices="x"),
    "a choice that is none": said(None, choices=[None]),
    "a message that is none": said(None),
    "a message that is a text": said(SECRET),
    "content that is a list": said({"role": "assistant", "content": [SECRET]}),
    "content that is a number": said({"role": "assistant", "content": 5}),
    "calls that are a text": said({"role": "assistant", "content": None, "tool_calls": SECRET}),
    "a call that is none": said({"role": "assistant", "content": None, "tool_calls": [None]}),
    "a call without a function": said({"role": "assistant", "content": None, "tool_calls": [{"id": "c"}]}),
    "arguments that are a number": called(arguments=5),
    "a tool's name that is a number": called(name=7),
    "usage that is a list": said({"role": "assistant", "content": "hi"}, usage=[1]),
    "usage in words": counted(prompt_tokens="five", completion_tokens="two"),
}
STRANGE: dict[str, tuple[Any, int | None]] = {
    "no usage": (said({"role": "assistant", "content": "hi"}, usage=None), None),
    "fewer tokens than none": (counted(prompt_tokens=5, completion_tokens=-9), None),
    "a prompt of less than nothing": (counted(prompt_tokens=-5, completion_tokens=2), None),
    "more tokens than there are": (counted(prompt_tokens=5, completion_tokens=10**30), None),
    "a zero byte": (said({"role": "assistant", "content": "a\u0000b"}), 5),
    "a call without arguments": (called(arguments=None), 5),
    "arguments that are an object": (called(arguments={"note": SECRET}), 5),
    "a call whose id is a number": (called(id=5), 5),
    "a refusal in a field of its own": (said({"role": "assistant", "content": None, "refusal": "no"}), 5),
    "an ending nobody knows": (
        said(
            None,
            choices=[
                {"index": 0, "finish_reason": "exploded", "message": {"role": "assistant", "content": "x"}}
            ],
        ),
        5,
    ),
}


@dataclass(slots=True)
class Provided:
    """A provider that answers every request with what the test says."""

    models: Models
    url: str = ""
    answer: Any = None
    fault: str = ""
    """What it does instead of answering."""
    asked: int = 0
    fetched: list[str] = field(default_factory=list)
    """Addresses that somebody asked it for, besides its one."""

    async def ask(
        self, answer: Any, *, model: str = "openai/strange-1", content: Any = "hi"
    ) -> Reply | Failure:
        """Let it answer this; what the gateway makes of it."""
        self.answer = answer
        return await self.models.complete(
            model,
            [{"role": "user", "content": content}],
            [],
            {"max_tokens": 5},
            timeout_seconds=10,
            provider=Provider(base_url=self.url, api_key="k"),
        )


@pytest_asyncio.fixture(loop_scope="session")
async def provided() -> AsyncIterator[Provided]:
    """The provider, over HTTP."""
    found = Provided(Models())

    async def answer(request: web.Request) -> web.Response:
        found.asked += 1
        await request.read()
        if found.fault == "cut":
            assert request.transport is not None
            request.transport.abort()
        if found.fault == "large":
            return web.Response(body=b" " * (models.MAX_BODY_BYTES + 1), content_type="application/json")
        if found.fault == "packed":
            packed = gzip.compress(json.dumps(said({"role": "assistant", "content": "hi"})).encode())
            return web.Response(body=packed, headers={"Content-Encoding": "gzip"})
        if found.fault:
            elsewhere = {"Location": "/v1/elsewhere"} if found.fault == "307" else None
            said_wrong = {"error": {"message": SECRET}}
            return web.json_response(said_wrong, status=int(found.fault), headers=elsewhere)
        body = found.answer if isinstance(found.answer, bytes) else json.dumps(found.answer).encode()
        return web.Response(body=body, content_type="application/json")

    async def fetch(request: web.Request) -> web.Response:
        found.fetched.append(request.path)
        return web.Response(body=b"x", content_type="image/png")

    app = web.Application()
    app.router.add_post("/{path:.*}", answer)
    app.router.add_get("/{path:.*}", fetch)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    found.url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
    yield found
    await found.models.close()
    await runner.cleanup()


async def test_a_model_that_speaks_otherwise_is_asked_through_the_library(provided: Provided) -> None:
    """In its own words, and its answer is recorded in ours."""
    found = await provided.ask(
        {
            "id": "m",
            "type": "message",
            "role": "assistant",
            "model": "strange-1",
            "content": [{"type": "text", "text": "hi"}],
            "stop_reason": "end_turn",
            "usage": {"input_tokens": 5, "output_tokens": 2},
        },
        model="anthropic/strange-1",
    )
    assert isinstance(found, Reply), found
    assert msgspec.json.decode(found.message)["content"] == "hi"
    assert (found.tokens_in, found.tokens_out) == (5, 2)


async def test_a_redirect_is_no_answer(provided: Provided) -> None:
    """The key and the conversation go to the address that is configured, and to no other."""
    provided.fault = "307"
    found = await provided.ask(b"")
    assert isinstance(found, Failure)
    assert found.reason == "ModelReplyInvalid"
    assert provided.asked == 1


@pytest.mark.parametrize("what", NO_REPLY)
async def test_what_is_no_reply_fails_the_call(
    what: str, provided: Provided, capfd: pytest.CaptureFixture[str]
) -> None:
    """`ModelReplyInvalid`, billed at all it may have cost; what the provider said is told to nobody."""
    found = await provided.ask(NO_REPLY[what])
    assert isinstance(found, Failure), found
    assert (found.reason, found.may_be_billed) == ("ModelReplyInvalid", True)
    assert SECRET not in found.message + "".join(capfd.readouterr())


@pytest.mark.parametrize("what", STRANGE)
async def test_a_strange_reply_is_recorded_in_plain_form(
    what: str, provided: Provided, capfd: pytest.CaptureFixture[str]
) -> None:
    """The runner can read it, tokens that cannot be are not believed, and nothing of it is logged."""
    answer, tokens_in = STRANGE[what]
    found = await provided.ask(answer)
    assert isinstance(found, Reply), found
    assert found.tokens_in == tokens_in
    assert found.tokens_out is None or found.tokens_out >= 0
    msgspec.json.decode(found.message, type=replies.Message)
    assert SECRET not in "".join(capfd.readouterr())


@pytest.mark.parametrize(
    "part",
    [
        {"type": "image_url", "image_url": {"url": "{url}/picture.png"}},
        {"type": "file", "file": {"file_id": "{url}/letter.pdf"}},
    ],
    ids=["a picture", "a file"],
)
@pytest.mark.parametrize("model", PROVIDERS)
async def test_the_library_fetches_nothing_that_a_message_names(
    model: str, part: dict[str, Any], provided: Provided
) -> None:
    """No such message gets here (`conversation`); should one, the library's own switch is off besides."""
    filled = json.loads(json.dumps(part).replace("{url}", provided.url))
    await provided.ask(said({"role": "assistant", "content": "hi"}), model=model, content=[filled])
    assert provided.fetched == []


ON_THE_WIRE: dict[str, tuple[str, bool]] = {
    "500": ("ModelUnavailable", False),
    "429": ("ModelRateLimited", False),
    "400": ("ModelRefused", False),
    "cut": ("ModelUnavailable", True),
    "large": ("ResponseTooLarge", True),
    "packed": ("ModelReplyInvalid", True),
}


@pytest.mark.parametrize("fault", ON_THE_WIRE)
@pytest.mark.parametrize("model", PROVIDERS)
async def test_what_happens_on_the_wire_is_seen_of_every_provider(
    model: str, fault: str, provided: Provided
) -> None:
    """Whichever way the library has of asking it: one request, bounded, and billed where it may have been worked on."""
    provided.fault = fault
    found = await provided.ask(None, model=model)
    assert isinstance(found, Failure), found
    assert (found.reason, found.may_be_billed) == ON_THE_WIRE[fault]
    assert provided.asked == 1


@pytest.mark.parametrize("model", PROVIDERS)
async def test_a_provider_that_is_not_there_billed_nothing(model: str, provided: Provided) -> None:
    """No connection, no request."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        provided.url = f"http://127.0.0.1:{taken.getsockname()[1]}/v1"
        found = await provided.ask(None, model=model)
    assert isinstance(found, Failure), found
    assert (found.reason, found.may_be_billed) == ("ModelUnreachable", False)


async def test_what_nobody_saw_may_have_been_billed(provided: Provided) -> None:
    """A provider whose client is its own, here one that there is not: what it did is not known."""
    found = await provided.ask(None, model="no-such-provider/strange-1")
    assert isinstance(found, Failure), found
    assert found.may_be_billed
