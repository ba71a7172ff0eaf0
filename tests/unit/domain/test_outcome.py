"""What does it mean that a tool answered so? The table of outcomes, row by row."""

from typing import Any

import pytest

from keelstep.domain import outcome
from keelstep.domain.outcome import Answer, Judged, NoAnswer, Seen
from keelstep.events import types
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


AGAIN: dict[str, tuple[Seen, str, int, bool]] = {
    "a retryable failure": (answered(429), "Keyed", 1, True),
    "a retryable failure at the last attempt": (answered(429), "Keyed", 3, False),
    "a failure that the contract does not list": (answered(404), "Keyed", 1, False),
    "a call that is not idempotent, once sent": (answered(429), "None", 1, False),
    "a call that is not idempotent, never sent": (
        NoAnswer(reason="X", message="", error_class="Unavailable", was_sent=False),
        "None",
        1,
        True,
    ),
    "a success": (answered(200), "Keyed", 1, False),
}


@pytest.mark.parametrize("case", AGAIN.values(), ids=AGAIN.keys())
def test_may_be_tried_again(case: tuple[Seen, str, int, bool]) -> None:
    """By class and count, and never after the first byte where a second effect could follow."""
    seen, mode, attempts, expected = case
    contract = spec(WRITE, idempotency={"mode": mode})
    assert outcome.may_try_again(contract, outcome.judge(contract, seen), attempts) is expected


def test_a_failure_proves_nothing_about_the_attempts_before_it() -> None:
    """Unknown, then refused: it may have happened the first time. A read cannot have."""
    last = Judged(status="failed", error=types.Error(reason="Refused"))
    assert outcome.altogether(spec(WRITE), True, last).status == "unknown"
    assert outcome.altogether(spec(WRITE), False, last).status == "failed"
    assert outcome.altogether(spec(READ), True, last).status == "failed"


def test_a_claim_lasts_for_every_attempt_and_the_waits_between() -> None:
    """30 s three times, and 1 + 2 s; one attempt only where nothing is retryable."""
    assert outcome.budget_seconds(spec(WRITE)) == 30 * 3 + 1 + 2
    assert outcome.budget_seconds(pinned.contract(*WRITE)) == 30


@pytest.mark.parametrize("most", [1, 2, 5])
def test_a_call_is_tried_as_often_as_the_contract_says(most: int) -> None:
    """`maxAttempts` counts the first one."""
    patient = pinned.contract(*READ, failurePolicy={"retryable": ["Unavailable"], "maxAttempts": most})
    judged = outcome.judge(patient, answered(503))
    tried = [attempts for attempts in range(1, 9) if outcome.may_try_again(patient, judged, attempts)]
    assert tried == list(range(1, most))
    assert outcome.attempts_allowed(patient) == most


@pytest.mark.parametrize("error_class", ["RateLimited", "Unavailable", "Timeout"])
def test_only_the_classes_that_the_contract_names_are_tried_again(error_class: str) -> None:
    """None by default; each by its name."""
    statuses = {"RateLimited": 429, "Unavailable": 503, "Timeout": 504}
    named = pinned.contract(*READ, failurePolicy={"retryable": [error_class]})
    for each, status in statuses.items():
        judged = outcome.judge(named, answered(status))
        assert outcome.may_try_again(named, judged, 1) is (each == error_class)
        assert not outcome.may_try_again(pinned.contract(*READ), judged, 1)


def test_the_wait_before_another_attempt_is_the_contracts_and_doubles() -> None:
    """4, 8, 16 s; none where the contract says so. A claim lasts through all of them."""
    policy = {"retryable": ["Unavailable"], "maxAttempts": 4}
    slow = pinned.contract(*WRITE, failurePolicy={**policy, "backoffSeconds": 4}, timeoutSeconds=10)
    assert [outcome.backoff_seconds(slow, attempts) for attempts in (1, 2, 3)] == [4, 8, 16]
    assert outcome.budget_seconds(slow) == 4 * 10 + 4 + 8 + 16
    hasty = pinned.contract(*WRITE, failurePolicy={**policy, "backoffSeconds": 0}, timeoutSeconds=10)
    assert outcome.budget_seconds(hasty) == 40


def _http(**fields: str) -> dict[str, Any]:
    return {"http": {"method": "POST", "url": "http://127.0.0.1/x", **fields}}
