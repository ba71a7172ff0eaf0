"""Edge arguments: always valid, always the same, and at the edges."""

from typing import Any

import pytest

from keelstep.domain import schema
from keelstep_gateway.conformance import edges

SCHEMAS: dict[str, dict[str, Any]] = {
    "nothing": {"type": "object", "additionalProperties": False, "properties": {}},
    "anything": {"type": "object"},
    "texts": {
        "type": "object",
        "required": ["a"],
        "properties": {
            "a": {"type": "string", "minLength": 2, "maxLength": 5},
            "b": {"type": "string", "pattern": "^[0-9]{4,10}$"},
            "c": {"type": "string", "format": "money"},
            "d": {"type": "string", "format": "date-time"},
            "e": {"type": "string", "format": "uuid"},
            "f": {"type": "string", "contentEncoding": "base64"},
        },
    },
    "numbers": {
        "type": "object",
        "required": ["i", "n", "m", "x"],
        "properties": {
            "i": {"type": "integer", "minimum": 1, "maximum": 100},
            "n": {"type": "number", "exclusiveMinimum": 0, "maximum": 2.5},
            "m": {"type": "integer", "multipleOf": 5, "minimum": 3, "maximum": 40},
            "x": {"type": ["integer", "null"]},
        },
    },
    "choices": {
        "type": "object",
        "required": ["kind"],
        "properties": {"kind": {"enum": ["a", "b"]}, "fixed": {"const": 1}, "flag": {"type": "boolean"}},
    },
    "one of several shapes": {
        "type": "object",
        "oneOf": [
            {"required": ["a"], "properties": {"a": {"type": "integer"}}},
            {"required": ["b"], "properties": {"b": {"type": "string"}}},
        ],
    },
    "all of several": {
        "type": "object",
        "allOf": [
            {"required": ["a"], "properties": {"a": {"type": "integer"}}},
            {
                "required": ["b"],
                "properties": {"b": {"type": "array", "items": {"type": "integer"}, "minItems": 2}},
            },
        ],
    },
    "lists": {
        "type": "object",
        "required": ["l", "u", "t"],
        "properties": {
            "l": {"type": "array", "items": {"type": "integer"}, "maxItems": 2},
            "u": {"type": "array", "items": {"enum": [1, 2, 3]}, "uniqueItems": True, "minItems": 2},
            "t": {"type": "array", "prefixItems": [{"type": "integer"}, {"type": "string"}], "minItems": 2},
        },
    },
    "parts that others refer to": {
        "type": "object",
        "required": ["a", "b"],
        "properties": {
            "a": {"$ref": "#/$defs/amount", "minLength": 2},
            "b": {"type": "array", "items": {"$ref": "#/$defs/line"}, "minItems": 1},
        },
        "$defs": {
            "amount": {"type": "string", "format": "money"},
            "line": {
                "$anchor": "line",
                "type": "object",
                "required": ["of"],
                "properties": {"of": {"const": "x"}},
            },
        },
    },
    "itself": {
        "type": "object",
        "required": ["first", "root"],
        "properties": {
            "first": {"$ref": "#/$defs/link"},
            "root": {"anyOf": [{"type": "null"}, {"$ref": "#"}]},
        },
        "$defs": {
            "link": {
                "type": "object",
                "required": ["n"],
                "properties": {"n": {"type": "integer"}, "next": {"$ref": "#/$defs/link"}},
            }
        },
    },
    "patterns of another language": {
        "type": "object",
        "required": ["name"],
        "properties": {
            "name": {"type": "string", "pattern": "^\\p{L}+$", "maxLength": 9},
            "word": {"type": "string", "pattern": "^[[:alpha:]]$"},
        },
    },
    "a list that stays empty": {
        "type": "object",
        "required": ["l"],
        "properties": {"l": {"type": "array", "items": False}},
    },
    "names of one's own": {
        "type": "object",
        "minProperties": 2,
        "additionalProperties": {"type": "integer"},
    },
}


@pytest.mark.parametrize("sentence", SCHEMAS)
def test_arguments_are_valid_and_always_the_same(sentence: str) -> None:
    """For schemas of every kind; different from each other, the simplest first."""
    document = SCHEMAS[sentence]
    found = edges.arguments(document, 12)
    compiled = schema.compile_schema(document)
    assert found
    assert [problem for each in found for problem in compiled.problems(each)] == []
    assert edges.arguments(document, 12) == found
    assert len({str(each) for each in found}) == len(found)


def test_references_that_multiply_within_themselves_end() -> None:
    """Whoever wrote the schema: it takes a bounded time and a bounded memory."""
    names = [f"p{number}" for number in range(300)]
    node = {"type": "object", "properties": {name: {"$ref": "#/$defs/node"} for name in names}}
    document = {"type": "object", "properties": {"a": {"$ref": "#/$defs/node"}}, "$defs": {"node": node}}
    assert edges.arguments(document, 3)


def test_arguments_are_at_the_edges() -> None:
    """Least, most, absent."""
    found = edges.arguments(
        {
            "type": "object",
            "properties": {
                "n": {"type": "integer", "minimum": 3, "maximum": 9},
                "s": {"type": "string", "maxLength": 7},
            },
        },
        60,
    )
    numbers = {each["n"] for each in found if "n" in each}
    lengths = {len(each["s"]) for each in found if "s" in each}
    assert {3, 9} <= numbers
    assert {0, 7} <= lengths
    assert {} in found


def test_a_schema_that_nothing_matches_has_none() -> None:
    """That is found out in time, too."""
    impossible = {
        "type": "object",
        "required": ["a"],
        "properties": {"a": {"type": "integer", "minimum": 2, "maximum": 1}},
    }
    assert edges.arguments(impossible, 5) == []
    for kind, least in (("string", "minLength"), ("array", "minItems"), ("object", "minProperties")):
        huge = {"type": kind, least: 10**9}
        assert edges.arguments({"type": "object", "required": ["a"], "properties": {"a": huge}}, 5) == []
    unlikely = {
        "type": "object",
        "required": ["a"],
        "properties": {"a": {"allOf": [{"minLength": 3}, {"const": 1}, {"not": {}}]}},
    }
    assert edges.arguments(unlikely, 5) == []
