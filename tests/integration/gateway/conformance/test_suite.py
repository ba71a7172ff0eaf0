"""Is a tool that keeps its contract told from one that does not? Nothing passes that was not shown."""

import contextlib
from dataclasses import replace
from typing import Any

import aiohttp
import pytest

from keelstep.kinds.failure import ErrorClass
from keelstep_gateway.conformance import proxy, suite
from keelstep_gateway.conformance.cases import Case, Related, completed
from keelstep_gateway.conformance.report import Report, Verdict
from keelstep_gateway.transports.egress import Egress
from tests.integration.gateway.conformance import ledger
from tests.integration.gateway.conformance.ledger import CASE, Ledger, Manner

EVERY = ["Timeout", "RateLimited", "Unavailable", "ConnectionFailed"]


async def report_of(
    tool: Ledger, case: Case = CASE, *, may_act: bool = True, fields: dict[str, Any] | None = None
) -> Report:
    """The report on `book`."""
    contracts = tool.contracts(**(fields or {}))
    plan = suite.Plan(contracts=contracts, cases={}, may_act=may_act, edges=6)
    report, _ = await suite.live(contracts["book"], completed(contracts["book"], case), plan)
    return report


def verdicts(report: Report, *names: str) -> dict[str, Verdict]:
    """The answers to some questions, or to all."""
    return {each.name: each.verdict for each in report.checks if not names or each.name in names}


async def test_a_tool_that_keeps_its_contract_passes() -> None:
    """Every question, with a digest that the same pass gives again."""
    async with ledger.running(Manner.HONEST) as tool:
        fields = {"failurePolicy": {"retryable": EVERY, "retryableStatuses": [409, 425]}}
        report = await report_of(tool, fields=fields)
        assert verdicts(report) == dict.fromkeys(
            (
                *("Definition", "Examples", "EdgeArguments", "Answers", "Timeout"),
                *(f"Retryable/{each}" for each in (*EVERY, 409, 425)),
                *("Idempotency/Repeated", "Idempotency/AtOnce", "Idempotency/AfterCut", "Compensation"),
            ),
            Verdict.PASSED,
        )
        assert report.verdict is Verdict.PASSED
        assert report.digest == (await report_of(tool, fields=fields)).digest
    assert report.latency is not None
    assert report.latency.suggested_timeout_seconds >= 1


FAILINGS: dict[str, tuple[Manner, dict[str, Verdict]]] = {
    "books every call": (
        Manner.FORGETFUL,
        {
            "Idempotency/Repeated": Verdict.FAILED,
            "Idempotency/AtOnce": Verdict.FAILED,
            "Idempotency/AfterCut": Verdict.FAILED,
        },
    ),
    "looks first and books later": (
        Manner.RACY,
        {
            "Idempotency/Repeated": Verdict.PASSED,
            "Idempotency/AtOnce": Verdict.FAILED,
            "Idempotency/AfterCut": Verdict.PASSED,
        },
    ),
    "knows a key again on its own connection alone": (
        Manner.PER_CONNECTION,
        {"Idempotency/AfterCut": Verdict.FAILED},
    ),
    "refuses a repeated call": (
        Manner.REFUSING,
        {
            "Idempotency/Repeated": Verdict.FAILED,
            "Idempotency/AtOnce": Verdict.PASSED,
            "Idempotency/AfterCut": Verdict.FAILED,
        },
    ),
    "says that it booked": (
        Manner.IDLE,
        {"Idempotency/Repeated": Verdict.NOT_PROVEN, "Compensation": Verdict.NOT_PROVEN},
    ),
    "breaks on an empty note": (Manner.FRAGILE, {"EdgeArguments": Verdict.FAILED}),
    "answers in another shape": (
        Manner.STRANGE,
        {"Answers": Verdict.FAILED, "Idempotency/Repeated": Verdict.FAILED},
    ),
    "says that it undid": (Manner.STUBBORN, {"Compensation": Verdict.FAILED}),
    "never succeeds": (
        Manner.FAILING,
        {
            "Answers": Verdict.NOT_PROVEN,
            "Idempotency/Repeated": Verdict.NOT_PROVEN,
            "Compensation": Verdict.NOT_PROVEN,
        },
    ),
}


@pytest.mark.parametrize("sentence", FAILINGS)
async def test_a_tool_does_not_pass_that(sentence: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the question it fails, and the contract as a whole."""
    manner, expected = FAILINGS[sentence]
    monkeypatch.setattr("keelstep_gateway.conformance.repetition.SETTLE_SECONDS", 0.2)
    async with ledger.running(manner) as tool:
        report = await report_of(tool)
    assert verdicts(report, *expected) == expected
    assert report.verdict in (Verdict.FAILED, Verdict.NOT_PROVEN)
    assert report.digest == ""


async def test_nothing_acts_that_was_not_allowed() -> None:
    """The tool is not even asked, and nothing of what it does is proven."""
    async with ledger.running(Manner.HONEST) as tool:
        report = await report_of(tool, may_act=False)
        assert tool.total == 0
    assert set(verdicts(report).values()) == {Verdict.PASSED, Verdict.NOT_PROVEN, Verdict.SKIPPED}
    assert report.verdict is Verdict.NOT_PROVEN
    assert verdicts(report)["Idempotency/Repeated"] is Verdict.NOT_PROVEN


UNCOUNTED: dict[str, tuple[Case, str]] = {
    "nobody says how": (Case(contract="book"), "nothing counts effects"),
    "it is only known whether": (
        Case(contract="book", effects=Related(contract="list", arguments="`{}`")),
        "whether, not how often",
    ),
    "by a contract that is not there": (
        Case(contract="book", effects=Related(contract="none", arguments="`{}`", count="1")),
        "nothing counts effects",
    ),
    "by a contract that acts": (
        Case(contract="book", effects=Related(contract="undo", arguments="{id: '1'}", count="1")),
        "nothing counts effects",
    ),
    "by an expression that fails": (
        Case(contract="book", effects=Related(contract="list", arguments="`{}`", count="output.none")),
        "count of list",
    ),
}


@pytest.mark.parametrize("sentence", UNCOUNTED)
async def test_effects_that_cannot_be_counted_prove_nothing(sentence: str) -> None:
    """Not even of a tool that is honest."""
    case, part = UNCOUNTED[sentence]
    async with ledger.running(Manner.HONEST) as tool:
        report = await report_of(tool, case)
    found = next(each for each in report.checks if each.name == "Idempotency/Repeated")
    assert found.verdict is Verdict.NOT_PROVEN
    assert part in found.message


PROMISES: dict[str, tuple[dict[str, Any], dict[str, Verdict]]] = {
    "no idempotency": (
        {"idempotency": {"mode": "None"}, "failurePolicy": {"retryable": ["Timeout"]}},
        {"Idempotency": Verdict.SKIPPED, "Retryable": Verdict.SKIPPED},
    ),
    "nothing retryable": ({}, {"Retryable": Verdict.SKIPPED}),
    "one attempt": (
        {"failurePolicy": {"retryable": EVERY, "maxAttempts": 1}},
        {"Retryable": Verdict.SKIPPED},
    ),
    "to try again what counts as a success": (
        {
            "failurePolicy": {"retryableStatuses": [202]},
            "schema": {"input": {"type": "object"}, "output": {}},
        },
        {"Retryable/202": Verdict.NOT_PROVEN},
    ),
    "examples that are none": (
        {
            "schema": {
                "input": {"type": "object", "properties": {"n": {"type": "integer", "examples": ["one"]}}},
                "output": {},
            }
        },
        {"Examples": Verdict.FAILED},
    ),
    "a schema that does not compile": (
        {"schema": {"input": {"type": "objekt"}, "output": {}}},
        {"Definition": Verdict.FAILED},
    ),
}


@pytest.mark.parametrize("sentence", PROMISES)
async def test_a_contract_is_held_to_what_it_promises(sentence: str) -> None:
    """No more, and what is wrong in itself is found before anybody is asked."""
    fields, expected = PROMISES[sentence]
    async with ledger.running(Manner.HONEST) as tool:
        report = await report_of(tool, replaced(CASE, arguments={}), fields=fields)
    assert verdicts(report, *expected) == expected


def replaced(case: Case, **fields: Any) -> Case:
    """The case, but for these."""
    return Case(**{**{name: getattr(case, name) for name in case.__struct_fields__}, **fields})


async def test_a_tool_that_takes_longer_than_its_contract_says_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """The contract's own time is what counts."""
    monkeypatch.setattr(ledger, "_THINKING_SECONDS", 1.5)
    async with ledger.running(Manner.RACY) as tool:
        report = await report_of(tool, fields={"timeoutSeconds": 1})
    assert verdicts(report, "Timeout") == {"Timeout": Verdict.FAILED}


async def test_a_read_is_proven_without_leave_to_act() -> None:
    """It changes nothing, so it is called at once."""
    async with ledger.running(Manner.HONEST) as tool:
        contracts = tool.contracts()
        listed = contracts["list"]
        spec = listed.spec.model_copy(
            update={
                "failure_policy": listed.spec.failure_policy.model_copy(
                    update={"retryable": list(ErrorClass)}
                )
            }
        )
        plan = suite.Plan(contracts=contracts, cases={}, edges=4)
        reading = replace(listed, spec=spec)
        report, _ = await suite.live(reading, completed(reading, None), plan)
    assert report.verdict is Verdict.PASSED
    assert {f"Retryable/{each}" for each in EVERY} <= set(verdicts(report))


async def test_nobody_else_gets_to_the_tool_by_the_tests_own_proxy() -> None:
    """It shows the contract's client certificate to whoever it lets through."""
    async with ledger.running(Manner.HONEST) as tool, contextlib.AsyncExitStack() as stack:
        spec = tool.contracts()["book"].spec
        way_out = Egress()
        stack.push_async_callback(way_out.close)
        between = await stack.enter_async_context(proxy.between(spec, way_out, None))
        led = between.before(spec).transport.http
        assert led is not None
        mine = {header.name: header.value for header in led.headers}
        async with aiohttp.ClientSession(headers={"Idempotency-Key": "k"}) as session:
            for headers, status in (({}, 403), ({**mine, proxy.TOKEN: "x"}, 403), (mine, 201)):
                async with session.post(led.url, json={"note": "a"}, headers=headers) as answered:
                    assert answered.status == status
        assert tool.total == 1
