"""A model without a provider: an OpenAI-compatible server that reads its replies from a script.

`python -m examples.refund.model --port 0 --script FILE`

What it answers is decided in `script`; here is only HTTP and the wire form. It keeps nothing but two counters.
"""

import argparse
import asyncio
import collections
import dataclasses
import json
import math
import pathlib
import sys
from typing import Any

from aiohttp import web

from examples.refund import script, serving

CREATED = 1_767_225_600
"""The `created` of every reply: equal requests get equal bytes. 2026-01-01T00:00:00Z."""
MAX_REQUEST_BYTES = 64 * 1024 * 1024
CHARACTERS_PER_TOKEN = 4

SCRIPT = web.AppKey("script", script.Script)


@dataclasses.dataclass(slots=True)
class Counts:
    """How often the server was asked, for tests. Changes no answer."""

    requests: int = 0
    by_scenario: collections.Counter[str] = dataclasses.field(default_factory=collections.Counter)


COUNTS = web.AppKey("counts", Counts)


async def post_completion(request: web.Request) -> web.Response:
    """POST /v1/chat/completions, without streaming."""
    body = await _body(request)
    if isinstance(body, web.Response):
        return body
    request.app[COUNTS].requests += 1
    if body.get("stream"):
        return _error(400, "this server does not stream; leave out stream", "unsupported")
    model, messages = str(body.get("model")), body["messages"]
    try:
        answer = script.choose(request.app[SCRIPT], model, messages)
    except script.UnmatchedError as error:
        return _error(400, str(error), "unmatched")
    request.app[COUNTS].by_scenario[answer.scenario] += 1
    reply = answer.reply
    await asyncio.sleep(reply.seconds)
    if reply.empty:
        return web.Response(status=reply.status)
    if reply.status != 200:
        return _error(reply.status, reply.text() or "scripted error", "scripted")
    return web.json_response(_completion(model, messages, answer))


async def get_models(request: web.Request) -> web.Response:
    """GET /v1/models."""
    models = [
        {"id": name, "object": "model", "created": CREATED, "owned_by": "script"}
        for name in request.app[SCRIPT].models
    ]
    return web.json_response({"object": "list", "data": models})


async def get_count(request: web.Request) -> web.Response:
    """GET /requests/count: completions asked for, and how many each scenario answered."""
    counts = request.app[COUNTS]
    return web.json_response({"count": counts.requests, "by_scenario": counts.by_scenario})


async def _body(request: web.Request) -> dict[str, Any] | web.Response:
    try:
        body = await request.json()
    except ValueError as error:
        return _error(400, f"the body is not JSON: {error}", "invalid_json")
    messages = body.get("messages") if isinstance(body, dict) else None
    if not isinstance(messages, list) or not all(isinstance(message, dict) for message in messages):
        return _error(400, "the body must be an object with a list `messages` of objects", "invalid_body")
    return dict(body)


def message(answer: script.Answer) -> dict[str, Any]:
    """The assistant's message in OpenAI's form."""
    found: dict[str, Any] = {"role": "assistant", "content": answer.reply.text()}
    if answer.reply.calls:
        found["tool_calls"] = [
            {
                "id": f"call_{answer.scenario}-{answer.turn}_{index}",
                "type": "function",
                "function": {
                    "name": call.name,
                    "arguments": call.arguments
                    if isinstance(call.arguments, str)
                    else json.dumps(call.arguments),
                },
            }
            for index, call in enumerate(answer.reply.calls)
        ]
    return found


def _completion(model: str, messages: list[script.Message], answer: script.Answer) -> dict[str, Any]:
    said = message(answer)
    finish_reason = "tool_calls" if answer.reply.calls else "stop"
    return {
        "id": f"chatcmpl-{answer.scenario}-{answer.turn}",
        "object": "chat.completion",
        "created": CREATED,
        "model": model,
        "choices": [{"index": 0, "message": said, "finish_reason": finish_reason}],
        "usage": _usage(answer.reply, messages, said),
    }


def _usage(reply: script.Reply, messages: list[script.Message], said: dict[str, Any]) -> dict[str, int]:
    prompt = reply.usage.prompt if reply.usage else _tokens(messages)
    completion = reply.usage.completion if reply.usage else _tokens(said)
    return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}


def _tokens(value: object) -> int:
    return math.ceil(len(json.dumps(value)) / CHARACTERS_PER_TOKEN)


def _error(status: int, message: str, code: str) -> web.Response:
    error = {
        "message": message,
        "type": "invalid_request_error" if status < 500 else "server_error",
        "code": code,
    }
    return web.json_response({"error": error}, status=status)


def application(replies: script.Script) -> web.Application:
    """The server over one script."""
    app = web.Application(client_max_size=MAX_REQUEST_BYTES)
    app[SCRIPT] = replies
    app[COUNTS] = Counts()
    app.add_routes(
        [
            web.post("/v1/chat/completions", post_completion),
            web.get("/v1/models", get_models),
            web.get("/requests/count", get_count),
        ]
    )
    return app


def main() -> None:
    """Read the arguments and serve."""
    parser = argparse.ArgumentParser(prog="python -m examples.refund.model", description="A scripted model.")
    parser.add_argument("--port", type=serving.port, default=0, help="0 takes a free one (default)")
    parser.add_argument(
        "--host", default=serving.HOST, help="where to listen; 0.0.0.0 in a Pod (default: here)"
    )
    parser.add_argument("--script", type=pathlib.Path, required=True, help="YAML file with the scenarios")
    arguments = parser.parse_args()
    try:
        replies = script.load(arguments.script)
    except script.ScriptError as error:
        sys.exit(str(error))
    asyncio.run(serving.serve(application(replies), arguments.port, arguments.host))


if __name__ == "__main__":
    main()
