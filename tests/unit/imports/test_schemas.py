"""Schemas: whole in themselves, in 2020-12, never stricter than the document, and every cut told."""

from typing import Any

import pytest

from keelstep.domain import canonical, schema
from keelstep.imports import schemas
from keelstep.imports.draft import UnusableError
from keelstep.imports.references import References

Node = dict[str, Any]


def whole(node: Any, defs: Node | None = None, *, is_3_0: bool = True) -> schemas.Whole:
    """A schema of a document with these definitions."""
    return schemas.whole(References({"d": defs or {}}, is_3_0=is_3_0), node, "request")


TRANSLATED: dict[str, tuple[Node, Node]] = {
    "null beside a type": ({"type": "string", "nullable": True}, {"type": ["string", "null"]}),
    "null beside an enumeration": (
        {"type": "string", "enum": ["a"], "nullable": True},
        {"type": ["string", "null"], "enum": ["a", None]},
    ),
    "null beside what is composed": (
        {"nullable": True, "description": "x", "oneOf": [{"type": "string"}, {"type": "integer"}]},
        {
            "description": "x",
            "anyOf": [{"oneOf": [{"type": "string"}, {"type": "integer"}]}, {"type": "null"}],
        },
    ),
    "an exclusive bound": (
        {"type": "number", "minimum": 0, "exclusiveMinimum": True},
        {"type": "number", "exclusiveMinimum": 0},
    ),
    "a bound that is not exclusive": (
        {"type": "number", "maximum": 9, "exclusiveMaximum": False},
        {"type": "number", "maximum": 9},
    ),
    "bytes": ({"type": "string", "format": "byte"}, {"type": "string", "contentEncoding": "base64"}),
    "an example": ({"type": "string", "example": "a"}, {"type": "string", "examples": ["a"]}),
    "what is no JSON Schema": (
        {"type": "object", "discriminator": {"propertyName": "x"}, "xml": {}, "x-own": 1},
        {"type": "object"},
    ),
    "one part of all, with a description": (
        {"allOf": [{"type": "object", "description": "inner"}], "description": "outer"},
        {"type": "object", "description": "outer"},
    ),
    "one part of all, with something to say": (
        {"allOf": [{"type": "object"}], "required": ["a"]},
        {"allOf": [{"type": "object"}], "required": ["a"]},
    ),
    "what is never sent": (
        {
            "type": "object",
            "required": ["id", "name"],
            "properties": {"id": {"type": "string", "readOnly": True}, "name": {"type": "string"}},
        },
        {"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}}},
    ),
}


@pytest.mark.parametrize("sentence", TRANSLATED)
def test_3_0_is_translated(sentence: str) -> None:
    """To what means the same in 2020-12."""
    given, expected = TRANSLATED[sentence]
    found = whole(given).content
    assert found == expected
    schema.compile_schema(found)


def test_3_1_is_kept_as_it_is() -> None:
    """It is 2020-12 already; what stands beside a reference counts there."""
    node = {
        "type": ["string", "null"],
        "const": "a",
        "examples": ["a"],
        "contentMediaType": "text/plain",
    }
    assert whole(node, is_3_0=False).content == node
    beside = {"$ref": "#/d/A", "description": "mine"}
    theirs = {"A": {"type": "string", "description": "theirs"}}
    found = whole(beside, theirs, is_3_0=False)
    assert found.content == {"type": "string", "description": "mine"}
    assert whole(beside, theirs).content["description"] == "theirs"


def test_a_reference_is_replaced_by_what_it_leads_to() -> None:
    """However it is written, wherever it stands."""
    found = whole({"items": {"$ref": "#/d/a~1b%20c"}, "type": "array"}, {"a/b c": {"type": "integer"}})
    assert found.content == {"type": "array", "items": {"type": "integer"}}
    assert found.losses == []


def test_a_recursion_is_cut_and_told() -> None:
    """Its type is left."""
    tree = {"type": "object", "properties": {"next": {"$ref": "#/d/Tree"}, "name": {"type": "string"}}}
    found = whole({"$ref": "#/d/Tree"}, {"Tree": tree})
    assert found.content["properties"] == {"next": {"type": "object"}, "name": {"type": "string"}}
    assert found.losses == ["Tree refers to itself and is cut there"]


NOT_ONE: Node = {"b": "t", "s": {}}
"""What the document refuses, and the same schema does not once it is cut."""
LOOSENED: dict[str, tuple[Node, Any]] = {
    "one of several, of which more may match now": (
        {"oneOf": [{"$ref": "#/d/Self"}, {"type": "object", "required": ["x"]}]},
        {**NOT_ONE, "x": 1},
    ),
    "one of several, beside any of several": (
        {"anyOf": [True], "oneOf": [{"$ref": "#/d/Self"}, {"type": "object", "required": ["x"]}]},
        {**NOT_ONE, "x": 1},
    ),
    "not what was cut": (
        {"not": {"properties": {"a": {"$ref": "#/d/Self"}}, "required": ["a"]}},
        {"a": NOT_ONE},
    ),
    "a condition on what was cut": (
        {"if": {"properties": {"a": {"$ref": "#/d/Self"}}}, "then": {"required": ["z"]}},
        {"a": NOT_ONE},
    ),
}


@pytest.mark.parametrize("sentence", LOOSENED)
def test_a_cut_never_refuses_more(sentence: str) -> None:
    """What depends on something that was cut is left out rather than turned round."""
    node, document = LOOSENED[sentence]
    own = {
        "type": "object",
        "required": ["b"],
        "properties": {"b": {"type": "string"}, "s": {"$ref": "#/d/Self"}},
    }
    content = whole(node, {"Self": own}, is_3_0=False).content
    assert schema.compile_schema(content).problems(document) == []


def test_a_large_schema_loses_descriptions_first_then_depth() -> None:
    """So much that it fits, and it is told."""

    def level(depth: int, width: int, words: int) -> Node:
        inner: Node = {"type": "string", "maxLength": 9}
        for _ in range(depth):
            inner = {
                "type": "object",
                "description": "x" * words,
                "properties": {f"p{number}": inner for number in range(width)},
            }
        return inner

    talkative = whole(level(2, 12, 4000))
    assert "descriptions" in talkative.losses[0]
    assert talkative.content["properties"]["p0"]["properties"]["p0"] == {"type": "string", "maxLength": 9}
    wide = whole(level(4, 12, 10))
    assert any(loss.startswith("cut below") for loss in wide.losses)
    for found in (talkative, wide):
        assert len(canonical.dumps(found.content)) <= schemas.MOST_BYTES


def test_references_that_multiply_end_in_time() -> None:
    """Thirty levels of ten references each are no more than anything else that is too large."""
    defs: Node = {
        f"L{number}": {
            "type": "object",
            "properties": {f"p{branch}": {"$ref": f"#/d/L{number + 1}"} for branch in range(10)},
        }
        for number in range(30)
    }
    found = whole({"$ref": "#/d/L0"}, {**defs, "L30": {"type": "string"}})
    assert len(canonical.dumps(found.content)) <= schemas.MOST_BYTES


def test_a_pattern_that_takes_too_long_is_left_out_and_told() -> None:
    """What looks ahead or back cannot be matched in linear time."""
    found = whole({"type": "string", "pattern": r"^(?=a)(.+)\1$"})
    assert found.content == {"type": "string"}
    assert "cannot be matched in linear time" in found.losses[0]


REFUSED = {
    "another document": ({"$ref": "other.json#/x"}, "another document"),
    "an address": ({"items": {"$ref": "https://example.org/x"}}, "another document"),
    "nothing": ({"$ref": "#/d/Nowhere"}, "not there"),
    "an anchor": ({"$ref": "#name"}, "anchor"),
    "a schema that is none": ({"items": {"allOf": ["x"]}}, "not an object"),
}


@pytest.mark.parametrize("sentence", REFUSED)
def test_a_schema_is_refused_that_refers_to(sentence: str) -> None:
    """Nothing outside the document is ever read."""
    node, part = REFUSED[sentence]
    with pytest.raises(UnusableError, match=part):
        whole(node)
