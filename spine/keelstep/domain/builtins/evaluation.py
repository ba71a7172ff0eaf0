"""What came of calling a builtin? A contract and its arguments in, an outcome out; total, and the same everywhere.

    arguments fit the function? ─► evaluate ─► the answer fits the contract's schema? ─► ok
           │                         │                      │
           └── failed: ArgumentsInvalid · its own reason · OutputInvalid, ResultTooLarge ──► told to the model

Whether the call may be made is asked before, in `keelstep.domain.call`.
"""

from collections.abc import Mapping
from typing import Any

from keelstep.domain import canonical, outcome, schema
from keelstep.domain.builtins import registry
from keelstep.domain.builtins.function import EvaluationError
from keelstep.domain.outcome import Judged
from keelstep.events import types
from keelstep.kinds.contract import ToolContractSpec
from keelstep.kinds.transport import Builtin

MOST_BYTES = 512 * 1024
"""An answer that is larger is refused: no message of a conversation should be."""
_MOST_MESSAGE = 300


def evaluate(builtin: Builtin, spec: ToolContractSpec, args: Mapping[str, Any]) -> Judged:
    """The outcome of one call: `ok`, or `failed`, for nothing else can happen to a pure function."""
    function = registry.FUNCTIONS[builtin.function]
    problems = schema.compile_schema(function.input).problems(args)
    if problems:
        return _failed("ArgumentsInvalid", f"{builtin.function} does not take this: {'; '.join(problems)}")
    try:
        output = canonical.dumps(function.evaluate(dict(args)))
        answer = canonical.loads(output)
    except EvaluationError as error:
        return _failed(error.reason, error.message)
    except ValueError:
        return _failed("OutputInvalid", "the answer is nested too deeply")
    if len(output) > MOST_BYTES:
        return _failed("ResultTooLarge", f"the answer is larger than {MOST_BYTES} bytes")
    problems = schema.compile_schema(spec.schemas.output).problems(answer)
    if problems:
        return _failed("OutputInvalid", f"the answer does not match its schema: {'; '.join(problems)}")
    return Judged(status="ok", output=output)


def _failed(reason: str, message: str) -> Judged:
    text = message if len(message) <= _MOST_MESSAGE else message[: _MOST_MESSAGE - 1] + "…"
    error = types.Error(reason=reason, message=text, error_class=outcome.INVALID)
    return Judged(status="failed", error=error, was_sent=False)
