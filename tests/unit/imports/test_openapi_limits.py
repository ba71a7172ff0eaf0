"""Documents: whom an operation lets in, where it lives, what it is called, and what cannot be said in a contract."""

from typing import Any

import pytest

from keelstep.imports.draft import DocumentError
from keelstep.imports.openapi import document
from tests.unit.imports.operations import OK, Node, body, drafted, imported, parameter, skipped

SCHEMES: dict[str, tuple[Node, Any, Node]] = {
    "a bearer token": (
        {"type": "http", "scheme": "bearer"},
        [{"theOne": []}],
        {"bearer": {"key": "the-one"}},
    ),
    "a password": (
        {"type": "http", "scheme": "basic"},
        [{"theOne": []}],
        {"basic": {"username": "CHANGE-ME", "key": "the-one"}},
    ),
    "a key in a header": (
        {"type": "apiKey", "in": "header", "name": "X-Key"},
        [{"theOne": []}],
        {"header": {"name": "X-Key", "key": "the-one"}},
    ),
    "client credentials": (
        {"type": "oauth2", "flows": {"clientCredentials": {"tokenUrl": "/token", "scopes": {}}}},
        [{"theOne": ["refunds"]}],
        {
            "oauth2": {
                "tokenURL": "https://shop.example/token",
                "clientID": "CHANGE-ME",
                "key": "the-one",
                "scopes": ["refunds"],
            }
        },
    ),
    "a flow that needs a person": (
        {"type": "oauth2", "flows": {"authorizationCode": {}}},
        [{"theOne": []}],
        {"bearer": {"key": "the-one"}},
    ),
    "a certificate": (
        {"type": "mutualTLS"},
        [{"theOne": []}],
        {"clientCertificate": {"certificateKey": "the-one.crt", "privateKeyKey": "the-one.key"}},
    ),
    "nobody or somebody": (
        {"type": "http", "scheme": "bearer"},
        [{}, {"theOne": []}],
        {"bearer": {"key": "the-one"}},
    ),
    "nobody": ({"type": "http", "scheme": "bearer"}, [], {}),
}


@pytest.mark.parametrize("sentence", SCHEMES)
def test_credentials_are(sentence: str) -> None:
    """Keys of the tenant's Secret, and what to put there."""
    scheme, security, expected = SCHEMES[sentence]
    draft = drafted("get", {"security": security}, components={"securitySchemes": {"theOne": scheme}})
    assert draft.spec.get("credentials", {}) == expected
    for field in expected:
        assert (
            "Secret" in draft.notes[f"credentials.{field}"]
            or "under the-one" in draft.notes[f"credentials.{field}"]
        )


LEFT_OUT: dict[str, tuple[str, Node, str]] = {
    "another method": ("head", {}, "contracts do not call HEAD"),
    "a header that differs": (
        "get",
        {"parameters": [parameter("If-Match", "header", required=True)]},
        "needs the header parameter 'If-Match'",
    ),
    "a cookie": (
        "get",
        {"parameters": [parameter("s", "cookie", required=True)]},
        "needs the cookie parameter",
    ),
    "an object in the query": (
        "get",
        {"parameters": [parameter("f", "query", required=True, type="object")]},
        "written in a way that contracts cannot",
    ),
    "a body of another kind": (
        "post",
        {"requestBody": body({}, "application/xml")},
        "needs a body of application/xml",
    ),
    "an answer of another kind": (
        "get",
        {"responses": {"200": {"content": {"text/csv": {}}}}},
        "answers text/csv, not JSON",
    ),
    "a reference to nothing": (
        "get",
        {"parameters": [{"$ref": "#/components/parameters/none"}]},
        "refers to #/components/parameters/none, which is not there",
    ),
    "a reference to itself": (
        "get",
        {"parameters": [{"$ref": "#/components/parameters/loop"}]},
        "leads only to other references",
    ),
    "a key in the query": ("get", {"security": [{"inQuery": []}]}, "an API key in a query"),
    "two credentials at once": ("get", {"security": [{"one": [], "two": []}]}, "one and two at once"),
    "a scheme that is not there": ("get", {"security": [{"none": []}]}, "does not describe"),
    "a server that is not": (
        "get",
        {"servers": [{"url": "{scheme}://x", "variables": {}}]},
        "variable 'scheme' has no default",
    ),
}


@pytest.mark.parametrize("sentence", LEFT_OUT)
def test_an_operation_is_left_out_that_needs(sentence: str) -> None:
    """With the reason, and the others are imported all the same."""
    method, operation, part = LEFT_OUT[sentence]
    components = {
        "parameters": {"loop": {"$ref": "#/components/parameters/loop"}},
        "securitySchemes": {
            "inQuery": {"type": "apiKey", "in": "query", "name": "k"},
            "one": {"type": "http", "scheme": "bearer"},
            "two": {"type": "apiKey", "in": "header", "name": "X-Key"},
        },
    }
    assert part in skipped(method, operation, components=components)


def test_an_address_is_the_servers_own_with_its_defaults() -> None:
    """Which is told; a person's own counts more."""
    servers = [
        {"url": "http://{region}.shop.example", "variables": {"region": {"default": "eu"}}},
        {"url": "https://other.example"},
    ]
    draft = drafted("get", {"servers": servers})
    assert draft.spec["transport"]["http"]["url"] == "http://eu.shop.example/orders"
    for part in ("region is eu", "first of 2", "not encrypted"):
        assert part in draft.notes["transport.http.url"]
    given = drafted("get", {"servers": servers}, server="https://mine.example/")
    assert given.spec["transport"]["http"]["url"] == "https://mine.example/orders"


def test_a_document_without_a_server_asks_for_one() -> None:
    """A path alone is no address."""
    assert "--server URL" in skipped("get", {}, servers=[{"url": "/v1"}])


def test_a_path_that_would_name_another_host_is_left_out() -> None:
    """Joined to the server's address, `@elsewhere.example` turns that into a user's name."""
    assert "does not begin with a slash" in skipped("get", {}, path="@elsewhere.example/orders")


def test_names_do_not_depend_on_what_else_is_asked_for() -> None:
    """The second of two keeps its number when it is imported alone."""
    paths = {
        "/a": {"get": {"operationId": "find", "responses": OK}},
        "/b": {"get": {"operationId": "find", "responses": OK}},
        "/c/{id}": {"delete": {"responses": OK, "parameters": [parameter("id", "path")]}},
    }
    assert [draft.name for draft in imported(paths).drafts] == ["find", "find-2", "delete.c.id"]
    (alone,) = imported(paths, only="/b", prefix="shop.").drafts
    assert alone.name == "shop.find-2"
    assert "GET /a is called shop.find, too" in alone.notes["metadata.name"]


DOCUMENTS = {
    "Swagger 2": (b'{"swagger": "2.0"}', "convert it to OpenAPI 3"),
    "another version": (b'{"openapi": "4.0.0"}', "must be 3.0.x or 3.1.x"),
    "a list": (b"[]", "not an object"),
    "half a document": (b'{"openapi": ', "cannot be read"),
    "neither": (b"a: [b", "neither JSON nor YAML"),
    "infinite": (b"openapi: 3.0.0\ninfo: {version: .inf}\npaths: {}", "neither JSON nor YAML"),
    "deeper than JSON is read": (b"[" * 100_000, "nested deeper than 128 levels"),
    "aliases that multiply": (b"openapi: 3.0.0\na: &a [x]\nb: [*a, *a]", "aliases"),
}


@pytest.mark.parametrize("sentence", DOCUMENTS)
def test_a_document_is_refused_that_is(sentence: str) -> None:
    """As a whole, with what to do."""
    payload, part = DOCUMENTS[sentence]
    with pytest.raises(DocumentError, match=part):
        document.read(payload)


def test_a_document_may_be_yaml() -> None:
    """A date in it is a text, as in JSON."""
    read = document.read(b"openapi: 3.1.0\ninfo: {version: 2026-11-21}\npaths: {}")
    assert read.content["info"]["version"] == "2026-11-21"
    assert not read.is_3_0
