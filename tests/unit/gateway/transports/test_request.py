"""What request does a contract make of arguments? Nothing an argument says can change more than its own place."""

from typing import Any

import pytest

from keelstep.kinds.contract import ToolContractSpec
from keelstep_gateway.transports import request

KEY = "k" * 64
_OF_HTTP = ("headers", "body", "idempotencyHeader", "encoding")


def spec(
    method: str = "POST", url: str = "http://shop.example/orders/{id}", **fields: Any
) -> ToolContractSpec:
    """A contract over HTTP; keys of `http` and of the contract may be given."""
    of_http = {name: fields.pop(name) for name in _OF_HTTP if name in fields}
    given: dict[str, Any] = {
        "description": "x",
        "schema": {"input": {}, "output": {}},
        "sideEffect": "Reversible",
        "consequenceTier": 1,
        "transport": {"http": {"method": method, "url": url, **of_http}},
    }
    return ToolContractSpec.model_validate({**given, **fields})


def url(template: str, args: dict[str, Any]) -> str:
    """The address that arguments make."""
    return str(request.build(spec("GET", template), args, key=KEY).url)


ADDRESSES: dict[str, tuple[str, dict[str, Any], str]] = {
    "a text in the path": ("http://a/o/{id}", {"id": "10 42"}, "http://a/o/10%2042"),
    "a slash stays in its place": (
        "http://a/o/{id}/x",
        {"id": "../../admin"},
        "http://a/o/..%2F..%2Fadmin/x",
    ),
    "a query inside an argument": ("http://a/o/{id}", {"id": "1?admin=1#x"}, "http://a/o/1%3Fadmin%3D1%23x"),
    "a text in the query": ("http://a/o?q={q}", {"q": "a&b=c"}, "http://a/o?q=a%26b%3Dc"),
    "an empty text in the query": ("http://a/o?q={q}", {"q": ""}, "http://a/o?q="),
    "a number": ("http://a/o/{n}", {"n": 7}, "http://a/o/7"),
    "a boolean": ("http://a/o?x={b}", {"b": True}, "http://a/o?x=true"),
    "letters beyond ASCII": ("http://a/o/{id}", {"id": "ü"}, "http://a/o/%C3%BC"),
    "a percent sign": ("http://a/o/{id}", {"id": "%2e%2e"}, "http://a/o/%252e%252e"),
}


@pytest.mark.parametrize("case", ADDRESSES.values(), ids=ADDRESSES.keys())
def test_fills_the_address_with(case: tuple[str, dict[str, Any], str]) -> None:
    """Percent-encoded, each in its place."""
    template, args, expected = case
    assert url(template, args) == expected


UNUSABLE: dict[str, tuple[str, dict[str, Any]]] = {
    "an argument that is missing": ("http://a/o/{id}", {}),
    "an argument that is null": ("http://a/o/{id}", {"id": None}),
    "an object in the path": ("http://a/o/{id}", {"id": {"a": 1}}),
    "an empty text in the path": ("http://a/o/{id}", {"id": ""}),
    "a way up": ("http://a/o/{id}/x", {"id": ".."}),
    "a way up in two parts": ("http://a/o/.{id}/x", {"id": "."}),
}


@pytest.mark.parametrize("case", UNUSABLE.values(), ids=UNUSABLE.keys())
def test_makes_no_request_of(case: tuple[str, dict[str, Any]]) -> None:
    """Nothing is sent, and the message does not repeat the argument."""
    template, args = case
    with pytest.raises(request.BuildError):
        url(template, args)


def test_sends_all_arguments_by_default() -> None:
    """POST, PUT and PATCH carry them as JSON; GET carries no body."""
    args = {"id": "1", "n": 2}
    built = request.build(spec("POST"), args, key=KEY)
    assert built.content == b'{"id":"1","n":2}'
    assert built.headers["Content-Type"] == "application/json"
    assert request.build(spec("GET"), args, key=KEY).content == b""


def test_sends_what_the_contracts_expression_makes() -> None:
    """CEL over `args`."""
    contract = spec("POST", body='{"order": args.id}')
    assert request.build(contract, {"id": "1"}, key=KEY).content == b'{"order":"1"}'
    with pytest.raises(request.BuildError):
        request.build(spec("POST", body='{"order": args.missing}'), {"id": "1"}, key=KEY)


def test_sends_the_key_where_the_tool_honours_it() -> None:
    """Under the contract's header; not at all where the tool promises nothing."""
    keyed = spec(idempotency={"mode": "Keyed"}, idempotencyHeader="X-Key")
    assert request.build(keyed, {"id": "1"}, key=KEY).headers["X-Key"] == KEY
    assert "Idempotency-Key" not in request.build(spec(), {"id": "1"}, key=KEY).headers


@pytest.mark.parametrize("name", ["Host", "content-length", "Transfer-Encoding", "CONNECTION"])
def test_makes_no_request_with_a_header_that_frames_it(name: str) -> None:
    """Others share the connection."""
    with pytest.raises(request.BuildError):
        request.build(spec(headers=[{"name": name, "value": "0"}]), {"id": "1"}, key=KEY)
    with pytest.raises(request.BuildError):
        request.build(spec(idempotencyHeader=name), {"id": "1"}, key=KEY)


def test_sends_the_contracts_own_headers() -> None:
    """As they stand."""
    built = request.build(spec(headers=[{"name": "X-Shop", "value": "berlin"}]), {"id": "1"}, key=KEY)
    assert built.headers["X-Shop"] == "berlin"
