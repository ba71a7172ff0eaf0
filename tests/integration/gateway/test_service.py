"""Is a gateway a good service? It shares work, drains, answers to its name, and says clearly what it cannot use."""

import asyncio
import signal

import msgspec
import pytest
from nats.aio.subscription import Subscription

from examples.refund.testing import Shop
from keelstep.events import types
from keelstep.log import ask, subjects
from keelstep.testing import eventually
from keelstep_gateway import calls
from tests.integration.gateway import service
from tests.integration.gateway.conftest import Begin
from tests.integration.gateway.driver import Run, Stage
from tests.integration.gateway.programs import Fleet, Program

CREDIT = ("credit.grant", {"order_id": "1042", "amount": "8.00"})
READ = ("orders.get", {"order_id": "1042"})


async def owners(run: Run) -> list[str]:
    """Whose claims are in a run's log."""
    return [event.data.owner for event in await run.events() if isinstance(event.data, types.ToolCalled)]


async def test_it_says_under_its_owner_name_how_far_it_knows_control(gateway: Program, stage: Stage) -> None:
    """Whoever waits for a kill to be known asks for this."""
    found = await service.info(stage.operator, gateway.owner)
    assert found["name"] == "keelstep-gateway"
    assert int(found["metadata"]["control"]) >= 0
    assert found["metadata"]["state"] == "ready"


async def test_two_gateways_share_the_runs(own_fleet: Fleet, own_begin: Begin, shop: Shop) -> None:
    """One queue group: each request goes to one of them, and together they make each call once."""
    async with own_fleet.gateway() as first, own_fleet.gateway() as second:
        runs = [await own_begin() for _ in range(16)]
        plans = [await run.plan(CREDIT) for run in runs]
        results = await asyncio.gather(*(run.result(plan) for run, plan in zip(runs, plans, strict=True)))
        assert {result.status for result in results} == {"ok"}
        claimed = [owner for run in runs for owner in await owners(run)]
    assert len(claimed) == 16
    assert set(claimed) == {first.owner, second.owner}


async def test_at_sigterm_a_call_in_flight_is_finished_and_recorded(
    own_fleet: Fleet, own_begin: Begin, shop: Shop
) -> None:
    """No new requests, the old ones to their end, and still there for whoever probes the owner."""
    run = await own_begin()
    plan = await run.plan(CREDIT)
    await shop.fault("/credits", "hold")
    async with own_fleet.gateway() as program:
        asked = asyncio.create_task(run.tool(plan, patience_seconds=20))
        await shop.wait_held()
        program.signal(signal.SIGTERM)

        async def is_draining() -> bool:
            found = await service.info(run.stage.operator, program.owner)
            return bool(found["metadata"]["state"] == "draining")

        await eventually.awaited(is_draining, "the gateway drains")
        await shop.release()
        assert (await asked).messages
        assert await program.ended() == 0
    assert (await run.state()).results[(plan, 0)].data.status == "ok"


async def test_a_result_is_recorded_though_the_broker_was_away_meanwhile(
    own_fleet: Fleet, own_begin: Begin, shop: Shop
) -> None:
    """It happened, so it is told, however long that takes."""
    run = await own_begin()
    plan = await run.plan(CREDIT)
    await shop.fault("/credits", "hold")
    async with own_fleet.gateway():
        asked = asyncio.create_task(run.result(plan))
        await shop.wait_held()
        await own_fleet.broker.restart(kill=True)
        await shop.release()
        result = await asked
    assert result.status == "ok"
    assert (await run.types()).count("tool.called") == 1


async def test_a_long_call_blocks_neither_reads_nor_other_runs(
    own_fleet: Fleet, own_begin: Begin, shop: Shop
) -> None:
    """One call at a time is allowed here, and it hangs: logs are read all the same."""
    run = await own_begin()
    plan = await run.plan(CREDIT)
    await shop.fault("/credits", "hold")
    async with own_fleet.gateway(concurrency="1"):
        asked = asyncio.create_task(run.result(plan))
        await shop.wait_held()
        async with asyncio.timeout(60):
            said = await run.ask("log", ask.AskLog(after=0))
        assert len(said.messages) == len(await run.events())
        await shop.release()
        assert (await asked).status == "ok"


MALFORMED = {
    "what is not JSON": ("tool", b"{"),
    "a wish for a call without its plan": ("tool", b'{"index": 0, "after": 0}'),
    "a wish for a model call without messages": ("model", b'{"ordinal": 1, "after": 0}'),
    "a digest that is a wildcard": ("object", b'{"digest": ">"}'),
    "an empty request for the log": ("log", b""),
}


@pytest.mark.parametrize("case", MALFORMED.values(), ids=MALFORMED.keys())
async def test_a_malformed_request_is_refused(
    gateway: Program, begin: Begin, case: tuple[str, bytes]
) -> None:
    """With a reason, for good, and nothing recorded."""
    verb, request = case
    run = await begin()
    refusal = (await run.ask(verb, request)).refusal
    assert (refusal.reason, refusal.is_transient) == ("RequestInvalid", False)
    assert len(await run.events()) == 2


async def test_a_request_that_is_too_long_is_refused_unread(gateway: Program, begin: Begin) -> None:
    """Whatever is long stands in the object store; this one says nothing wrong but in too many bytes."""
    run = await begin()
    request = msgspec.json.encode(ask.AskLog(after=0)) + b" " * calls.MOST_REQUEST_BYTES
    refusal = (await run.ask("log", request)).refusal
    assert (refusal.reason, refusal.is_transient) == ("RequestInvalid", False)


async def test_a_run_that_asks_without_end_takes_no_other_runs_place(
    own_fleet: Fleet, own_begin: Begin, shop: Shop
) -> None:
    """So many requests of one run are worked on at once; it is told to wait with the others, and nobody else is."""
    run, other = await own_begin(), await own_begin()
    plan = await run.plan(CREDIT)
    request = msgspec.json.encode(ask.AskTool(plan_seq=plan, index=0, after=0))
    subject = subjects.call(0, run.tenant, run.xid, run.attempt, "tool")
    await shop.fault("/credits", "hold")
    async with own_fleet.gateway():
        inbox = run.runner_nc.new_inbox()
        replies = await run.runner_nc.subscribe(inbox)
        for _ in range(calls.MOST_OF_ONE_RUN + 5):
            await run.runner_nc.publish(subject, request, reply=inbox)
        for _ in range(5):
            refusal = await _next_refusal(replies)
            assert (refusal.reason, refusal.is_transient) == ("Busy", True)
        refusal = (await run.ask("log", ask.AskLog(after=0))).refusal
        assert (refusal.reason, refusal.is_transient) == ("Busy", True)
        assert (await other.ask("log", ask.AskLog(after=0))).messages
        await shop.release()
        assert (await run.result(plan)).status == "ok"
    assert (await run.types()).count("tool.called") == 1


async def _next_refusal(replies: Subscription) -> ask.Refusal:
    """The next reply that is no heartbeat."""
    while True:
        message = await replies.next_msg(timeout=ask.PATIENCE_SECONDS)
        if (message.headers or {})[ask.HEADER] != ask.Reply.HEARTBEAT:
            assert (message.headers or {})[ask.HEADER] == ask.Reply.REFUSED
            return msgspec.json.decode(message.data, type=ask.Refusal)


async def test_an_old_attempt_is_refused(gateway: Program, begin: Begin) -> None:
    """The asking attempt is the one its subject says, and only the current one may begin anything."""
    run = await begin()
    plan = await run.plan(READ)
    old_nc = run.runner_nc
    await run.next_attempt()
    request = msgspec.json.encode(ask.AskTool(plan_seq=plan, index=0, after=0))
    subject = subjects.call(0, run.tenant, run.xid, 1, "tool")
    message = await old_nc.request(subject, request, timeout=60)
    assert (message.headers or {})[ask.HEADER] == ask.Reply.REFUSED
    assert msgspec.json.decode(message.data, type=ask.Refusal).reason == "Superseded"


async def test_an_asker_who_has_read_further_is_asked_to_wait(gateway: Program, begin: Begin) -> None:
    """A gateway that is behind its asker decides nothing: what it would refuse may be in what it has not read."""
    run = await begin()
    plan = await run.plan(READ)
    ahead = (await run.state()).position + 1
    refusal = (await run.ask("tool", ask.AskTool(plan_seq=plan, index=0, after=ahead))).refusal
    assert (refusal.reason, refusal.is_transient) == ("BrokerUnavailable", True)


async def test_calls_of_one_plan_are_made_in_order(gateway: Program, begin: Begin) -> None:
    """A later call is refused for now while an earlier one has no result."""
    run = await begin()
    plan = await run.plan(READ, READ)
    refusal = (await run.tool(plan, 1)).refusal
    assert (refusal.reason, refusal.is_transient) == ("OutOfOrder", True)


WRONG = {
    "a missing price table": {"price_table": "/nowhere/prices.yaml"},
    "a key that is none": {"signing_key": __file__},
    "a keyring that is none": {"keyring": __file__},
    "no folder of credentials": {"credentials_dir": "/nowhere"},
    "a point that does not exist": {"crash_at": "gateway.nowhere"},
    "a number that is none": {"concurrency": "many"},
}


@pytest.mark.parametrize("case", WRONG.values(), ids=WRONG.keys())
async def test_wrong_settings_end_it_with_one_line(fleet: Fleet, case: dict[str, str]) -> None:
    """Exit status 2, and a sentence instead of a stack trace."""
    async with fleet.gateway(is_ready=False, **case) as program:
        assert await program.ended() == 2
    text = program.output.read_text().strip()
    assert "Traceback" not in text
    assert text.splitlines()[-1].startswith("keelstep-gateway: ")
