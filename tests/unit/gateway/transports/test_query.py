"""What goes into the query, and what is no body? Only what the contract lists, and only where it is given."""

from typing import Any

import pytest

from keelstep_gateway.transports import request
from keelstep_gateway.transports.egress import Request
from keelstep_gateway.transports.request import BuildError
from tests.unit.gateway.transports.test_request import KEY, spec


def built(http: dict[str, Any], args: dict[str, Any]) -> Request:
    """The request of a contract with this transport."""
    of = spec("POST")
    changed = of.model_copy(
        update={
            "transport": of.transport.model_validate({"http": {"method": "GET", "url": "http://a/o", **http}})
        }
    )
    return request.build(changed, args, key=KEY)


QUERIES: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "what is listed and given": (
        {"query": ["limit", "after"]},
        {"limit": 5, "other": 1},
        "http://a/o?limit=5",
    ),
    "nothing that is given": ({"query": ["limit"]}, {}, "http://a/o"),
    "null is nothing": ({"query": ["limit"]}, {"limit": None}, "http://a/o"),
    "a list, item by item": ({"query": ["tag"]}, {"tag": ["a", "b c"]}, "http://a/o?tag=a&tag=b%20c"),
    "what could end the value": ({"query": ["q"]}, {"q": "a&b=c#d"}, "http://a/o?q=a%26b%3Dc%23d"),
    "a name as it is": (
        {"query": ["filter[state]"]},
        {"filter[state]": "x"},
        "http://a/o?filter%5Bstate%5D=x",
    ),
    "behind what the address has": (
        {"url": "http://a/o?v=1#part", "query": ["n"]},
        {"n": True},
        "http://a/o?v=1&n=true",
    ),
}


@pytest.mark.parametrize("sentence", QUERIES)
def test_the_query_holds(sentence: str) -> None:
    """Each under its own name, percent-encoded."""
    http, args, expected = QUERIES[sentence]
    assert str(built(http, args).url) == expected


def test_an_object_has_no_place_in_a_query() -> None:
    """It is refused before anything is sent."""
    with pytest.raises(BuildError, match="field q of the query"):
        built({"query": ["q"]}, {"q": {"a": 1}})


def test_a_body_of_null_is_none() -> None:
    """Neither bytes nor a media type."""
    found = built({"method": "POST", "body": "has(args.body) ? args.body : null"}, {})
    assert (found.content, "Content-Type" in found.headers) == (b"", False)
    given = built({"method": "POST", "body": "has(args.body) ? args.body : null"}, {"body": {"a": 1}})
    assert (given.content, given.headers["Content-Type"]) == (b'{"a":1}', "application/json")


def test_a_contract_may_name_the_kind_of_json() -> None:
    """Of a form it may not: its boundary is ours."""
    patch = {
        "method": "PATCH",
        "headers": [{"name": "Content-Type", "value": "application/merge-patch+json"}],
    }
    assert built(patch, {"a": 1}).headers["Content-Type"] == "application/merge-patch+json"
    form = built({**patch, "encoding": "Form"}, {"a": 1})
    assert form.headers["Content-Type"] == "application/x-www-form-urlencoded"
