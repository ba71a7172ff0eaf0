"""What does it mean that a tool answered so, or did not answer?

The rules that turn what a transport saw into `ok`, `failed` or `unknown`. `failed` is said only where it is certain that
nothing happened: nothing was sent, the contract lists the status, or the tool only reads. Everything else that is not
a usable answer is `unknown`.

    seen                                        side effect        ReadOnly
    nothing was sent                            failed             failed
    no answer after the first byte              unknown            failed
    2xx with a valid output                     ok                 ok
    2xx, unreadable / too large / off schema    unknown            failed
    2xx that failurePolicy.retryWhen holds for  unknown            failed
    failurePolicy.notPerformed, …When           failed             failed
    any other status                            unknown            failed

Pure: no transport is called here. Whether to try again is asked in `retry`.
"""

import contextlib
from dataclasses import dataclass
from typing import Any, Literal

from keelstep.domain import canonical, cel, schema
from keelstep.domain.reasons import classes
from keelstep.events import types
from keelstep.kinds.contract import SideEffect, ToolContractSpec
from keelstep.kinds.failure import ErrorClass

REFUSED, INVALID = classes.REFUSED, classes.INVALID
"""The classes of failure besides those a contract may call retryable."""
_MOST_MESSAGE = 300
_NAMED_TYPES = frozenset(
    (
        "application/octet-stream",
        "application/xml",
        "text/css",
        "text/csv",
        "text/html",
        "text/plain",
        "text/xml",
    )
)
"""Types that may be repeated in a message; others are the tool's own words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The tool answered."""

    status: int
    """The HTTP status; 200 for an answer of MCP."""
    body: bytes
    """JSON; of MCP an object `{structured, text, content}`."""
    media_type: str = ""
    """What the tool said that the body is."""
    is_cut: bool = False
    """True where the body was longer than we read."""
    retry_after: str = ""
    """The header Retry-After, as the tool wrote it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NoAnswer:
    """The tool did not answer, or was never asked."""

    reason: str
    """CamelCase."""
    message: str
    error_class: str
    was_sent: bool
    """True once the first byte left."""
    proves_nothing_happened: bool = False
    """True where the contract says so of such an answer."""
    body: bytes = b""
    """Of MCP, the answer that says that the tool failed: an object `{structured, text, content}`."""
    status: int | None = None
    """The HTTP status, where one is all that came of a call by MCP."""
    retry_after: str = ""
    """The header Retry-After, as the tool wrote it."""


Seen = Answer | NoAnswer


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What one performance came to."""

    status: Literal["ok", "failed", "unknown"]
    output: bytes | None = None
    """Canonical JSON, where it is ok."""
    error: types.Error | None = None
    was_sent: bool = True
    asks_again: bool = False
    """The contract's `retryWhen` holds for the answer."""
    retry_after: str = ""
    """The header Retry-After, as the tool wrote it."""
    via: str = ""
    """The contract whose read found this out; empty where the call's own answer says it."""
    via_ms: int = 0
    """How long that read took."""


def expressions(spec: ToolContractSpec) -> tuple[str | None, ...]:
    """Those that are asked about an answer."""
    policy, described = spec.failure_policy, spec.transport.http or spec.transport.mcp
    mapping = described.response if described is not None else None
    return policy.not_performed_when, policy.retry_when, mapping


def judge(spec: ToolContractSpec, seen: Seen, evaluate: cel.Evaluate = cel.here) -> Judged:
    """The outcome of one performance. Total."""
    policy, values = spec.failure_policy, _values(spec, seen)
    is_refusal = _holds(policy.not_performed_when, values, evaluate)
    asks_again = _holds(policy.retry_when, values, evaluate)
    if isinstance(seen, Answer) and 200 <= seen.status < 300 and not (is_refusal or asks_again):
        found = _output(spec, seen, evaluate)
        if isinstance(found, bytes):
            return Judged(status="ok", output=found)
        error, was_sent, is_certain = found, True, False
    elif isinstance(seen, Answer):
        error, was_sent = _said(seen, is_refusal=is_refusal), True
        is_certain = is_refusal or seen.status in policy.not_performed
    else:
        error = _error(seen.reason, seen.message, seen.error_class, seen.status)
        was_sent = seen.was_sent
        is_certain = is_refusal or not was_sent or seen.proves_nothing_happened
        is_certain = is_certain or seen.status in policy.not_performed
    return Judged(
        status="failed" if is_certain or spec.side_effect is SideEffect.READ_ONLY else "unknown",
        error=error,
        was_sent=was_sent,
        asks_again=asks_again,
        retry_after=seen.retry_after,
    )


def _values(spec: ToolContractSpec, seen: Seen) -> dict[str, Any] | None:
    """What the expressions of a failure policy may ask about; None where nothing was answered, or nobody asks."""
    policy = spec.failure_policy
    if policy.not_performed_when is None and policy.retry_when is None:
        return None
    document: Any = None
    with contextlib.suppress(ValueError):  # what is no JSON is null to them
        document = canonical.loads(seen.body) if seen.body.strip() else None
    if spec.transport.mcp is None:
        return {"status": seen.status, "body": document} if isinstance(seen, Answer) else None
    return {**document, "isError": isinstance(seen, NoAnswer)} if isinstance(document, dict) else None


def _holds(expression: str | None, values: dict[str, Any] | None, evaluate: cel.Evaluate) -> bool:
    """Does a condition hold? One that fails proves nothing."""
    if expression is None or values is None:
        return False
    try:
        return cel.holds(cel.compile_expression(expression, tuple(values)), values, evaluate)
    except (cel.CompileError, cel.EvaluationError):
        return False


def _said(seen: Answer, *, is_refusal: bool) -> types.Error:
    """What an answer that is no success says."""
    if 200 <= seen.status < 300:
        error_class = REFUSED if is_refusal else ErrorClass.UNAVAILABLE
        return _error(
            "ToolFailed", "the contract takes the tool's answer for no success", error_class, seen.status
        )
    error_class = class_of(seen.status)
    return _error(error_class, f"the tool answered {seen.status}", error_class, seen.status)


def class_of(status: int) -> str:
    """The normalised class of an HTTP status that is not a success."""
    if status == 429:
        return ErrorClass.RATE_LIMITED
    if status in (408, 504):
        return ErrorClass.TIMEOUT
    if status >= 500:
        return ErrorClass.UNAVAILABLE
    return REFUSED


def _output(spec: ToolContractSpec, seen: Answer, evaluate: cel.Evaluate) -> bytes | types.Error:
    """The output as mapped and checked, or why it cannot be used."""
    if seen.is_cut:
        return _error("ResponseTooLarge", "the tool's answer is larger than allowed", INVALID, seen.status)
    try:
        output = canonical.dumps(_document(spec, seen, evaluate))
        problems = schema.of_revision(spec.schemas.output).problems(canonical.loads(output))
    except (cel.CompileError, cel.EvaluationError, schema.SchemaError, ValueError, TypeError) as error:
        return _error(
            "OutputInvalid",
            f"the tool's answer cannot be read: {_kind(error, seen.media_type)}",
            INVALID,
            seen.status,
        )
    if problems:
        told = "; ".join(problems)
        return _error(
            "OutputInvalid", f"the tool's answer does not match its schema: {told}", INVALID, seen.status
        )
    return output


def _document(spec: ToolContractSpec, seen: Answer, evaluate: cel.Evaluate) -> Any:
    """What the contract makes of an answer."""
    found: Any = canonical.loads(seen.body) if seen.body.strip() else None
    if spec.transport.mcp is not None:
        mapping, values = spec.transport.mcp.response, found
        if mapping is None:
            return found["structured"] if found["structured"] is not None else _of_text(found["text"])
    else:
        assert spec.transport.http is not None
        mapping, values = spec.transport.http.response, {"status": seen.status, "body": found}
        if mapping is None:
            return found
    return evaluate(cel.compile_expression(mapping, tuple(values)), values, {})


def _of_text(text: str) -> Any:
    """A tool that has no structured content often writes JSON as text."""
    try:
        return canonical.loads(text.encode())
    except ValueError:
        return text


def _kind(error: Exception, media_type: str) -> str:
    """What went wrong, without any of the answer's content."""
    if isinstance(error, cel.CostError):
        return "its response mapping takes too long, or too much memory"
    if isinstance(error, cel.EvaluationError | cel.CompileError):
        return "its response mapping failed"
    if not isinstance(error, ValueError):
        return "it has no JSON form"
    return f"it is {media_type}, not JSON" if media_type in _NAMED_TYPES else "it is not JSON"


def _error(reason: str, message: str, error_class: str, status: int | None = None) -> types.Error:
    text = message if len(message) <= _MOST_MESSAGE else message[: _MOST_MESSAGE - 1] + "…"
    return types.Error(reason=str(reason), message=text, error_class=str(error_class), status=status)
