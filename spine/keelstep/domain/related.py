"""Which call of another contract follows from this one? The read that finds out about it, the call that undoes it.

Arguments are JMESPath over `args`, `key` and, where there is one, `output`. Pure, and the same wherever it is asked: the
gateway that makes the call and the operator that asks a person about it compute the same bytes.
"""

from collections.abc import Mapping
from typing import Any

from keelstep.domain import canonical
from keelstep.domain.builtins import query
from keelstep.domain.builtins.function import EvaluationError

MOST_BYTES = 64 * 1024
"""Arguments that are larger are a mistake of the expression's."""


class RelatedError(ValueError):
    """The expression does not give what it must; the message says why, without any payload."""


def arguments(expression: str, values: Mapping[str, Any]) -> bytes:
    """The arguments, canonical JSON.

    Raises:
        RelatedError: the expression fails, or yields no object, or too large a one.
    """
    found = select(expression, values)
    if not isinstance(found, dict):
        raise RelatedError("arguments: the expression yields no object")
    payload = canonical.dumps(found)
    if len(payload) > MOST_BYTES:
        raise RelatedError(f"arguments: the expression yields more than {MOST_BYTES} bytes")
    return payload


def select(expression: str, values: Mapping[str, Any]) -> Any:
    """What the expression finds.

    Raises:
        RelatedError: it fails.
    """
    try:
        return query.find(expression, dict(values))
    except EvaluationError as error:
        raise RelatedError(error.message) from error


def check(expression: str) -> str:
    """What is wrong with an expression before it meets any value; nothing where it can be used."""
    try:
        query.parse(expression)
    except EvaluationError as error:
        return error.message.removeprefix("expression: ")
    return ""
