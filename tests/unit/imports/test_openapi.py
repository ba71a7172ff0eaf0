"""Operations: where arguments go, what comes back, and what may be said of asking twice."""

import pytest

from tests.unit.imports.operations import OK, Node, body, drafted, imported, parameter


def test_parameters_go_where_they_belong() -> None:
    """Path and query are arguments; a fixed header is fixed; another that may be left out is left out, and told."""
    draft = drafted(
        "get",
        {
            "parameters": [
                parameter("id", "path"),
                parameter("limit", "query", type="integer"),
                parameter("tag", "query", required=True, type="array", items={"type": "string"}),
                parameter("X-Version", "header", required=True, type="string", enum=["2"]),
                parameter("X-Trace", "header"),
                parameter("session", "cookie"),
                parameter("filter", "query", type="object"),
            ]
        },
        "/orders/{id}",
    )
    http = draft.spec["transport"]["http"]
    assert http["url"] == "https://shop.example/v1/orders/{id}"
    assert http["query"] == ["limit", "tag"]
    assert http["headers"] == [{"name": "X-Version", "value": "2"}]
    given = draft.spec["schema"]["input"]
    assert given["required"] == ["id", "tag"]
    assert given["properties"]["id"] == {"type": "string", "minLength": 1}
    assert given["additionalProperties"] is False
    note = draft.notes["schema.input"]
    for left_out in ("header parameter X-Trace", "cookie parameter session", "query parameter filter"):
        assert left_out in note


def test_arguments_of_one_name_are_told_apart() -> None:
    """The hole in the path gets another name, and the body."""
    draft = drafted(
        "put",
        {
            "parameters": [parameter("id", "path"), parameter("id", "query"), parameter("body", "query")],
            "requestBody": body({"type": "object"}),
        },
        "/orders/{id}",
    )
    http = draft.spec["transport"]["http"]
    assert http["url"].endswith("/orders/{path_id}")
    assert set(draft.spec["schema"]["input"]["properties"]) == {"path_id", "id", "body", "request_body"}
    assert http["body"] == "args.request_body"


def test_parameters_of_the_path_hold_for_its_operations() -> None:
    """An operation's own counts more."""
    found = imported(
        {
            "/o/{id}": {
                "parameters": [parameter("id", "path"), parameter("n", "query", type="integer")],
                "get": {"responses": OK, "parameters": [parameter("n", "query", type="boolean")]},
            }
        }
    )
    (draft,) = found.drafts
    assert draft.spec["schema"]["input"]["properties"]["n"] == {"type": "boolean"}


BODIES: dict[str, tuple[Node, Node, Node]] = {
    "an object that is all there is": (
        {"requestBody": body({"type": "object", "required": ["a"], "properties": {"a": {}}})},
        {"type": "object", "required": ["a"], "properties": {"a": {}}},
        {},
    ),
    "a list": (
        {"requestBody": body({"type": "array"})},
        {"required": ["body"], "properties": {"body": {"type": "array"}}},
        {"body": "args.body"},
    ),
    "one that need not be sent": (
        {"requestBody": body({"type": "object"}, required=False)},
        {"properties": {"body": {"type": "object"}}},
        {"body": "has(args.body) ? args.body : null"},
    ),
    "none": ({}, {"properties": {}}, {"body": "null"}),
    "a form": (
        {"requestBody": body({"type": "object"}, "application/x-www-form-urlencoded")},
        {"type": "object"},
        {"encoding": "Form"},
    ),
    "a form of parts": (
        {"requestBody": body({"type": "object"}, "multipart/form-data")},
        {"type": "object"},
        {"encoding": "Multipart"},
    ),
    "a kind of JSON": (
        {"requestBody": body({"type": "object"}, "application/merge-patch+json")},
        {"type": "object"},
        {"headers": [{"name": "Content-Type", "value": "application/merge-patch+json"}]},
    ),
}


@pytest.mark.parametrize("sentence", BODIES)
def test_a_body_is(sentence: str) -> None:
    """The arguments themselves where there is nothing else, one argument otherwise."""
    operation, given, http = BODIES[sentence]
    draft = drafted("post", operation)
    written = {
        key: value for key, value in draft.spec["transport"]["http"].items() if key not in ("method", "url")
    }
    assert written == http
    written = draft.spec["schema"]["input"]
    assert {key: written[key] for key in given} == given


def test_a_file_of_a_form_is_written_as_contracts_write_files() -> None:
    """Its content base64, its name beside it."""
    form = {
        "type": "object",
        "properties": {"f": {"type": "string", "format": "binary"}, "t": {"type": "string"}},
    }
    properties = drafted("post", {"requestBody": body(form, "multipart/form-data")}).spec["schema"]["input"][
        "properties"
    ]
    assert set(properties["f"]["properties"]) == {"filename", "content", "mediaType"}
    assert properties["t"] == {"type": "string"}


ANSWERS: dict[str, tuple[Node, Node]] = {
    "one of two": (
        {
            "200": {"content": {"application/json": {"schema": {"type": "object"}}}},
            "201": {"content": {"application/json": {"schema": {"type": "array"}}}},
        },
        {"anyOf": [{"type": "object"}, {"type": "array"}]},
    ),
    "nothing": ({"204": {"description": "gone"}}, {"type": "null"}),
    "something or nothing": (
        {"200": {"content": {"application/json": {"schema": {"type": "object"}}}}, "204": {}},
        {"anyOf": [{"type": "object"}, {"type": "null"}]},
    ),
    "not described": ({"404": {}}, {}),
    "described as a default alone": (
        {"default": {"content": {"application/json": {"schema": {"type": "object"}}}}},
        {},
    ),
    "a range": (
        {"2XX": {"content": {"application/problem+json": {"schema": {"type": "object"}}}}},
        {"type": "object"},
    ),
}


@pytest.mark.parametrize("sentence", ANSWERS)
def test_the_output_is(sentence: str) -> None:
    """Of the successes."""
    responses, expected = ANSWERS[sentence]
    assert drafted("get", {"responses": responses}).spec["schema"]["output"] == expected


def test_refusals_that_come_before_anything_are_listed() -> None:
    """Documented ones alone, and none that may come after; for a read it makes no difference."""
    responses = {**OK, "400": {}, "404": {}, "409": {}, "422": {}, "500": {}}
    assert drafted("post", {"responses": responses}).spec["failurePolicy"]["notPerformed"] == [400, 404, 422]
    assert "notPerformed" not in drafted("get", {"responses": responses}).spec["failurePolicy"]


KEYS: dict[str, tuple[str, list[Node], Node]] = {
    "a key's header": (
        "post",
        [parameter("Idempotency-Key", "header", required=True)],
        {"mode": "Keyed"},
    ),
    "another key's header": ("post", [parameter("x-idempotency-token", "header")], {"mode": "Keyed"}),
    "no key": ("post", [], {"mode": "None"}),
    "a method that may be repeated": ("put", [], {"mode": "None"}),
}


@pytest.mark.parametrize("sentence", KEYS)
def test_idempotency_is_promised_only_with(sentence: str) -> None:
    """The definition of HTTP alone is no proof."""
    method, parameters, expected = KEYS[sentence]
    draft = drafted(method, {"parameters": parameters})
    assert draft.spec["idempotency"] == expected
    assert draft.spec["schema"]["input"]["properties"] == {}
    assert "keelstep contract test" in draft.notes["idempotency.mode"] or method == "post"
    header = draft.spec["transport"]["http"].get("idempotencyHeader")
    assert header == ("x-idempotency-token" if sentence == "another key's header" else None)
