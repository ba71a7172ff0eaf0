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
from keelstep.domain.builtins.function import DOCUMENT, EvaluationError, Function, Json
from keelstep.domain.outcome import Judged
from keelstep.events import types
from keelstep.kinds.contract import ToolContractSpec
from keelstep.kinds.transport import Builtin

MOST_BYTES = 512 * 1024
"""An answer that is larger is refused: no message of a conversation should be."""
_MOST_MESSAGE = 300


def result_read(builtin: Builtin, args: Mapping[str, Any]) -> int | None:
    """The number of the earlier result whose output the call reads; None where it reads none."""
    number = args.get(registry.FUNCTIONS[builtin.function].reads)
    return number if isinstance(number, int) else None


def evaluate(
    builtin: Builtin, spec: ToolContractSpec, args: Mapping[str, Any], document: bytes | None = None
) -> Judged:
    """The outcome of one call: `ok`, or `failed`, for nothing else can happen to a pure function.

    `document` is the output of the result that the call reads, as far as the model may see it; None where there is none.
    """
    function = registry.FUNCTIONS[builtin.function]
    problems = schema.of_revision(function.input).problems(args)
    if problems:
        return _failed("ArgumentsInvalid", f"{builtin.function} does not take this: {'; '.join(problems)}")
    try:
        output = canonical.dumps(function.evaluate(_given(function, args, document)))
        answer = canonical.loads(output)
    except EvaluationError as error:
        return _failed(error.reason, error.message)
    except ValueError:
        return _failed("OutputInvalid", "the answer is nested too deeply")
    if len(output) > MOST_BYTES:
        return _failed("ResultTooLarge", f"the answer is larger than {MOST_BYTES} bytes")
    problems = schema.of_revision(spec.schemas.output).problems(answer)
    if problems:
        return _failed("OutputInvalid", f"the answer does not match its schema: {'; '.join(problems)}")
    return Judged(status="ok", output=output)


def _given(function: Function, args: Mapping[str, Any], document: bytes | None) -> Json:
    if not function.reads:
        return dict(args)
    if document is None:
        raise EvaluationError(
            "ResultMissing", f"{function.reads}: this run has no such output, or you may not see it"
        )
    return {**args, DOCUMENT: document}


def _failed(reason: str, message: str) -> Judged:
    text = message if len(message) <= _MOST_MESSAGE else message[: _MOST_MESSAGE - 1] + "…"
    error = types.Error(reason=reason, message=text, error_class=outcome.INVALID)
    return Judged(status="failed", error=error, was_sent=False)
