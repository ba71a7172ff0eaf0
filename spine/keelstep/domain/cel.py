"""Does an expression compile, and what does it yield? CEL, as in Kubernetes' own rules.

Only declared variables may be used; whatever goes wrong while it runs is an `EvaluationError`, which callers treat as
no. Timestamps, floats of money and string sizes are outside what we promise (see docs/decisions).

An expression with a macro (all, exists, exists_one, map, filter) may take long, and make much out of little: its time
grows like the square of a list, and nobody can stop it. Who evaluates one over others' data does so apart (`Evaluate`).
"""

import functools
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import cel

_PARSER = re.compile(r"<input>:(\d+):(\d+): Syntax error: (.+?)(?: expecting .*)?$", re.MULTILINE)
_PLAIN = (
    ("mismatched input '<EOF>'", "it ends too early"),
    ("mismatched input", "unexpected"),
    ("extraneous input", "unexpected"),
)
_MACROS = "all|exists|exists_one|existsOne|map|filter"
_WORD = re.compile(rf"\b(?:{_MACROS})\b")
_GAP = r"(?:\s|//[^\n]*(?:\n|$))*"
_BOUND = re.compile(rf"\.{_GAP}(?:{_MACROS}){_GAP}\({_GAP}([A-Za-z_]\w*){_GAP},")
_TOKENS = re.compile(
    r"""//[^\n]*"""
    r'''|(?<!\w)[bB]?[rR][bB]?(?:"""[\s\S]*?"""|\'{3}[\s\S]*?\'{3}|"[^"\n]*"|\'[^\'\n]*\')'''
    r'''|"""(?:\\.|[^\\])*?"""|\'{3}(?:\\.|[^\\])*?\'{3}|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\''''
    rf"|\.{_GAP}(?:{_MACROS}){_GAP}\(|[()]"
)
MOST_MACROS = 8
"""In one expression."""
MOST_LEVELS = 2
"""Of macros inside each other."""

Functions = Mapping[str, Callable[..., Any]]
"""What an expression may call besides what CEL has, by name."""
Prepared = cel.Context
"""Values converted once, for several expressions."""


class CompileError(ValueError):
    """The expression is not valid; the message says where."""


class EvaluationError(ValueError):
    """The expression failed on these values."""


class CostError(EvaluationError):
    """The expression takes too long on these values, or makes too much of them."""


@dataclass(frozen=True, slots=True)
class Expression:
    """A compiled expression."""

    source: str
    program: cel.Program
    is_plain: bool
    """False where it may have a macro."""

    def evaluate(self, values: Mapping[str, Any] | Prepared) -> Any:
        """What it yields.

        Raises:
            EvaluationError: it fails on these values, e.g. because a field is missing.
        """
        try:
            return self.program.execute(values if isinstance(values, Prepared) else dict(values))
        except Exception as error:  # the library raises RuntimeError, ValueError, TypeError and KeyError
            raise EvaluationError(f"{self.source}: {error}") from error

    def holds(self, values: Mapping[str, Any] | Prepared) -> bool:
        """True where it yields true.

        Raises:
            EvaluationError: it fails, or yields something else than a boolean.
        """
        return boolean(self, self.evaluate(values))


Evaluate = Callable[[Expression, Mapping[str, Any], Functions], Any]
"""Where an expression is evaluated over these values; raises `EvaluationError`."""
_NONE: Functions = {}


def here(expression: Expression, values: Mapping[str, Any], functions: Functions = _NONE) -> Any:
    """What it yields, evaluated at once, for as long as that takes.

    Raises:
        EvaluationError: it fails on these values.
    """
    return expression.evaluate(prepare(values, functions))


def boolean(expression: Expression, found: Any) -> bool:
    """What a condition yielded.

    Raises:
        EvaluationError: it is no boolean.
    """
    if not isinstance(found, bool):
        raise EvaluationError(f"{expression.source}: yields {type(found).__name__}, not a boolean")
    return found


def holds(
    expression: Expression, values: Mapping[str, Any], evaluate: Evaluate, functions: Functions = _NONE
) -> bool:
    """Whether a condition holds.

    Raises:
        EvaluationError: it fails, or yields something else than a boolean.
    """
    return boolean(expression, evaluate(expression, values, functions))


def compile_expression(
    source: str, variables: Iterable[str], functions: Iterable[str] | None = None
) -> Expression:
    """Compile an expression that may use only these variables and, where they are given, only these functions.

    Raises:
        CompileError: it does not parse, or uses another variable or function.
    """
    return _compile(source, frozenset(variables), None if functions is None else frozenset(functions))


def prepare(values: Mapping[str, Any], functions: Functions) -> Prepared:
    """Values and functions for several expressions: to convert the values costs more than to evaluate.

    Raises:
        EvaluationError: a value has no form in CEL.
    """
    try:
        return Prepared(variables=dict(values), functions=dict(functions))
    except (TypeError, ValueError, OverflowError) as error:
        raise EvaluationError(str(error)) from error


def fields(source: str, variable: str) -> frozenset[str] | None:
    """Which fields of a variable an expression may look at; None where it may look at all of it.

    By the text alone: where the name stands for anything else, a field too many is named, never one too few. A call such
    as `args.size()` looks at all.
    """
    named = re.findall(rf"\b{variable}\b(?:{_GAP}\.{_GAP}([A-Za-z_]\w*)(?!\w|{_GAP}\())?", source)
    return frozenset(named) if all(named) else None


def is_plain(source: str | None) -> bool:
    """Has it no macro for certain? One that only mentions the name of one may have it."""
    return source is None or _WORD.search(source) is None


def has_nested_macros(source: str) -> bool:
    """Does one of all, exists, exists_one, map and filter stand inside another? Its time then grows like a square."""
    return _macros(source)[1] > 1


def _macros(source: str) -> tuple[int, int]:
    """How many macros there are, and how deep one stands inside others."""
    count, deepest = 0, 0
    inside: list[bool] = []
    for part in _TOKENS.findall(source):
        if part == ")":
            if inside:
                inside.pop()
        elif part == "(":
            inside.append(False)
        elif part.startswith("."):
            inside.append(True)
            count, deepest = count + 1, max(deepest, sum(inside))
    return count, deepest


@functools.lru_cache(maxsize=4096)
def _compile(source: str, variables: frozenset[str], functions: frozenset[str] | None) -> Expression:
    try:
        program = cel.compile(source)
    except ValueError as error:
        raise CompileError(_where(str(error))) from error
    bound = set(_BOUND.findall(source))  # the library lists a macro's own variable among the free ones
    unknown = sorted(set(program.variables()) - variables - bound)
    if unknown:
        raise CompileError(f"unknown variable {unknown[0]!r}; it may use {', '.join(sorted(variables))}")
    count, deepest = _macros(source)
    if count > MOST_MACROS:
        raise CompileError(f"more than {MOST_MACROS} of all, exists, exists_one, map and filter")
    if deepest > MOST_LEVELS:
        raise CompileError(
            "all, exists, exists_one, map and filter stand inside each other more than two deep"
        )
    if functions is not None:
        called = sorted({name for name in program.functions() if name[:1].isalpha()} - functions)
        if called:
            raise CompileError(f"unknown function {called[0]!r}; it may call {', '.join(sorted(functions))}")
    return Expression(source, program, is_plain(source))


def _where(said: str) -> str:
    """The parser's first complaint in plain words, without the list of all that it would have liked better."""
    found = _PARSER.search(said)
    if found is None:
        return said.splitlines()[0]
    line, column, what = found.groups()
    for jargon, plain in _PLAIN:
        what = what.replace(jargon, plain)
    return f"line {line}, column {column}: {what}"
