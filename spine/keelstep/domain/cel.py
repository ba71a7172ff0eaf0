"""Does an expression compile, and what does it yield? CEL, as in Kubernetes' own rules.

Only declared variables may be used; whatever goes wrong while it runs is an `EvaluationError`, which callers treat as
no. Timestamps, floats of money and string sizes are outside what we promise (see docs/decisions).
"""

import functools
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import cel

_PARSER = re.compile(r"<input>:(\d+):(\d+): Syntax error: (.+?)(?: expecting .*)?$", re.MULTILINE)
_PLAIN = (
    ("mismatched input '<EOF>'", "it ends too early"),
    ("mismatched input", "unexpected"),
    ("extraneous input", "unexpected"),
)
_BOUND = re.compile(r"\.(?:all|exists|exists_one|map|filter)\(\s*([A-Za-z_]\w*)\s*,")


class CompileError(ValueError):
    """The expression is not valid; the message says where."""


class EvaluationError(ValueError):
    """The expression failed on these values."""


@dataclass(frozen=True, slots=True)
class Expression:
    """A compiled expression."""

    source: str
    program: cel.Program

    def evaluate(self, values: Mapping[str, Any]) -> Any:
        """What it yields.

        Raises:
            EvaluationError: it fails on these values, e.g. because a field is missing.
        """
        try:
            return self.program.execute(dict(values))
        except Exception as error:  # the library raises RuntimeError, ValueError, TypeError and KeyError
            raise EvaluationError(f"{self.source}: {error}") from error

    def holds(self, values: Mapping[str, Any]) -> bool:
        """True where it yields true.

        Raises:
            EvaluationError: it fails, or yields something else than a boolean.
        """
        found = self.evaluate(values)
        if not isinstance(found, bool):
            raise EvaluationError(f"{self.source}: yields {type(found).__name__}, not a boolean")
        return found


def compile_expression(source: str, variables: Iterable[str]) -> Expression:
    """Compile an expression that may use only these variables.

    Raises:
        CompileError: it does not parse, or uses another variable.
    """
    return _compile(source, frozenset(variables))


@functools.lru_cache(maxsize=4096)
def _compile(source: str, variables: frozenset[str]) -> Expression:
    try:
        program = cel.compile(source)
    except ValueError as error:
        raise CompileError(_where(str(error))) from error
    bound = set(_BOUND.findall(source))  # the library lists a macro's own variable among the free ones
    unknown = sorted(set(program.variables()) - variables - bound)
    if unknown:
        raise CompileError(f"unknown variable {unknown[0]!r}; it may use {', '.join(sorted(variables))}")
    return Expression(source, program)


def _where(said: str) -> str:
    """The parser's first complaint in plain words, without the list of all that it would have liked better."""
    found = _PARSER.search(said)
    if found is None:
        return said.splitlines()[0]
    line, column, what = found.groups()
    for jargon, plain in _PLAIN:
        what = what.replace(jargon, plain)
    return f"line {line}, column {column}: {what}"
