"""Which JSON Schemas are accepted, and what they say about a document."""

from typing import Any

import pytest

from keelstep.domain import schema


def doubling(times: int, *, by_name: bool = False) -> dict[str, Any]:
    """A schema whose parts each refer twice to the next: a few lines that are 2 to the power of so many."""
    parts: dict[str, Any] = {f"p{times}": {"type": "string", "$anchor": f"p{times}"}}
    for n in range(times):
        next_one = {"$ref": f"#p{n + 1}" if by_name else f"#/$defs/p{n + 1}"}
        parts[f"p{n}"] = {"$anchor": f"p{n}", "allOf": [next_one, next_one]}
    return {"$defs": parts, "$ref": "#/$defs/p0"}


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "an unknown type": ({"type": "objekt"}, "objekt"),
    "a reference to another document": ({"$ref": "https://x.example/y"}, "only references within"),
    "a nested reference to another document": (
        {"properties": {"a": {"$ref": "other.json"}}},
        "only references within",
    ),
    "a dynamic reference to another document": (
        {"items": {"$dynamicRef": "x.json#a"}},
        "only references within",
    ),
    "a reference to nothing": ({"$ref": "#/$defs/none"}, "does not exist"),
    "another draft": ({"$schema": "http://json-schema.org/draft-07/schema#"}, r"\$schema"),
    "a schema of its own that would have to be fetched": ({"$schema": "http://127.0.0.1:9/x"}, r"\$schema"),
    "the same inside": ({"properties": {"a": {"$schema": "http://127.0.0.1:9/x"}}}, r"\$schema"),
    "an unknown type deep inside, by its place": (
        {"properties": {"a": {"items": {"type": "strnig"}}}},
        r'^properties\.a\.items\.type: "strnig"',
    ),
    "a pattern that does not compile": ({"properties": {"a": {"pattern": "("}}}, "regex"),
    "a pattern that looks around": ({"properties": {"a": {"pattern": "(?=a)b"}}}, "regex"),
    "a pattern that grows too large": ({"pattern": "a{1000}{1000}"}, "regex"),
    "a pattern of every letter, many times": ({"pattern": r"\pL{20}x{50}"}, "regex"),
    "patterns without number": (
        {"properties": {f"p{n}": {"pattern": f"^a{n}"} for n in range(schema.MOST_PATTERNS + 1)}},
        "more than 200 patterns",
    ),
    "patterns of names without number": (
        {"patternProperties": {f"^a{n}": {} for n in range(schema.MOST_PATTERNS + 1)}},
        "more than 200 patterns",
    ),
    "references that multiply": (doubling(40), "references make more than"),
    "references by name that multiply": (doubling(40, by_name=True), "references make more than"),
    "2 MB": ({"description": "x" * 2_000_000}, "at most"),
    "256 KiB and more": ({"description": "x" * schema.MAX_BYTES}, "at most"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_schema_is_refused_for(case: str) -> None:
    """What is not valid 2020-12, reaches outside, or cannot be decided in linear time."""
    document, why = REFUSED[case]
    with pytest.raises(schema.SchemaError, match=why):
        schema.compile_schema(document)


@pytest.mark.parametrize("levels", [schema.MOST_LEVELS + 1, 400, 20_000])
def test_a_schema_nested_too_deeply_is_refused(levels: int) -> None:
    """Also where a library would give up with an error of its own."""
    document: dict[str, Any] = {}
    for _ in range(levels):
        document = {"not": document}
    with pytest.raises(schema.SchemaError, match="nested deeper"):
        schema.compile_schema(document)


def problems(document: Any, **keywords: Any) -> list[str]:
    """What is wrong with a document."""
    return schema.compile_schema(keywords).problems(document)


def test_a_document_that_matches_has_no_problems() -> None:
    """References within the schema and recursion are fine."""
    tree = {
        "type": "object",
        "properties": {"child": {"$ref": "#"}, "n": {"$ref": "#/$defs/n"}},
        "$defs": {"n": {"type": "integer"}},
    }
    assert schema.compile_schema(tree).problems({"child": {"child": {"n": 1}}}) == []
    assert schema.compile_schema(tree).problems({"child": {"child": {"n": "1"}}}) != []


def test_a_problem_names_its_place_and_does_not_repeat_the_value() -> None:
    """What the model or a person said is no part of a message: it may be secret."""
    found = problems({"a": {"b": "hunter2"}}, properties={"a": {"properties": {"b": {"type": "integer"}}}})
    assert len(found) == 1
    assert found[0].startswith("a.b: ")
    assert "hunter2" not in found[0]


def test_problems_are_told_up_to_a_number() -> None:
    """A thousand mistakes are not a thousand sentences."""
    assert len(problems([1] * 1000, items={"type": "string"})) == 5


@pytest.mark.parametrize("amount", ["0", "10", "10.5", "0.000001", "123456789012.123456"])
def test_money_is_a_decimal_string(amount: str) -> None:
    """The format `money` accepts what `domain.money` means by it."""
    assert problems(amount, format="money") == []


@pytest.mark.parametrize("amount", ["", "-1", "1.", "1e3", "0.0000001", "1\n", "\u0661", "1,5", "NaN"])
def test_what_is_no_money_is_a_problem(amount: str) -> None:
    """Signs, exponents, line ends, other digits."""
    assert problems(amount, format="money") != []


def test_a_value_that_looks_like_the_format_is_no_format() -> None:
    """What a constant, an enumeration or an example holds is not a schema."""
    assert problems({"format": "money"}, const={"format": "money"}) == []
    assert problems({"format": "money"}, enum=[{"format": "money"}]) == []
    assert problems({"format": 1}, properties={"format": {"type": "integer"}}) == []
    assert problems("1.50", format="money", pattern="^1") == []
    assert problems("2.50", format="money", pattern="^1") != []
    assert problems("1x", format="money", pattern="^1") != []


@pytest.mark.parametrize("document", [10**400, {"a": [1] * 1000}, "a" * 5000 + "b", None, 1.5])
def test_no_document_takes_long_or_raises(document: Any) -> None:
    """Patterns are matched in linear time; numbers may have any size."""
    compiled = schema.compile_schema({"type": "string", "pattern": "^(a+)+$"})
    assert compiled.problems(document) != []


def test_a_schema_of_many_parts_tells_one_problem() -> None:
    """To find them all would take as long as there are ways to fail."""
    assert len(schema.compile_schema(doubling(5)).problems(1)) == 5
    assert len(schema.compile_schema(doubling(9)).problems(1)) == 1
    assert schema.compile_schema(doubling(9)).problems("x") == []


def test_recursive_schemas_are_decided_at_once() -> None:
    """Also where every level may be one of several, and where a part is nothing but itself."""
    either = [{"properties": {"a": {"$ref": "#"}, "t": {"const": n}}, "required": ["t"]} for n in range(3)]
    document: Any = {"t": 2}
    for _ in range(60):
        document = {"a": document, "t": 2}
    assert schema.compile_schema({"anyOf": either}).problems(document) == []
    assert schema.compile_schema({"$ref": "#"}).problems(document) == []


def levels(times: int, leaf: Any) -> Any:
    """A document with so many objects around this one."""
    for _ in range(times):
        leaf = {"a": leaf, "t": 9}
    return leaf


@pytest.mark.parametrize("several", ["anyOf", "oneOf", "allOf"])
def test_what_is_wrong_deep_inside_a_recursive_schema_is_not_looked_for(several: str) -> None:
    """There are twice as many ways to fail for every level: that it does not match is all that is told."""
    either = [{"properties": {"a": {"$ref": "#"}, "t": {"const": n}}, "required": ["t"]} for n in range(2)]
    compiled = schema.compile_schema({several: either})
    assert compiled.problems(levels(60, {"t": 9})) == [
        "(root): it does not match; of a schema that refers to itself it is not told where"
    ]
    assert "refers to itself" not in compiled.problems({"t": 9})[0]


def test_mutual_references_multiply_too() -> None:
    """Two parts that each refer twice to the other are four ways for two levels."""
    parts = {
        name: {
            "anyOf": [{"properties": {"a": {"$ref": f"#/$defs/{other}"}, "t": {"const": n}}} for n in "12"]
        }
        for name, other in (("x", "y"), ("y", "x"))
    }
    compiled = schema.compile_schema({"$defs": parts, "$ref": "#/$defs/x"})
    assert len(compiled.problems(levels(60, {"t": 9}))) == 1


def test_a_schema_that_refers_to_itself_once_tells_where() -> None:
    """A list of lists, a tree with one kind of child: there is one way to fail."""
    tree = {"properties": {"a": {"$ref": "#"}, "t": {"type": "integer"}}}
    assert schema.compile_schema(tree).problems(levels(30, {"t": "x"})) == [
        f'{".".join("a" * 30)}.t: the value is not of type "integer"'
    ]


def test_equal_schemas_are_compiled_once() -> None:
    """The order of keys changes nothing."""
    assert schema.compile_schema({"type": "object", "title": "x"}) is schema.compile_schema(
        {"title": "x", "type": "object"}
    )
