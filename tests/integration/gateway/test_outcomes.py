"""What is recorded when a tool misbehaves? `failed` only where nothing happened, else `unknown`, and the world as it is."""

from typing import Any

import pytest

from examples.refund.testing import Shop
from tests.integration.gateway.conftest import Begin
from tests.integration.gateway.driver import Run, Spec
from tests.integration.gateway.programs import Fleet, Program

CREDIT = ("credit.grant", {"order_id": "1042", "amount": "4.00"})
REPLY = ("ticket.reply", {"ticket_id": "T-1042", "message": "Dear Lena"})
READ = ("orders.get", {"order_id": "1042"})


async def booked(shop: Shop, run: Run, plan: int) -> int:
    """How often this call is in the shop's own ledger."""
    key = (await run.state()).results[(plan, 0)].data.idempotency_key
    return len([each for each in await shop.ledger() if each["key"] == key])


MISBEHAVIOUR = {
    "a write that the tool refuses with a listed status has failed": (
        CREDIT,
        {"path": "/credits", "mode": "fail", "status": 422},
        ("failed", "Refused", 0),
    ),
    "a write answered by an unlisted error may have happened": (
        CREDIT,
        {"path": "/credits", "mode": "fail", "status": 500},
        ("unknown", "Unavailable", 0),
    ),
    "a write whose connection is cut may have happened": (
        CREDIT,
        {"path": "/credits", "mode": "cut-after-commit"},
        ("unknown", "ConnectionFailed", 1),
    ),
    "a write answered with HTML may have happened": (
        CREDIT,
        {"path": "/credits", "mode": "html"},
        ("unknown", "OutputInvalid", 1),
    ),
    "a write answered with half a document may have happened": (
        CREDIT,
        {"path": "/credits", "mode": "malformed"},
        ("unknown", "OutputInvalid", 1),
    ),
    "a write answered off its schema may have happened": (
        CREDIT,
        {"path": "/credits", "mode": "wrong-shape"},
        ("unknown", "OutputInvalid", 1),
    ),
    "a read answered with HTML has failed": (
        READ,
        {"path": "/orders", "mode": "html"},
        ("failed", "OutputInvalid", 0),
    ),
    "a read that is refused has failed": (
        ("orders.get", {"order_id": "9999"}),
        None,
        ("failed", "Refused", 0),
    ),
}


@pytest.mark.parametrize("case", MISBEHAVIOUR.values(), ids=MISBEHAVIOUR.keys())
async def test_a_tool_that_misbehaves_leaves_the_truth(
    gateway: Program, begin: Begin, shop: Shop, case: tuple[Any, dict[str, Any] | None, tuple[str, str, int]]
) -> None:
    """Whatever comes back, the result says no more than is known."""
    call, fault, (status, reason, bookings) = case
    if fault is not None:
        await shop.fault(**fault)
    run = await begin()
    plan = await run.plan(call)
    result = await run.result(plan)
    assert result.error is not None
    assert (result.status, result.error.reason) == (status, reason)
    assert await booked(shop, run, plan) == bookings


async def test_a_tool_that_is_too_slow_times_out(
    gateway: Program, begin: Begin, shop: Shop, contracts: dict[str, Spec]
) -> None:
    """The contract's time counts from connect to the last byte; a write that ran out of it may have happened."""
    contracts["credit.grant"] |= {"timeoutSeconds": 1, "failurePolicy": {}}
    await shop.fault("/credits", "hold-before")
    run = await begin()
    plan = await run.plan(CREDIT)
    result = await run.result(plan)
    assert result.error is not None
    assert (result.status, result.error.reason, result.attempts) == ("unknown", "Timeout", 1)
    assert result.latency_ms < 10_000  # and not the default 30 s
    await shop.release()


async def test_a_retryable_failure_is_tried_again_with_the_same_key(
    gateway: Program, begin: Begin, shop: Shop, contracts: dict[str, Spec]
) -> None:
    """Two attempts, one key, one booking, one result that counts both."""
    contracts["credit.grant"]["failurePolicy"] |= {"backoffSeconds": 0}
    await shop.fault("/credits", "fail", status=429, times=2)
    run = await begin()
    plan = await run.plan(CREDIT)
    result = await run.result(plan)
    assert (result.status, result.attempts) == ("ok", 3)
    assert await booked(shop, run, plan) == 1
    assert (await run.types())[-4:] == ["tool.called", "tool.retried", "tool.retried", "tool.result"]


async def test_a_call_that_is_tried_again_waits_first_as_long_as_the_contract_says(
    gateway: Program, begin: Begin, shop: Shop, contracts: dict[str, Spec]
) -> None:
    """`backoffSeconds`, not less, before the second attempt."""
    contracts["credit.grant"]["failurePolicy"] |= {"backoffSeconds": 2}
    await shop.fault("/credits", "fail", status=429, times=1)
    run = await begin()
    result = await run.result(await run.plan(CREDIT))
    assert (result.status, result.attempts) == ("ok", 2)
    assert result.latency_ms >= 2_000


async def test_a_call_that_is_not_idempotent_is_never_sent_twice(
    gateway: Program, begin: Begin, shop: Shop, contracts: dict[str, Spec]
) -> None:
    """Whatever the contract calls retryable: after the first byte there is no second try."""
    contracts["ticket.reply"] |= {
        "idempotency": {"mode": "None"},
        "failurePolicy": {"retryable": ["Unavailable", "ConnectionFailed", "Timeout"], "backoffSeconds": 0},
    }
    before = (await shop.state())["calls"].get("/tickets/T-1042/replies", 0)
    await shop.fault("/tickets", "cut-after-commit")
    run = await begin()
    result = await run.result(await run.plan(REPLY))
    assert (result.status, result.attempts) == ("unknown", 1)
    assert (await shop.state())["calls"]["/tickets/T-1042/replies"] == before + 1


async def test_after_an_unknown_outcome_the_contract_is_not_called_again(
    gateway: Program, begin: Begin, shop: Shop, strategy: Spec
) -> None:
    """Not with other arguments either: a person must find out first."""
    strategy["tools"] = [{"contract": "credit.grant"}]
    await shop.fault("/credits", "fail", status=500)
    run = await begin()
    assert (await run.result(await run.plan(CREDIT))).status == "unknown"
    plan = await run.plan(("credit.grant", {"order_id": "1042", "amount": "5.00"}), ordinal=2)
    result = await run.result(plan)
    assert result.error is not None
    assert (result.status, result.error.reason) == ("denied", "OutcomeUnknown")


async def test_an_unknown_outcome_costs_its_estimate_and_a_failed_one_nothing(
    gateway: Program, begin: Begin, shop: Shop
) -> None:
    """Nobody knows whether it was billed, so it was."""
    await shop.fault("/credits", "fail", status=500)
    await shop.fault("/tickets", "fail", status=422)
    run = await begin()
    plan = await run.plan(CREDIT, REPLY)
    await run.result(plan, 0)
    assert (await run.state()).spent_micro_usd == 1_000
    await run.result(plan, 1)
    state = await run.state()
    assert (state.spent_micro_usd, state.reserved_micro_usd) == (1_000, 0)


async def test_a_tool_that_is_down_fails_because_nothing_was_sent(
    gateway: Program, begin: Begin, contracts: dict[str, Spec]
) -> None:
    """A refused connection proves that nothing happened."""
    contracts["credit.grant"]["transport"]["http"]["url"] = "http://127.0.0.1:9/credits"
    run = await begin()
    result = await run.result(await run.plan(CREDIT))
    assert result.error is not None
    assert (result.status, result.error.error_class) == ("failed", "ConnectionFailed")


async def test_a_missing_credential_fails_the_call_before_anything_is_sent(
    gateway: Program, begin: Begin, shop: Shop, fleet: Fleet, tenant: str
) -> None:
    """The claim ends failed, and the shop never hears of it."""
    (fleet.credentials / tenant / "shop-token").unlink()
    before = (await shop.state())["calls"].get("/credits", 0)
    run = await begin()
    result = await run.result(await run.plan(CREDIT))
    assert result.error is not None
    assert (result.status, result.error.reason, result.attempts) == ("failed", "CredentialsMissing", 0)
    assert (await shop.state())["calls"].get("/credits", 0) == before


async def test_a_call_that_the_budget_does_not_cover_is_denied(gateway: Program, begin: Begin) -> None:
    """Spent, reserved and the estimate together stay under the cap."""
    run = await begin(budget_micro_usd=999)
    result = await run.result(await run.plan(CREDIT))
    assert result.error is not None
    assert (result.status, result.error.reason) == ("denied", "BudgetExceeded")


async def test_no_secret_and_no_argument_is_logged(gateway: Program, begin: Begin, shop: Shop) -> None:
    """Whatever happens, the gateway's log holds neither the credential nor what was said."""
    await shop.fault("/tickets", "html")
    run = await begin()
    await run.result(await run.plan(REPLY))
    text = gateway.output.read_text()
    assert shop.token not in text
    assert "Dear Lena" not in text
