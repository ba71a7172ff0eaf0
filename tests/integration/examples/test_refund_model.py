"""Does the scripted model speak like an OpenAI-compatible server, and the same whenever it is asked the same?"""

import asyncio
import json
import pathlib
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
import yaml

from examples.refund import testing

ODD_REPLIES: dict[str, dict[str, Any]] = {
    "unavailable": {"status": 503, "content": "overloaded"},
    "rate limited": {"status": 429},
    "prose": {"content": "I would rather talk about the weather."},
    "object": {"content": {"resolution": "declined"}},
    "bad arguments": {"calls": [{"name": "orders_get", "arguments": '{"order_id": '}]},
    "unknown tool": {"calls": [{"name": "orders_burn", "arguments": {}}]},
    "two calls": {"content": "both", "calls": [{"name": "a", "arguments": {"n": 1}}, {"name": "b"}]},
    "huge": {"size": 5_000_000},
    "empty": {"empty": True},
    "silent": {},
    "slow": {"seconds": 0.6, "content": "at last"},
    "priced": {"content": "x", "usage": {"prompt": 1000, "completion": 200}},
}


@pytest.fixture(scope="module")
async def model() -> AsyncIterator[str]:
    """The example's own script."""
    async with testing.running_model() as url:
        yield url


@pytest.fixture(scope="module")
async def odd_model(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """A script of one turn per odd reply, found by its name as goal."""
    scenarios = [
        {"name": name.replace(" ", "-"), "goal": f"^{name}$", "turns": [reply]}
        for name, reply in ODD_REPLIES.items()
    ]
    path = tmp_path_factory.mktemp("script") / "script.yaml"
    path.write_text(yaml.safe_dump({"models": ["m"], "scenarios": scenarios}))
    async with testing.running_model(path) as url:
        yield url


async def _post(url: str, body: object, *, timeout_seconds: float = 10) -> tuple[int, str]:
    async with (
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=timeout_seconds)) as session,
        session.post(url + "/v1/chat/completions", json=body) as response,
    ):
        return response.status, await response.text()


async def _ask(url: str, goal: str, *earlier: dict[str, Any], model: str = "m") -> tuple[int, dict[str, Any]]:
    messages = [{"role": "system", "content": "s"}, {"role": "user", "content": goal}, *earlier]
    status, text = await _post(url, {"model": model, "messages": messages})
    return status, json.loads(text)


def _message(completion: dict[str, Any]) -> dict[str, Any]:
    message: dict[str, Any] = completion["choices"][0]["message"]
    return message


async def test_equal_requests_get_equal_bytes(model: str, tmp_path: pathlib.Path) -> None:
    """A crashed and resumed run hears the same words, also from a server that was started anew."""
    body = {
        "model": "shop-scripted-1",
        "messages": [{"role": "user", "content": "the kettle of order 1071 leaks"}],
    }
    first = await _post(model, body)
    assert first[0] == 200
    assert await _post(model, body) == first
    async with testing.running_model() as other:
        assert await _post(other, body) == first


async def test_fifty_runs_at_once_are_not_mixed_up(model: str) -> None:
    """Turn and scenario come from the request alone."""
    orders = ["1042", "1071", "1088", "1063"] * 13

    async def first_call(order: str) -> str:
        _, completion = await _ask(model, f"about order {order}", model="shop-scripted-1")
        return str(_message(completion)["tool_calls"][0]["id"])

    ids = await asyncio.gather(*(first_call(order) for order in orders))
    assert ids[:4] == [
        "call_small-claim-0_0",
        "call_refund-approved-0_0",
        "call_refund-rejected-0_0",
        "call_malformed-arguments-0_0",
    ]
    assert ids == ids[:4] * 13


async def test_the_next_turn_follows_the_last_tool_result(model: str) -> None:
    """After the gate: confirmed when granted, explained when denied."""
    asked: list[dict[str, Any]] = [
        {"role": "assistant", "content": "a"},
        {"role": "tool", "tool_call_id": "x", "content": '{"status": "ok"}'},
        {"role": "assistant", "content": "b"},
    ]
    denied = {"role": "tool", "tool_call_id": "y", "content": '{"status":"denied","reason":"GateRejected"}'}
    granted = {
        "role": "tool",
        "tool_call_id": "y",
        "content": '{"status":"ok","output":{"refund_id":"RF-1"}}',
    }
    said = []
    for result in (denied, granted):
        _, completion = await _ask(model, "order 1088", *asked, result, model="shop-scripted-1")
        (call,) = _message(completion)["tool_calls"]
        assert call["function"]["name"] == "ticket_reply"
        said.append(json.loads(call["function"]["arguments"])["message"])
    assert "cannot refund" in said[0]
    assert "on their way back" in said[1]


async def test_a_reply_has_the_openai_form(odd_model: str) -> None:
    """Ids are deterministic, arguments are JSON text, calls end the turn, and usage adds up."""
    status, completion = await _ask(odd_model, "two calls")
    assert status == 200
    assert (completion["object"], completion["model"], completion["id"]) == (
        "chat.completion",
        "m",
        "chatcmpl-two-calls-0",
    )
    assert completion["choices"][0]["finish_reason"] == "tool_calls"
    message = _message(completion)
    assert message["content"] == "both"
    assert [(call["id"], call["type"], call["function"]) for call in message["tool_calls"]] == [
        ("call_two-calls-0_0", "function", {"name": "a", "arguments": '{"n": 1}'}),
        ("call_two-calls-0_1", "function", {"name": "b", "arguments": "{}"}),
    ]
    usage = completion["usage"]
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]
    assert usage["prompt_tokens"] > 0


async def test_usage_is_as_scripted_or_grows_with_the_conversation(odd_model: str) -> None:
    """A price can be checked to the cent, and a longer prompt costs more."""
    _, priced = await _ask(odd_model, "priced")
    assert priced["usage"] == {"prompt_tokens": 1000, "completion_tokens": 200, "total_tokens": 1200}
    _, short = await _ask(odd_model, "prose")
    _, long = await _ask(odd_model, "prose", {"role": "user", "content": "x" * 4000})
    assert long["usage"]["prompt_tokens"] - short["usage"]["prompt_tokens"] >= 1000
    assert long["usage"]["completion_tokens"] == short["usage"]["completion_tokens"]


async def test_the_model_babbles_as_told(odd_model: str) -> None:
    """Prose, an object as JSON text, arguments that do not parse, a tool nobody granted, silence, five megabytes."""
    assert _message((await _ask(odd_model, "prose"))[1])["content"].startswith("I would rather")
    assert json.loads(_message((await _ask(odd_model, "object"))[1])["content"]) == {"resolution": "declined"}
    (bad,) = _message((await _ask(odd_model, "bad arguments"))[1])["tool_calls"]
    with pytest.raises(json.JSONDecodeError):
        json.loads(bad["function"]["arguments"])
    (unknown,) = _message((await _ask(odd_model, "unknown tool"))[1])["tool_calls"]
    assert unknown["function"]["name"] == "orders_burn"
    assert _message((await _ask(odd_model, "silent"))[1]) == {"role": "assistant", "content": None}
    assert len(_message((await _ask(odd_model, "huge"))[1])["content"]) == 5_000_000


async def test_scripted_errors_have_their_status_and_message(odd_model: str) -> None:
    """The HTTP statuses a provider would send, and an empty body under 200."""
    status, body = await _ask(odd_model, "unavailable")
    assert (status, body["error"]["message"], body["error"]["type"]) == (503, "overloaded", "server_error")
    assert (await _ask(odd_model, "rate limited"))[0] == 429
    request = {"model": "m", "messages": [{"role": "user", "content": "empty"}]}
    assert await _post(odd_model, request) == (200, "")


async def test_a_slow_reply_outlasts_an_impatient_caller(odd_model: str) -> None:
    """It comes to those who wait."""
    request = {"model": "m", "messages": [{"role": "user", "content": "slow"}]}
    with pytest.raises(TimeoutError):
        await _post(odd_model, request, timeout_seconds=0.1)
    assert (await _post(odd_model, request))[0] == 200


BAD_REQUESTS: dict[str, tuple[object, str, str]] = {
    "a goal in no scenario": (
        {"model": "m", "messages": [{"role": "user", "content": "sing"}]},
        "unmatched",
        "no scenario's goal matches 'sing'",
    ),
    "a model it does not have": ({"model": "n", "messages": []}, "unmatched", "there is no model 'n'"),
    "a turn too many": (
        {
            "model": "m",
            "messages": [{"role": "user", "content": "prose"}, {"role": "assistant", "content": "x"}],
        },
        "unmatched",
        "scenario prose ends before turn 1",
    ),
    "streaming": ({"model": "m", "messages": [], "stream": True}, "unsupported", "does not stream"),
    "no messages": ({"model": "m"}, "invalid_body", "a list `messages`"),
    "messages that are no objects": ({"model": "m", "messages": ["hi"]}, "invalid_body", "a list `messages`"),
    "no object": ([1], "invalid_body", "must be an object"),
}


@pytest.mark.parametrize(("body", "code", "message"), BAD_REQUESTS.values(), ids=BAD_REQUESTS.keys())
async def test_what_the_script_cannot_answer_is_a_400_that_says_why(
    odd_model: str, body: object, code: str, message: str
) -> None:
    """Never a guess: a wrong script or prompt shows at once."""
    status, text = await _post(odd_model, body)
    error = json.loads(text)["error"]
    assert (status, error["code"]) == (400, code)
    assert message in error["message"]


async def test_models_are_listed_and_requests_are_counted() -> None:
    """A test can prove that a recorded reply was not bought again."""
    async with testing.running_model() as url, aiohttp.ClientSession() as session:
        async with session.get(url + "/v1/models") as response:
            assert [each["id"] for each in (await response.json())["data"]] == ["shop-scripted-1"]
        await _ask(url, "order 1042", model="shop-scripted-1")
        await _ask(url, "nothing", model="shop-scripted-1")
        async with session.get(url + "/requests/count") as response:
            assert await response.json() == {"count": 2, "by_scenario": {"small-claim": 1}}


async def test_a_wrong_script_is_told_before_the_server_listens(tmp_path: pathlib.Path) -> None:
    """The file and the field are named; there is no stack trace."""
    path = tmp_path / "script.yaml"
    path.write_text("{models: [m], scenarios: [{name: a, goal: a, turns: [{say: hello}]}]}")
    with pytest.raises(RuntimeError) as caught:
        async with testing.running_model(path):
            raise AssertionError("the server started")
    assert "script.yaml: scenarios.0.turns" in str(caught.value)
    assert "Traceback" not in str(caught.value)
