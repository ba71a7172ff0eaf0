"""What becomes of a run whose tool misbehaves? Nothing is done twice, and nothing unknown is called done."""

from collections.abc import Iterator
from typing import Any

import pytest

from hack.local.world import AUTHOR, Tenant
from tests.e2e import person, record

pytestmark = pytest.mark.usefixtures("programs_stay_calm")

TOOL, PATH = "credit.grant", "/credits"
ADVICE = "nobody knows whether credit.grant happened"

MISBEHAVES: dict[str, tuple[dict[str, Any], str, str, int]] = {
    "answers 500": ({"mode": "fail", "status": 500}, "Unavailable", "the tool answered 500", 0),
    "answers HTML": (
        {"mode": "html"},
        "OutputInvalid",
        "the tool's answer cannot be read: it is text/html, not JSON",
        1,
    ),
    "answers off its schema": (
        {"mode": "wrong-shape"},
        "OutputInvalid",
        "the tool's answer does not match its schema: (root): ",
        1,
    ),
    "says nothing until the timeout": (
        {"mode": "hold-before", "times": 9},
        "Timeout",
        "the tool did not answer within ",
        0,
    ),
    "commits and cuts the connection": (
        {"mode": "cut-after-commit"},
        "ConnectionFailed",
        "the connection broke before the tool answered",
        1,
    ),
}


@pytest.fixture(scope="module")
def impatient(shared: Tenant) -> Tenant:
    """A tenant whose contract waits a second for the tool, and takes its answer as it is."""
    credit = next(each for each in shared.manifests("contracts.yaml") if each["metadata"]["name"] == TOOL)
    output = {"type": "object", "required": ["id"], "properties": {"id": {"type": "string"}}}
    changes = {
        "timeoutSeconds": 1,
        "failurePolicy": {"backoffSeconds": 0},
        "schema": {"output": output},
        "transport": {"http": {"response": None}},
    }
    shared.apply(shared.person(AUTHOR), [person.changed(credit, TOOL, changes)])

    def is_known() -> bool:
        found = shared.get("toolcontracts", TOOL)
        seen = found["status"].get("observedGeneration")
        return bool(seen == found["metadata"]["generation"])

    shared.until("the changed contract to be known", is_known)
    return shared


@pytest.fixture
def shop(impatient: Tenant) -> Iterator[Tenant]:
    """The same, healthy again after the test."""
    yield impatient
    impatient.platform.shop("DELETE", "/faults")


def credits(tenant: Tenant) -> int:
    """Store credits in the shop's own books."""
    return sum(each["kind"] == "credit" for each in tenant.platform.ledger())


@pytest.mark.parametrize("sentence", MISBEHAVES)
def test_a_tool_that(sentence: str, shop: Tenant) -> None:
    """One claim, one result `unknown` with the reason; the run goes on, and condition and Event tell a person to look."""
    fault, reason, says, booked = MISBEHAVES[sentence]
    name, before = "-".join(sentence.lower().split()), credits(shop)
    shop.platform.shop("POST", "/faults", {"path": PATH, **fault})
    person.ask(shop, name, "Grant one credit")
    status = shop.until_phase(name, "Succeeded", "Failed")
    assert (status["phase"], status["reason"], status["attempt"]) == ("Succeeded", "Completed", 1)
    assert ADVICE in person.condition(status, "Succeeded")["message"]
    event = person.until_told(shop, name, "OutcomeUnknown")
    assert event["type"] == "Warning"
    assert event["message"].startswith(ADVICE)
    log = record.assert_sound(shop, name)
    results = [each for each in person.of_type(log, "tool.result") if each["tool"] == TOOL]
    assert [(each["status"], each["error"]["reason"]) for each in results] == [("unknown", reason)]
    assert results[0]["error"]["message"].startswith(says)
    assert credits(shop) - before == booked


def test_what_may_have_happened_is_not_done_again(shop: Tenant) -> None:
    """The model asks for another amount: denied `OutcomeUnknown`, without a claim, and the books hold one credit."""
    agent = next(
        each for each in shop.manifests("strategies.yaml") if each["metadata"]["name"] == "support-agent"
    )
    tools = {"tools": [{"contract": TOOL}, {"contract": "ticket.reply"}], "successCriteria": []}
    shop.apply(shop.person(AUTHOR), [person.changed(agent, "insistent-agent", tools)])
    before = credits(shop)
    shop.platform.shop("POST", "/faults", {"path": PATH, "mode": "cut-after-commit"})
    person.ask(shop, "insists", "Insist on a credit", strategy="insistent-agent")
    shop.until_phase("insists", "Succeeded", "Failed")
    log = record.assert_sound(shop, "insists")
    results = [each for each in person.of_type(log, "tool.result") if each["tool"] == TOOL]
    assert [(each["status"], each["error"]["reason"]) for each in results] == [
        ("unknown", "ConnectionFailed"),
        ("denied", "OutcomeUnknown"),
    ]
    assert credits(shop) - before == 1


def test_a_refusal_that_the_contract_lists_proves_that_nothing_happened(shop: Tenant) -> None:
    """`failed`, and nobody is sent to look."""
    before = credits(shop)
    shop.platform.shop("POST", "/faults", {"path": PATH, "mode": "fail", "status": 422})
    person.ask(shop, "refused", "Grant one credit")
    status = shop.until_phase("refused", "Succeeded", "Failed")
    results = person.of_type(person.log(shop, "refused"), "tool.result")
    assert (results[0]["status"], results[0]["error"]["reason"]) == ("failed", "Refused")
    assert ADVICE not in person.condition(status, "Succeeded")["message"]
    assert credits(shop) == before
