"""What does it mean that a tool answered so, or did not answer?

The rules that turn what a transport saw into `ok`, `failed` or `unknown`. `failed` is said only where it is certain that
nothing happened: nothing was sent, the contract lists the status, or the tool only reads. Everything else that is not
a usable answer is `unknown`.

    seen                                        side effect        ReadOnly
    nothing was sent                            failed             failed
    no answer after the first byte              unknown            failed
    2xx with a valid output                     ok                 ok
    2xx, unreadable / too large / off schema    unknown            failed
    a status in failurePolicy.notPerformed      failed             failed
    any other status                            unknown            failed

Pure: no transport is called here.
"""

from dataclasses import dataclass
from typing import Any, Literal

from keelstep.domain import canonical, cel, contract, schema
from keelstep.events import types
from keelstep.kinds.contract import ErrorClass, SideEffect, ToolContractSpec

REFUSED, INVALID = "Refused", "Invalid"
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


Seen = Answer | NoAnswer


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What one performance came to."""

    status: Literal["ok", "failed", "unknown"]
    output: bytes | None = None
    """Canonical JSON, where it is ok."""
    error: types.Error | None = None
    was_sent: bool = True


def judge(spec: ToolContractSpec, seen: Seen) -> Judged:
    """The outcome of one performance. Total."""
    reads_only = spec.side_effect is SideEffect.READ_ONLY
    if isinstance(seen, NoAnswer):
        is_certain = reads_only or not seen.was_sent or seen.proves_nothing_happened
        status: Literal["failed", "unknown"] = "failed" if is_certain else "unknown"
        error = _error(seen.reason, seen.message, seen.error_class)
        return Judged(status=status, error=error, was_sent=seen.was_sent)
    if 200 <= seen.status < 300:
        found = _output(spec, seen)
        if isinstance(found, bytes):
            return Judged(status="ok", output=found)
        return Judged(status="failed" if reads_only else "unknown", error=found)
    proves_nothing_happened = reads_only or seen.status in spec.failure_policy.not_performed
    return Judged(
        status="failed" if proves_nothing_happened else "unknown",
        error=_error(
            class_of(seen.status), f"the tool answered {seen.status}", class_of(seen.status), seen.status
        ),
    )


def class_of(status: int) -> str:
    """The normalised class of an HTTP status that is not a success."""
    if status == 429:
        return ErrorClass.RATE_LIMITED
    if status in (408, 504):
        return ErrorClass.TIMEOUT
    if status >= 500:
        return ErrorClass.UNAVAILABLE
    return REFUSED


def may_try_again(spec: ToolContractSpec, judged: Judged, attempts: int) -> bool:
    """Is another performance with the same key allowed after this many, and can it help?"""
    policy = spec.failure_policy
    return (
        judged.error is not None
        and judged.error.error_class in policy.retryable
        and attempts < policy.max_attempts
        and (contract.is_repeatable(spec) or not judged.was_sent)
    )


def altogether(spec: ToolContractSpec, earlier_unknown: bool, last: Judged) -> Judged:
    """What several performances under one claim came to: a failure proves nothing about the ones before it."""
    if last.status == "failed" and earlier_unknown and spec.side_effect is not SideEffect.READ_ONLY:
        return Judged(status="unknown", error=last.error, was_sent=True)
    return last


def attempts_allowed(spec: ToolContractSpec) -> int:
    """How often one claim may be performed by its owner."""
    return spec.failure_policy.max_attempts if spec.failure_policy.retryable else 1


def backoff_seconds(spec: ToolContractSpec, attempts: int) -> int:
    """The wait after this many performances: doubling."""
    return int(spec.failure_policy.backoff_seconds * 2 ** (attempts - 1))


def budget_seconds(spec: ToolContractSpec) -> int:
    """How long a claim may take: every attempt in full, and the waits between."""
    allowed = attempts_allowed(spec)
    waits = sum(backoff_seconds(spec, attempt) for attempt in range(1, allowed))
    return spec.timeout_seconds * allowed + waits


def _output(spec: ToolContractSpec, seen: Answer) -> bytes | types.Error:
    """The output as mapped and checked, or why it cannot be used."""
    if seen.is_cut:
        return _error("ResponseTooLarge", "the tool's answer is larger than allowed", INVALID, seen.status)
    try:
        output = canonical.dumps(_document(spec, seen))
        problems = schema.compile_schema(spec.schemas.output).problems(canonical.loads(output))
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


def _document(spec: ToolContractSpec, seen: Answer) -> Any:
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
    return cel.compile_expression(mapping, tuple(values)).evaluate(values)


def _of_text(text: str) -> Any:
    """A tool that has no structured content often writes JSON as text."""
    try:
        return canonical.loads(text.encode())
    except ValueError:
        return text


def _kind(error: Exception, media_type: str) -> str:
    """What went wrong, without any of the answer's content."""
    if isinstance(error, cel.EvaluationError | cel.CompileError):
        return "its response mapping failed"
    if not isinstance(error, ValueError):
        return "it has no JSON form"
    return f"it is {media_type}, not JSON" if media_type in _NAMED_TYPES else "it is not JSON"


def _error(reason: str, message: str, error_class: str, status: int | None = None) -> types.Error:
    text = message if len(message) <= _MOST_MESSAGE else message[: _MOST_MESSAGE - 1] + "…"
    return types.Error(reason=str(reason), message=text, error_class=str(error_class), status=status)
