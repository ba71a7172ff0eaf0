"""What must a builtin say of itself? What it takes, what it gives, and how it is computed."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from keelstep.kinds.transport import BuiltinFunction

Json = dict[str, Any]
DOCUMENT = ""
"""Where among the arguments an earlier output stands, for a function that reads one: no argument has that name."""


class EvaluationError(ValueError):
    """The function has no answer for these arguments. The message names the argument and quotes none of its content."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


@dataclass(frozen=True, slots=True, kw_only=True)
class Function:
    """One pure function: the same arguments give the same answer, everywhere and for ever."""

    name: BuiltinFunction
    summary: str
    """What it does, for whoever writes a contract."""
    input: Mapping[str, Any]
    """JSON Schema of the arguments."""
    output: Mapping[str, Any]
    """JSON Schema of the answer."""
    evaluate: Callable[[Json], Json]
    """The answer to arguments that match `input`; raises EvaluationError."""
    example: tuple[Json, Json]
    """Arguments and their answer."""
    reads: str = ""
    """The argument that numbers an earlier result of the run; empty where the function reads none. The bytes of that
    output, as far as the model may see it, are given as `DOCUMENT`."""
    example_document: Any = None
    """The output that the example reads."""


def arguments(required: Json, optional: Json | None = None) -> Json:
    """The schema of arguments: these and no others."""
    return {
        "type": "object",
        "required": list(required),
        "properties": required | (optional or {}),
        "additionalProperties": False,
    }


def answer(**properties: Json) -> Json:
    """The schema of an answer with these properties, all of them always there."""
    return {"type": "object", "required": list(properties), "properties": properties}
