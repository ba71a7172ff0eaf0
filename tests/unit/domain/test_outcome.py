"""What does it mean that a tool answered so? The table of outcomes, row by row."""

from typing import Any

import pytest

from keelstep.domain import cel, outcome
from keelstep.domain.outcome import Answer, NoAnswer, Seen
from keelstep.kinds.contract import ToolContractSpec
from tests.unit.domain import pinned

READ = ("ReadOnly", 0)
WRITE = ("Reversible", 1)
POLICY = {"retryable": ["RateLimited", "Unavailable"], "maxAttempts": 3, "notPerformed": [422, 503]}


def spec(kind: tuple[str, int], **fields: Any) -> ToolContractSpec:
    """A contract whose output must be an object with an id."""
    schema = {
        "input": {"type": "object"},
        "output": {"type": "object", "required": ["id"], "properties": {"id": {"type": "string"}}},
    }
    return pinned.contract(*kind, schema=schema, failurePolicy=POLICY, **fields)


def answered(status: int, body: bytes = b'{"id": "1"}') -> Answer:
    """The tool answered."""
    return Answer(status=status, body=body)


def silent(*, was_sent: bool) -> NoAnswer:
    """The tool did not answer."""
    return NoAnswer(reason="Timeout", message="no answer", error_class="Timeout", was_sent=was_sent)


ROWS: dict[str, tuple[Seen, str, str, str]] = {
    "nothing was sent": (silent(was_sent=False), "failed", "failed", "Timeout"),
    "no answer after the first byte": (silent(was_sent=True), "unknown", "failed", "Timeout"),
    "a valid output": (answered(200), "ok", "ok", ""),
    "created, with a valid output": (answered(201), "ok", "ok", ""),
    "no JSON after a success": (answered(200, b"<html>"), "unknown", "failed", "OutputInvalid"),
    "nothing after a success": (answered(204, b""), "unknown", "failed", "OutputInvalid"),
    "another shape after a success": (answered(200, b"{}"), "unknown", "failed", "OutputInvalid"),
    "too much after a success": (
        Answer(status=200, body=b"", is_cut=True),
        "unknown",
        "failed",
        "ResponseTooLarge",
    ),
    "a status that proves nothing happened": (answered(422), "failed", "failed", "Refused"),
    "a server error that proves nothing happened": (answered(503), "failed", "failed", "Unavailable"),
    "a status that proves nothing": (answered(404), "unknown", "failed", "Refused"),
    "a server error": (answered(500), "unknown", "failed", "Unavailable"),
    "too many requests": (answered(429), "unknown", "failed", "RateLimited"),
    "a gateway's timeout": (answered(504), "unknown", "failed", "Timeout"),
    "a redirect, which is not followed": (answered(302), "unknown", "failed", "Refused"),
}


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS.keys())
def test_means(row: tuple[Seen, str, str, str]) -> None:
    """`failed` only where nothing happened; a tool that only reads cannot have done anything."""
    seen, of_write, of_read, reason = row
    for kind, status in ((WRITE, of_write), (READ, of_read)):
        judged = outcome.judge(spec(kind), seen)
        assert judged.status == status
        assert (judged.error.reason if judged.error is not None else "") == reason
        assert (judged.output is not None) == (status == "ok")


def test_the_response_mapping_makes_the_output() -> None:
    """CEL over status and body."""
    mapped = spec(WRITE, transport=_http(response='{"id": body.ref, "code": status}'))
    judged = outcome.judge(mapped, answered(201, b'{"ref": "a"}'))
    assert judged.output == b'{"code":201,"id":"a"}'


def test_a_response_mapping_that_fails_makes_no_output() -> None:
    """A missing field is not an answer, and nothing of the answer is told."""
    mapped = spec(WRITE, transport=_http(response='{"id": body.ref}'))
    judged = outcome.judge(mapped, answered(200, b'{"secret": "canary"}'))
    assert judged.error is not None
    assert (judged.status, judged.error.reason) == ("unknown", "OutputInvalid")
    assert "canary" not in judged.error.message


def test_an_expression_that_takes_too_long_makes_no_output_and_proves_nothing() -> None:
    """Whoever evaluates it apart may give it up: then nobody knows, and a person reads why."""

    def endless(expression: cel.Expression, *_: object) -> Any:
        raise cel.CostError("body.filter(x, x)")

    mapped = spec(WRITE, transport=_http(response="body"))
    judged = outcome.judge(mapped, answered(200, b'{"id": "1"}'), endless)
    assert judged.error is not None
    assert (judged.status, judged.error.reason) == ("unknown", "OutputInvalid")
    assert "takes too long" in judged.error.message
    condition = _judging({"notPerformedWhen": "true"})
    assert outcome.judge(condition, answered(500, b"{}"), endless).status == "unknown"
    assert outcome.judge(condition, answered(500, b"{}")).status == "failed"


SAYS: dict[str, tuple[dict[str, str], Seen, str, str, bool]] = {
    "a status that proves nothing, and a body that proves that nothing happened": (
        {"notPerformedWhen": "body.error == 'rejected'"},
        answered(500, b'{"error": "rejected"}'),
        "failed",
        "Unavailable",
        False,
    ),
    "a success that says that it is none": (
        {"notPerformedWhen": "status == 200 && !body.ok"},
        answered(200, b'{"ok": false, "id": "1"}'),
        "failed",
        "ToolFailed",
        False,
    ),
    "a success that says that it is one": (
        {"notPerformedWhen": "status == 200 && !body.ok"},
        answered(200, b'{"ok": true, "id": "1"}'),
        "ok",
        "",
        False,
    ),
    "a success that asks to come back": (
        {"retryWhen": "status == 202"},
        answered(202),
        "unknown",
        "ToolFailed",
        True,
    ),
    "a refusal that asks to come back": (
        {"retryWhen": "body.busy"},
        answered(409, b'{"busy": true}'),
        "unknown",
        "Refused",
        True,
    ),
    "a condition that fails on the answer": (
        {"retryWhen": "body.busy", "notPerformedWhen": "body.gone.already"},
        answered(409, b"{}"),
        "unknown",
        "Refused",
        False,
    ),
    "a condition that yields no truth": (
        {"notPerformedWhen": "status"},
        answered(409),
        "unknown",
        "Refused",
        False,
    ),
    "a body that is no JSON is null": (
        {"notPerformedWhen": "body == null"},
        answered(500, b"<html>"),
        "failed",
        "Unavailable",
        False,
    ),
    "no answer, whatever the conditions say": (
        {"notPerformedWhen": "true", "retryWhen": "true"},
        silent(was_sent=True),
        "unknown",
        "Timeout",
        False,
    ),
}


@pytest.mark.parametrize("row", SAYS.values(), ids=SAYS.keys())
def test_a_contracts_own_conditions_say(row: tuple[dict[str, str], Seen, str, str, bool]) -> None:
    """CEL over the answer: whether nothing happened, and whether to come back; a condition that fails proves nothing."""
    policy, seen, status, reason, asks_again = row
    found = outcome.judge(_judging(policy), seen)
    assert (found.status, found.error.reason if found.error else "", found.asks_again) == (
        status,
        reason,
        asks_again,
    )


MCP: dict[str, tuple[str, str, bool]] = {
    "a refusal in its own words": ('isError && text.contains("no such")', "failed", False),
    "its structured content": ("structured.code == 7", "failed", False),
    "something else": ("!isError", "unknown", False),
}


@pytest.mark.parametrize("row", MCP.values(), ids=MCP.keys())
def test_an_mcp_tool_that_fails_is_asked_why(row: tuple[str, str, bool]) -> None:
    """Its answer is judged by the contract's conditions, and never repeated in a message."""
    condition, status, _ = row
    mcp = {"mcp": {"tool": "x", "http": {"url": "http://127.0.0.1/mcp"}}}
    policy = {"notPerformedWhen": condition}
    body = b'{"structured": {"code": 7}, "text": "no such order 1042", "content": []}'
    seen = NoAnswer(reason="ToolFailed", message="x", error_class="Refused", was_sent=True, body=body)
    found = outcome.judge(pinned.contract(*WRITE, transport=mcp, failurePolicy=policy), seen)
    assert found.status == status
    assert "1042" not in (found.error.message if found.error is not None else "")


def test_a_status_that_is_all_there_is_of_a_call_by_mcp_counts_as_any_other() -> None:
    """A server that refuses at its door has done nothing, where the contract says so."""
    mcp = {"mcp": {"tool": "x", "http": {"url": "http://127.0.0.1/mcp"}}}
    seen = NoAnswer(reason="RateLimited", message="x", error_class="RateLimited", was_sent=True, status=429)
    listed = pinned.contract(*WRITE, transport=mcp, failurePolicy={"notPerformed": [429]})
    assert outcome.judge(listed, seen).status == "failed"
    assert outcome.judge(pinned.contract(*WRITE, transport=mcp), seen).status == "unknown"


def _judging(policy: dict[str, str]) -> ToolContractSpec:
    schema = {"input": {"type": "object"}, "output": {"type": "object", "required": ["id"]}}
    return pinned.contract(*WRITE, schema=schema, failurePolicy=policy)


def _http(**fields: str) -> dict[str, Any]:
    return {"http": {"method": "POST", "url": "http://127.0.0.1/x", **fields}}
