"""An expression compiles over its declared variables, and whatever goes wrong while it runs is one error."""

import contextlib
from typing import Any

import pytest

from keelstep.domain import canonical, cel

VARIABLES = ("output", "trace")
VALUES: dict[str, Any] = {
    "output": {"a": 1, "l": [1, 2], "s": "x", "least": -(2**63), "huge": 10**30},
    "trace": {"tools": {"ticket.reply": 1}},
}


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("output.a == 1", True),
        ("output.a > 1", False),
        ("trace.tools['ticket.reply'] == 1", True),
        ("output.l.exists(x, x == 2)", True),
        ("output.l.all(x, x > 1)", False),
        ("has(output.s) && size(output.s) == 1", True),
        ("'a' in output", True),
    ],
)
def test_an_expression_holds_or_does_not(source: str, expected: bool) -> None:
    """As in Kubernetes' own rules."""
    assert cel.compile_expression(source, VARIABLES).holds(VALUES) is expected


@pytest.mark.parametrize(
    "source", ["", "(", "a b", "output.", "'", "1 +", "output[", "\x00", "(" * 5000, "[" * 5000]
)
def test_what_is_no_expression_is_refused(source: str) -> None:
    """With a sentence, before anything runs."""
    with pytest.raises(cel.CompileError, match=r".+"):
        cel.compile_expression(source, VARIABLES)


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("output.a ==", "line 1, column 12: it ends too early"),
        ("output.a\n b", "line 2, column 2: unexpected 'b'"),
        ("output.a == 'x", "line 1, column 13: token recognition error at: ''x'"),
    ],
)
def test_the_place_is_named_in_plain_words(source: str, says: str) -> None:
    """A person reads where to look, and no list of a parser's tokens."""
    with pytest.raises(cel.CompileError) as refused:
        cel.compile_expression(source, VARIABLES)
    assert str(refused.value) == says


@pytest.mark.parametrize(
    "source", ["other == 1", "output.l.exists(x, other == x)", "secrets.key == output.s"]
)
def test_another_variable_than_the_declared_ones_is_refused(source: str) -> None:
    """Naming the variable, and what may be used."""
    with pytest.raises(cel.CompileError, match="output, trace"):
        cel.compile_expression(source, VARIABLES)


@pytest.mark.parametrize(
    "source",
    [
        "output.missing == 1",
        "output.l[9] == 1",
        "1 / (output.a - 1) == 1",
        "output.least - 1 == 0",
        "output.s.matches('(')",
        "nothing(output)",
        "int(output.s) == 1",
        "output.s + output.a == 1",
    ],
)
def test_what_fails_on_these_values_is_an_evaluation_error(source: str) -> None:
    """Callers treat it as no: fail closed."""
    with pytest.raises(cel.EvaluationError, match=r".+"):
        cel.compile_expression(source, VARIABLES).holds(VALUES)


@pytest.mark.parametrize("source", ["output.a", "output.s", "output", "null"])
def test_a_rule_that_yields_no_boolean_is_an_error(source: str) -> None:
    """One is not true."""
    with pytest.raises(cel.EvaluationError, match="not a boolean"):
        cel.compile_expression(source, VARIABLES).holds(VALUES)


@pytest.mark.parametrize(
    "output",
    [10**30, "\ud800", canonical.loads(b"[" * 128 + b"]" * 128), float("inf"), {"k": None}],
    ids=repr,
)
def test_any_output_of_a_model_can_be_asked_about(output: Any) -> None:
    """A criterion holds, does not, or is an evaluation error; nothing else comes out."""
    with contextlib.suppress(cel.EvaluationError):
        assert (
            cel.compile_expression("output == 1", VARIABLES).holds({"output": output, "trace": {}}) is False
        )


MACROS: dict[str, str] = {
    "nine of them": "&& ".join(["output.l.all(x, x > 0) "] * 9),
    "nine in a row": "output.l" + ".map(x, x)" * 9 + ".size() > 0",
    "three inside each other": "output.l.all(a, output.l.all(b, output.l.exists(c, a + b == c)))",
    "three behind comments": "output.l. // x\n all // (\n (a, output.l.all(b, output.l.exists(c, a + b == c)))",
    "three behind a raw text": r"""r"\" != "" || output.l.all(a, output.l.all(b, output.l.all(c, a == b && b == c)))""",
    "three behind a long text": '"""(")""" == "" || output.l.all(a, output.l.all(b, output.l.all(c, a == b && b == c)))',
}


@pytest.mark.parametrize("case", MACROS)
def test_an_expression_is_refused_with_macros(case: str) -> None:
    """Each multiplies the time of those around it; nobody can stop one once it runs."""
    with pytest.raises(cel.CompileError, match=r"exists_one, map and filter"):
        cel.compile_expression(MACROS[case], VARIABLES)


@pytest.mark.parametrize(
    "source",
    [
        "output.l.all(a, output.l.exists(b, a == b))",
        "output.l" + ".map(x, x)" * 8 + ".size() > 0",
        "output.s == '.all(.all(.all('",
        'output.s == """.all(.all(.all("""',
        r"""output.s == r".all(\" || output.s == '.all(\'.all(.all('""",
        "output.a == 1 // .all(.all(.all(",
    ],
)
def test_few_macros_are_fine(source: str) -> None:
    """And their names in a text are only a text."""
    cel.compile_expression(source, VARIABLES)


def test_an_expression_is_plain_only_where_it_has_no_macro_for_certain() -> None:
    """Whoever evaluates it apart may do so once too often, never too seldom."""
    assert cel.compile_expression("output.a == 1", VARIABLES).is_plain
    for source in (
        "output.l.all(x, x > 0)",
        "output.l. // x\n map(x, x).size() > 0",
        "output.l.existsOne(x, x > 0)",
        "output.s == 'all'",
    ):
        assert not cel.is_plain(source)
        assert not cel.compile_expression(source, VARIABLES).is_plain


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("trace.tools['a'] > 1 || trace . steps > 2", {"tools", "steps"}),
        ("has(trace.tools) && trace.tools.size() > 0", {"tools"}),
        ("trace // why\n .tools == {}", {"tools"}),
        ("output.trace.steps == 1", {"steps"}),
        ("output.s == 'trace.s'", {"s"}),
        ("trace.size() > 0", None),
        ("trace.tools // why\n .size() > 0 || trace.size // why\n () > 0", None),
        ("size(trace) > 0 && trace.steps > 1", None),
        ("trace['steps'] > 1", None),
        ("trace.?steps.orValue(1) > 1", None),
        ("'steps' in trace", None),
    ],
)
def test_fields_are_named_only_where_nothing_else_of_a_variable_is_looked_at(
    source: str, expected: set[str] | None
) -> None:
    """Whoever converts a variable for an expression may leave out the rest."""
    assert cel.fields(source, "trace") == expected
