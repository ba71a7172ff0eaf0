"""Does a turn work? A model call, then the calls it asked for, through real programs."""

import asyncio

import msgspec

from examples.refund.testing import Shop
from keelstep.log import ask
from tests.integration.gateway.conftest import Begin
from tests.integration.gateway.driver import Spec
from tests.integration.gateway.programs import Program


async def test_a_model_is_asked_and_its_reply_recorded_with_its_price(gateway: Program, begin: Begin) -> None:
    """The reservation comes before the call, the settlement with the reply, at the table's price."""
    run = await begin()
    said = await run.model()
    assert said.messages[-1].writer == "gw"
    assert (await run.types())[-2:] == ["model.called", "model.replied"]
    state = await run.state()
    replied = state.models[1].reply
    assert replied is not None
    assert replied.status == "ok"
    assert state.spent_micro_usd == 120 * 3 + 30 * 15
    assert state.reserved_micro_usd == 0
    message = await run.output(replied.response)
    assert message["tool_calls"][0]["function"]["name"] == "orders_get"
    assert set(message) == {"role", "content", "tool_calls"}


async def test_a_free_read_needs_no_claim(gateway: Program, begin: Begin) -> None:
    """Tier 0 at no cost: its result is its only event."""
    run = await begin()
    plan = await run.plan(("orders.get", {"order_id": "1042"}))
    result = await run.result(plan)
    assert result.status == "ok"
    assert result.claim_seq is None
    assert (await run.output(result.output))["id"] == "1042"
    assert (await run.types())[-1] == "tool.result"
    assert "tool.called" not in await run.types()


async def test_an_effect_is_claimed_performed_and_recorded(
    gateway: Program, begin: Begin, shop: Shop
) -> None:
    """tool.called, one booking under its key, tool.result: in this order."""
    run = await begin()
    plan = await run.plan(("credit.grant", {"order_id": "1042", "amount": "12.25"}))
    result = await run.result(plan)
    assert result.status == "ok"
    assert (await run.types())[-2:] == ["tool.called", "tool.result"]
    booked = [each for each in await shop.ledger() if each["key"] == result.idempotency_key]
    assert len(booked) == 1
    state = await run.state()
    assert state.spent_micro_usd == 1_000
    assert state.reserved_micro_usd == 0


async def test_a_recorded_reply_is_returned_and_never_bought_again(gateway: Program, begin: Begin) -> None:
    """Asking again for the same ordinal gives the same event, from an attempt that follows, too."""
    run = await begin()
    first = await run.model()
    await run.next_attempt()
    again = await run.model()
    assert first.messages[-1].payload in [message.payload for message in again.messages]
    assert (await run.types()).count("model.called") == 1


async def test_a_recorded_result_is_returned_and_never_performed_again(
    gateway: Program, begin: Begin, shop: Shop
) -> None:
    """Asking again for the same planned call gives the same event."""
    run = await begin()
    plan = await run.plan(("credit.grant", {"order_id": "1042", "amount": "1.00"}))
    first = await run.result(plan)
    assert await run.result(plan) == first
    assert (await run.types()).count("tool.called") == 1


async def test_an_equal_later_call_returns_the_earlier_result(
    gateway: Program, begin: Begin, shop: Shop, strategy: Spec
) -> None:
    """The key decides, not all arguments: the note may differ; the result says what it repeats."""
    strategy["tools"] = [{"contract": "credit.grant"}]
    run = await begin()
    plan = await run.plan(("credit.grant", {"order_id": "1042", "amount": "2.00", "note": "one"}))
    first = await run.result(plan)
    first_seq = (await run.state()).results[(plan, 0)].seq
    plan = await run.plan(("credit.grant", {"order_id": "1042", "amount": "2.00", "note": "two"}), ordinal=2)
    again = await run.result(plan)
    assert again.replayed_seq == first_seq
    assert again.output == first.output
    assert len([each for each in await shop.ledger() if each["key"] == first.idempotency_key]) == 1


async def test_two_askers_of_one_call_get_one_result(gateway: Program, begin: Begin, shop: Shop) -> None:
    """Whoever asks while the call is made waits for the same result."""
    run = await begin()
    plan = await run.plan(("credit.grant", {"order_id": "1042", "amount": "3.00"}))
    said = await asyncio.gather(*(run.tool(plan) for _ in range(5)))
    assert len({each.messages[-1].payload for each in said}) == 1
    assert (await run.types()).count("tool.called") == 1


async def test_the_log_is_read_through_the_gateway_byte_for_byte(gateway: Program, begin: Begin) -> None:
    """The verb `log` gives every message after a position; nothing where there is nothing new."""
    run = await begin()
    said = await run.ask("log", ask.AskLog(after=0))
    assert [message.writer for message in said.messages] == ["op", "op"]
    after = said.messages[-1].position
    assert (await run.ask("log", ask.AskLog(after=after))).messages == []


async def test_revisions_are_given_only_to_runs_that_pinned_them(gateway: Program, begin: Begin) -> None:
    """A runner may read what its run pinned, and no other revision of the tenant."""
    run = await begin()
    started = (await run.state()).started
    assert started is not None
    said = await run.ask("object", ask.AskObject(digest=started.strategy_digest, is_revision=True))
    assert said.kind is ask.Reply.OBJECT
    assert msgspec.json.decode(said.payload)["kind"] == "AgentStrategy"
    other = await run.ask("object", ask.AskObject(digest="0" * 64, is_revision=True))
    assert other.refusal.reason == "NotPinned"


async def test_arguments_that_are_too_large_are_not_even_loaded(gateway: Program, begin: Begin) -> None:
    """A runner may store what it likes; the call is denied with the size, and the model is told."""
    run = await begin()
    plan = await run.plan(("orders.get", {"order_id": "1" * 300_000}))
    result = await run.result(plan)
    assert result.error is not None
    assert (result.status, result.error.reason) == ("denied", "ArgumentsUnreadable")
    assert "300015 bytes; at most 262144" in result.error.message
