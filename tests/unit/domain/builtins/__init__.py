"""The functions a runner evaluates itself: what each answers, and what it has no answer for."""

from typing import Any

from keelstep.domain.builtins import registry
from keelstep.domain.builtins.function import EvaluationError
from keelstep.kinds.transport import BuiltinFunction


def answer(name: str, **args: Any) -> Any:
    """What a function answers; the reason where it has no answer."""
    try:
        return registry.FUNCTIONS[BuiltinFunction(name)].evaluate(args)
    except EvaluationError as error:
        return error.reason
