"""Does a gate hold? A tier-3 call runs once, for exactly what was approved, while the approval is valid."""

from typing import Any

import pytest

from examples.refund.testing import Shop
from keelstep.events import clock
from keelstep.log import ask
from tests.integration.gateway.conftest import Begin
from tests.integration.gateway.driver import Run
from tests.integration.gateway.programs import Program

REFUND = ("refund.issue", {"order_id": "1071", "amount": "189.00", "reason": "damaged"})


async def parked(begin: Begin) -> tuple[Run, int]:
    """A run that asked for its refund."""
    run = await begin()
    plan = await run.plan(REFUND)
    await run.gate(plan)
    return run, plan


async def test_a_tier_three_call_needs_a_gate_first(gateway: Program, begin: Begin) -> None:
    """Nothing is recorded: the runner is told to ask a person."""
    run = await begin()
    plan = await run.plan(REFUND)
    said = await run.tool(plan)
    assert said.kind is ask.Reply.GATE
    assert (await run.types())[-1] == "plan.proposed"


async def test_nothing_happens_while_a_person_is_asked(gateway: Program, begin: Begin) -> None:
    """A pending gate refuses calls and model calls alike."""
    run, plan = await parked(begin)
    assert (await run.tool(plan)).refusal.reason == "GatePending"
    assert (await run.model(ordinal=2)).refusal.reason == "GatePending"


async def test_an_approved_call_is_made_once_under_its_approval(
    gateway: Program, begin: Begin, shop: Shop
) -> None:
    """The claim names the decision, and the refund is booked once."""
    run, plan = await parked(begin)
    await run.decided(plan)
    await run.next_attempt()
    result = await run.result(plan)
    assert result.status == "ok"
    state = await run.state()
    assert state.gates[(plan, 0)].used
    assert len([each for each in await shop.ledger() if each["key"] == result.idempotency_key]) == 1


async def test_an_approval_that_lapsed_permits_nothing(gateway: Program, begin: Begin) -> None:
    """The time that counts is the broker's time of the claim."""
    run, plan = await parked(begin)
    await run.decided(plan, valid_until=clock.text(clock.now() - clock.SECOND))
    result = await run.result(plan)
    assert result.error is not None
    assert (result.status, result.error.reason) == ("denied", "ApprovalLapsed")


REFUSALS: dict[str, tuple[dict[str, Any], str]] = {
    "a rejection is a no": ({"verdict": "rejected"}, "GateRejected"),
    "silence is a no": ({"verdict": "expired"}, "GateExpired"),
    "an approval of other arguments is none": ({"args_digest": "0" * 64}, "ApprovalMismatch"),
    "an approval of another contract is none": ({"contract_digest": "0" * 64}, "ApprovalMismatch"),
}


@pytest.mark.parametrize("case", REFUSALS.values(), ids=REFUSALS.keys())
async def test_what_was_not_approved_is_denied(
    gateway: Program, begin: Begin, shop: Shop, case: tuple[dict[str, Any], str]
) -> None:
    """Denied with the reason, and the shop never hears of it."""
    decision, reason = case
    before = (await shop.state())["calls"].get("/refunds", 0)
    run, plan = await parked(begin)
    await run.decided(plan, **decision)
    result = await run.result(plan)
    assert result.error is not None
    assert (result.status, result.error.reason) == ("denied", reason)
    assert (await shop.state())["calls"].get("/refunds", 0) == before
