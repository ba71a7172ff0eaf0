"""What does a JMESPath expression find in a document? Within bounds on nesting, steps and size, the same everywhere.

The library evaluates a tree by calling itself; this one counts every step and weighs whatever may grow, so that no
expression takes long or makes much out of little. The count depends on expression and document alone, never on time.
"""

import functools
from typing import Any

from jmespath import exceptions, functions, parser, visitor  # type: ignore[import-untyped]

from keelstep.domain.builtins.function import EvaluationError

MOST_LEVELS = 48
"""Nesting of an expression."""
MOST_STEPS = 500_000
"""Parts visited and values weighed: about half a second."""
_CHARACTERS_IN_A_STEP = 64
_LARGEST = 1.7976931348623157e308
"""As large as a number may be that every reader of JSON can read, if only about."""
_NESTING = "([{!&*"
_MOST_NESTING = 128
"""Characters that make the parser call itself; with more, whether it gives up would depend on who calls it."""
_TAKES_EXPRESSION = frozenset({"map", "max_by", "min_by", "sort_by"})


def find(expression: str, document: Any) -> Any:
    """What the expression finds; None where it finds nothing.

    Raises:
        EvaluationError: it does not parse, fails on this document, or asks for too much.
    """
    tree = parse(expression)
    interpreter = _Bounded()
    try:
        found = interpreter.visit(tree, document)
        interpreter.weigh(found)
    except exceptions.ArityError as error:
        raise _failed(f"{error.function_name}() takes another number of arguments") from error
    except exceptions.JMESPathTypeError as error:
        raise _failed(f"{error.function_name}() does not take such a value") from error
    except EvaluationError:
        raise
    except (ArithmeticError, TypeError, ValueError, RecursionError) as error:
        raise _failed("it cannot be computed for this document") from error
    return found


class _Functions(functions.Functions):  # type: ignore[misc]  # the library has no types
    """JMESPath's own functions; one that could make much out of little asks first."""

    @functions.signature({"types": ["string"]}, {"types": ["array-string"]})  # type: ignore[untyped-decorator]
    def _func_join(self, separator: str, parts: list[str]) -> str:
        if len(separator) * len(parts) > MOST_STEPS * _CHARACTERS_IN_A_STEP:
            raise _too_costly()
        return separator.join(parts)


class _Bounded(visitor.TreeInterpreter):  # type: ignore[misc]  # the library has no types
    """The library's interpreter, counting."""

    def __init__(self) -> None:
        super().__init__(visitor.Options(custom_functions=_Functions()))
        self._left = MOST_STEPS

    def visit(self, node: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        """One part of the expression at one value."""
        self._spend(1)
        found = super().visit(node, *args, **kwargs)
        if node["type"] in ("multi_select_list", "multi_select_dict", "function_expression"):
            self.weigh(found)  # the only parts whose value may be larger than what it was made of
        return found

    def weigh(self, value: Any) -> None:
        """Count every value inside; refuse what JSON has no form for."""
        inside = [value]
        while inside:
            each = inside.pop()
            self._spend(1)
            if isinstance(each, dict):
                inside.extend(each.values())
            elif isinstance(each, list):
                inside.extend(each)
            elif isinstance(each, str):
                self._spend(len(each) // _CHARACTERS_IN_A_STEP)
            elif isinstance(each, int | float) and not -_LARGEST <= each <= _LARGEST:
                raise _failed("it computes a number that is too large, or none")

    def _spend(self, steps: int) -> None:
        self._left -= steps
        if self._left < 0:
            raise _too_costly()


@functools.lru_cache(maxsize=256)
def parse(expression: str) -> dict[str, Any]:
    """The expression as a tree.

    Raises:
        EvaluationError: it is no expression, or one that we do not evaluate.
    """
    if sum(map(expression.count, _NESTING)) > _MOST_NESTING:
        raise _invalid(f"more than {_MOST_NESTING} of the characters {_NESTING}")
    try:
        tree: dict[str, Any] = parser.Parser().parse(expression).parsed
    except exceptions.IncompleteExpressionError as error:
        raise _invalid("it ends too early") from error
    except exceptions.LexerError as error:
        raise _invalid(f"at character {error.lexer_position + 1}") from error
    except exceptions.ParseError as error:
        raise _invalid(f"at character {(error.lex_position or 0) + 1}") from error
    except (exceptions.JMESPathError, RecursionError, ValueError) as error:
        raise _invalid("it cannot be read") from error
    _check(tree)
    return tree


def _check(tree: dict[str, Any]) -> None:
    """Known functions only, `&` only where a function takes an expression, and no deeper than we go."""
    level = [(tree, "")]
    for _ in range(MOST_LEVELS):
        inner: list[tuple[dict[str, Any], str]] = []
        for node, parent in level:
            name = node["value"] if node["type"] == "function_expression" else ""
            if name and name not in _Functions.FUNCTION_TABLE:
                raise _invalid("it names a function that JMESPath does not have")
            if node["type"] == "expref" and parent not in _TAKES_EXPRESSION:
                raise _invalid(f"& stands only before an argument of {', '.join(sorted(_TAKES_EXPRESSION))}")
            inner += [(child, name) for child in node["children"] if isinstance(child, dict)]
        if not inner:
            return
        level = inner
    raise _invalid(f"nested deeper than {MOST_LEVELS} levels")


def _invalid(why: str) -> EvaluationError:
    return EvaluationError("QueryInvalid", f"expression: not a JMESPath expression: {why}")


def _failed(why: str) -> EvaluationError:
    return EvaluationError("QueryFailed", f"expression: {why}")


def _too_costly() -> EvaluationError:
    return EvaluationError("QueryTooCostly", f"expression: more than {MOST_STEPS} steps on this document")
