"""Does a JMESPath expression find what it should, within its bounds, and the same everywhere?"""

import json

import jmespath  # type: ignore[import-untyped]
import pytest
from hypothesis import given
from hypothesis import strategies as some

from keelstep.domain.builtins import query, selection
from keelstep.domain.builtins.function import EvaluationError
from tests.unit.domain.builtins import answer

DOCUMENTS = some.recursive(
    some.none() | some.booleans() | some.integers(-(2**53), 2**53) | some.text(max_size=8),
    lambda inner: (
        some.lists(inner, max_size=4) | some.dictionaries(some.sampled_from("abc"), inner, max_size=3)
    ),
    max_leaves=20,
)
EXPRESSIONS = (
    "@", "a", "a.b", "a[0]", "a[*].b", "a[?b].c", "a[?b=='x']", "[a, b]", "{x: a, y: b.c}", "a[].b | [0]", "a[::-1]",
    "*.b", "a || b", "a && !b", "length(keys(@ || `{}`))", "type(a)", "to_string(a)", "not_null(a, b, `1`)",
    "max_by([{n: `1`}, {n: `2`}], &n)", "map(&b, a[] || `[]`)", "sort(keys(@ || `{}`))",
)  # fmt: skip


@given(DOCUMENTS.filter(lambda found: isinstance(found, dict)), some.sampled_from(EXPRESSIONS))
def test_it_finds_what_the_library_finds(document: object, expression: str) -> None:
    """The bounds change no answer."""
    before = json.dumps(document)
    assert query.find(expression, document) == jmespath.search(expression, document)
    assert json.dumps(document) == before


@given(some.text(max_size=60), DOCUMENTS)
def test_any_text_is_answered_or_refused(expression: str, document: object) -> None:
    """Never a fault."""
    assert isinstance(answer("json.select", expression=expression, document=document), dict | str)


@pytest.mark.parametrize(
    ("expression", "document", "reason"),
    [
        ("a[", {}, "QueryInvalid"),
        ("nope(@)", {}, "QueryInvalid"),
        ("&a", {}, "QueryInvalid"),
        ("to_string(&a)", {}, "QueryInvalid"),
        ("(" * 200 + "a" + ")" * 200, {}, "QueryInvalid"),
        ("|".join(["[@]"] * 100), {}, "QueryInvalid"),
        ("length(@, @)", [], "QueryFailed"),
        ("sort(@)", {}, "QueryFailed"),
        ("a < b", {"a": 1, "b": "x"}, "QueryFailed"),
        ("@[::0]", [1], "QueryFailed"),
        ("sum(@)", [1e308, 1e308], "QueryFailed"),
        ("to_number(@)", "nan", "QueryFailed"),
        ("to_number(@)", "9" * 310, "QueryFailed"),
        ("ceil(to_number(@))", "inf", "QueryFailed"),
        ("|".join(["[@,@]"] * 40), [], "QueryTooCostly"),
        ("|".join(["[@,@]"] * 22) + "|length(to_string(@))", [], "QueryTooCostly"),
        ("join(@[0], @)", ["x" * 60_000] + ["a"] * 20_000, "QueryTooCostly"),
        ("@", "x" * selection.MOST_DOCUMENT_BYTES, "QueryTooCostly"),
    ],
)
def test_what_has_no_answer_says_why(expression: str, document: object, reason: str) -> None:
    """An expression that is none, one that fails on this document, one that asks for too much."""
    assert answer("json.select", expression=expression, document=document) == reason


def test_the_position_of_a_mistake_is_told_without_the_text() -> None:
    """A message stands in an event for ever, so it quotes no argument."""
    with pytest.raises(EvaluationError, match="at character 7") as told:
        query.find("secret]", {})
    assert "secret" not in told.value.message
