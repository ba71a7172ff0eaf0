"""What becomes of what a run did that ends badly? It is undone, last first, in the shop's own books; or a person says so."""

from typing import Any

import pytest

from hack.local import careful
from hack.local.world import Tenant
from tests.e2e import person, record

pytestmark = pytest.mark.usefixtures("programs_stay_calm")

GOAL, TWICE = "Credit first and refund then", "Credit twice and write"


@pytest.fixture
def shop(tenant: Tenant) -> Tenant:
    """A tenant whose credits can be found and revoked, and an agent that may do so; the shop is healthy."""
    tenant.platform.shop("DELETE", "/faults")
    return tenant


def booked(shop: Tenant, *kinds: str) -> list[tuple[str, str]]:
    """Kind and amount of what this tenant's runs did, as the shop has it in its own books."""
    mine = {each["key"] for run in shop.items("executions") for each in keys(shop, run["metadata"]["name"])}
    return [
        (each["kind"], each["amount"])
        for each in shop.platform.ledger()
        if each["kind"] in kinds and each["key"] in mine
    ]


def keys(shop: Tenant, name: str) -> list[dict[str, str]]:
    """The keys of everything that a run claimed."""
    return [
        {"key": each["idempotency_key"]} for each in person.of_type(person.log(shop, name), "tool.called")
    ]


def cancel(shop: Tenant, name: str) -> None:
    """Cancel a run, as its requester."""
    shop.admin.run(
        "patch", "execution", name, "-n", shop.name, "--type=merge", "-p", '{"spec":{"cancel":true}}'
    )


def test_a_run_that_is_cancelled_undoes_what_it_did(shop: Tenant) -> None:
    """It waits for a person about a refund; cancelled, its credit is revoked, and the end says so."""
    careful.apply(shop, {})
    person.ask(shop, "cancelled-midway", GOAL, strategy=careful.AGENT)
    shop.until_gate("cancelled-midway")
    cancel(shop, "cancelled-midway")
    status = shop.until_phase("cancelled-midway", "Cancelled")
    assert status["outcome"] == "cancelled by spec.cancel; undone: credit.grant"
    assert booked(shop, "credit", "revocation", "refund") == [("credit", "3.00"), ("revocation", "3.00")]
    log = record.assert_sound(shop, "cancelled-midway")
    undone = [each for each in person.of_type(log, "tool.called") if each.get("undoes")]
    (made,) = [
        each for each in log if each["type"] == "tool.result" and each["data"]["tool"] == "credit.grant"
    ]
    assert [each["undoes"] for each in undone] == [made["seq"]]
    assert undone[0]["idempotency_key"] == f"undo{made['data']['idempotency_key']}"
    assert person.of_type(log, "exec.attempt")[-1]["reason"] == "Unwinding"
    said = person.keelstep(shop, "trace", "cancelled-midway")
    assert f"undoes event {made['seq']}" in said.output


def test_a_run_that_cannot_do_without_a_tool_fails_and_undoes_both_credits(shop: Tenant) -> None:
    """`onExhaust: Compensate`: the reply fails for good, and the credits are revoked, the last one first."""
    careful.apply(shop, {"ticket.reply": {"onExhaust": "Compensate", "retryable": []}})
    shop.platform.shop("POST", "/faults", {"path": "/tickets", "mode": "fail", "status": 422})
    person.ask(shop, "fails-and-undoes", TWICE, strategy=careful.AGENT)
    status = shop.until_phase("fails-and-undoes", "Failed")
    assert status["reason"] == "ToolExhausted"
    assert "undone: credit.grant (2 times)" in status["outcome"]
    assert booked(shop, "credit", "revocation") == [
        ("credit", "3.00"), ("credit", "4.00"), ("revocation", "4.00"), ("revocation", "3.00"),
    ]  # fmt: skip
    log = record.assert_sound(shop, "fails-and-undoes")
    assert [each["reason"] for each in person.of_type(log, "exec.unwinding")] == ["ToolExhausted"]
    assert person.of_type(log, "exec.attempt")[-1]["attempt"] == 1, "the same runner went on"


def test_what_cannot_be_undone_is_a_persons(shop: Tenant) -> None:
    """The shop refuses the revocation: a gate asks, somebody did it by hand, and the run ends."""
    careful.apply(shop, {})
    person.ask(shop, "undone-by-hand", GOAL, strategy=careful.AGENT)
    shop.until_gate("undone-by-hand")
    shop.platform.shop("POST", "/faults", {"path": "/credits", "mode": "fail", "status": 422, "times": 9})
    cancel(shop, "undone-by-hand")

    def asked() -> Any:
        found = [each for each in shop.items("approvalgates") if each["spec"]["question"] == "Undone"]
        return found[0] if found else None

    gate = shop.until("a person to be asked", asked)
    assert gate["spec"]["action"]["tool"] == "credit.revoke"
    assert shop.status("undone-by-hand")["phase"] == "Unwinding"
    shop.answer(gate, "Approved")
    status = shop.until_phase("undone-by-hand", "Cancelled")
    assert "undone: credit.grant" in status["outcome"]
    assert booked(shop, "revocation") == []
    record.assert_sound(shop, "undone-by-hand")


def test_a_call_that_came_to_nothing_is_made_again_once_a_person_says_so(shop: Tenant) -> None:
    """`onExhaust: Escalate`: the shop is down, somebody mends it and approves, and the call is made with the same key."""
    careful.apply(shop, {"credit.grant": {"onExhaust": "Escalate", "maxAttempts": 2}})
    shop.platform.shop("POST", "/faults", {"path": "/credits", "mode": "fail", "status": 429, "times": 9})
    person.ask(shop, "asked-again", GOAL, strategy=careful.AGENT)
    gate = shop.until_gate("asked-again")
    assert gate["spec"]["question"] == "CallAgain"
    assert "RateLimited" in gate["spec"]["evidence"]["policy"][0]
    shop.platform.shop("DELETE", "/faults")
    shop.answer(gate, "Approved")

    def next_question() -> Any:
        found = [each for each in shop.items("approvalgates") if each["spec"]["question"] == "Call"]
        return found[0] if found else None

    shop.answer(shop.until("the run to go on to its refund", next_question), "Rejected")
    shop.until_phase("asked-again", "Succeeded")
    assert booked(shop, "credit") == [("credit", "3.00")]
    claims = person.of_type(person.log(shop, "asked-again"), "tool.called")
    assert len({each["idempotency_key"] for each in claims if each["tool"] == "credit.grant"}) == 1
    record.assert_sound(shop, "asked-again")


def test_a_credit_whose_answer_was_lost_is_found_in_the_shops_books(shop: Tenant) -> None:
    """`reconcile`: the connection broke after the booking; a read finds it by its key, and nothing stays unknown."""
    careful.apply(shop, {"credit.grant": {"retryable": [], "reconcile": careful.FIND}})
    shop.platform.shop("POST", "/faults", {"path": "/credits", "mode": "cut-after-commit"})
    person.ask(shop, "found-again", GOAL, strategy=careful.AGENT)
    shop.until_gate("found-again")
    (result,) = [
        each for each in person.of_type(person.log(shop, "found-again"), "tool.result")
        if each["tool"] == "credit.grant"
    ]  # fmt: skip
    assert (result["status"], result["via"]) == ("ok", "credits.find")
    assert booked(shop, "credit") == [("credit", "3.00")]
