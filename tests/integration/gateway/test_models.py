"""What is recorded when a model misbehaves? A reason, what was tried, and what it may have cost."""

import pytest

from keelstep.events import types
from tests.integration.gateway.conftest import Begin
from tests.integration.gateway.driver import Run, Spec, conversation
from tests.integration.gateway.programs import Program


async def replied(run: Run, goal: str) -> types.ModelReplied:
    """Ask with this goal; the recorded reply."""
    await run.model(conversation(goal))
    reply = (await run.state()).models[1].reply
    assert reply is not None
    return reply


async def test_a_fallback_answers_where_the_model_is_down(
    gateway: Program, begin: Begin, strategy: Spec
) -> None:
    """Each try is in the routing, and the price is the one of the model that answered."""
    strategy["model"] = {"name": "openai/down-1", "fallbacks": ["openai/shop-scripted-1"]}
    run = await begin()
    reply = await replied(run, "One that falls back")
    assert reply.status == "ok"
    assert reply.model == "openai/shop-scripted-1"
    assert [(route.model, route.error) for route in reply.routing] == [
        ("openai/down-1", "Unavailable"),
        ("openai/shop-scripted-1", ""),
    ]
    assert (await run.state()).spent_micro_usd == 100 * 3 + 10 * 15


FAILURES = {
    "a provider that refuses": ("One that is refused", "ModelRefused", "Refused", False),
    "a provider that is busy": ("One that is limited", "ModelRateLimited", "RateLimited", False),
    "a model that says nothing": ("One that says nothing", "ModelReplyInvalid", "Invalid", True),
    "a model that babbles": ("One that babbles", "ResponseTooLarge", "Invalid", True),
}


@pytest.mark.parametrize("case", FAILURES.values(), ids=FAILURES.keys())
async def test_a_failed_model_call_says_why(
    gateway: Program, begin: Begin, case: tuple[str, str, str, bool]
) -> None:
    """One reason, one class; a call that may have been billed costs what it could cost, a refused one nothing."""
    goal, reason, error_class, is_billed = case
    run = await begin()
    reply = await replied(run, goal)
    assert reply.status == "failed"
    assert reply.error is not None
    assert (reply.error.reason, reply.error.error_class) == (reason, error_class)
    state = await run.state()
    assert (state.spent_micro_usd > 0) == is_billed
    assert state.reserved_micro_usd == 0


async def test_an_asker_hears_that_a_slow_model_is_still_thinking(gateway: Program, begin: Begin) -> None:
    """A heartbeat every two seconds keeps the runner from asking somebody else."""
    run = await begin()
    said = await run.model(conversation("One that thinks for long"))
    assert said.heartbeats >= 1
    assert (await run.types()).count("model.called") == 1


async def test_a_model_without_a_price_is_not_called(gateway: Program, begin: Begin, strategy: Spec) -> None:
    """Unknown price is a refusal that names the model, before anything is reserved."""
    strategy["model"] = {"name": "openai/shop-scripted-1", "fallbacks": ["openai/free-1"]}
    run = await begin()
    refusal = (await run.model()).refusal
    assert (refusal.reason, refusal.is_transient) == ("PriceUnknown", False)
    assert "openai/free-1" in refusal.message
    assert "model.called" not in await run.types()


async def test_a_model_without_a_provider_fails_with_its_name(
    gateway: Program, begin: Begin, strategy: Spec
) -> None:
    """A person must configure the gateway: no retry can help."""
    strategy["model"] = {"name": "elsewhere/unknown-1"}
    run = await begin()
    reply = await replied(run, "order 1042")
    assert reply.error is not None
    assert (reply.error.reason, reply.error.error_class) == ("ModelNotConfigured", "Refused")


async def test_a_model_call_that_the_budget_does_not_cover_is_refused(gateway: Program, begin: Begin) -> None:
    """The reservation is an upper bound: a token is at least a byte, and the reply as long as it may be."""
    run = await begin(budget_micro_usd=512 * 15)
    assert (await run.model()).refusal.reason == "BudgetExceeded"
    run = await begin(budget_micro_usd=512 * 15 + 20_000)
    await run.model()
    called = [event.data for event in await run.events() if isinstance(event.data, types.ModelCalled)]
    assert 512 * 15 < called[0].reserved_micro_usd <= 512 * 15 + 20_000


async def test_messages_that_are_no_list_are_refused(gateway: Program, begin: Begin) -> None:
    """The runner's word is checked before anything is reserved."""
    run = await begin()
    assert (await run.model([])).refusal.reason == "RequestInvalid"


async def test_messages_that_would_have_something_fetched_are_refused(gateway: Program, begin: Begin) -> None:
    """A library loads a picture from its address: that request would be of a runner's making, past the egress."""
    run = await begin()
    picture = {"type": "image_url", "image_url": {"url": "http://169.254.169.254/latest/meta-data"}}
    refusal = (await run.model([*conversation(), {"role": "user", "content": [picture]}])).refusal
    assert (refusal.reason, refusal.is_transient) == ("RequestInvalid", False)
    assert "model.called" not in await run.types()


async def test_long_messages_come_from_the_object_store(gateway: Program, begin: Begin) -> None:
    """What does not fit an event is referred to by digest."""
    run = await begin()
    said = await run.model([*conversation(), {"role": "user", "content": "x" * 20_000}])
    assert said.messages
    called = [event.data for event in await run.events() if isinstance(event.data, types.ModelCalled)]
    assert called[0].request.ref is not None


async def test_a_model_that_never_answers_times_out_at_all_it_may_have_cost(
    gateway: Program, begin: Begin
) -> None:
    """The bound is the gateway's own setting; whether it was billed nobody knows."""
    run = await begin()
    reply = await replied(run, "One that never ends thinking")
    assert reply.error is not None
    assert (reply.error.reason, reply.error.error_class) == ("ModelTimeout", "Timeout")
    assert (await run.state()).spent_micro_usd > 0


async def test_what_a_provider_says_in_an_error_is_passed_on_to_nobody(
    gateway: Program, begin: Begin
) -> None:
    """It may quote the conversation: neither the log nor any event may hold it."""
    run = await begin()
    reply = await replied(run, "The canary sings about nothing in the script")
    assert reply.error is not None
    assert reply.error.reason == "ModelRefused"
    assert "canary" not in reply.error.message
    assert "canary" not in gateway.output.read_text()
