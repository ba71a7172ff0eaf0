"""What does a gateway tell Prometheus, and what does it show of its own work?"""

from examples.refund.testing import Shop
from keelstep.log import ask
from keelstep.testing import eventually
from keelstep.testing.scraping import Scrape
from tests.integration.gateway.conftest import Begin
from tests.integration.gateway.programs import Fleet

CREDIT = ("credit.grant", {"order_id": "1042", "amount": "6.00"})
READ = ("orders.get", {"order_id": "1042"})


async def test_calls_tokens_and_money_are_counted(own_fleet: Fleet, own_begin: Begin, shop: Shop) -> None:
    """Under the names that dashboards and alerts ask for."""
    scrape = Scrape()
    async with own_fleet.gateway(metrics_port=str(scrape.port)):
        run = await own_begin()

        async def is_asked() -> bool:
            return (await run.model()).kind is ask.Reply.EVENTS

        await eventually.awaited(is_asked, "the model was asked")
        plan = await run.plan(CREDIT, ordinal=1)
        await run.result(plan)
        refused = await run.tool(plan, index=7)
        assert refused.refusal.reason == "Superseded"
        spent = (await run.state()).spent_micro_usd
        assert spent > 0
        assert await scrape.of("agent_cost_usd_total", tenant=run.tenant, strategy="support-agent") == (
            spent / 1_000_000
        )
        state = await run.state()
        assert await scrape.of("agent_tokens_total", direction="input", tenant=run.tenant) > 0
        total = sum(
            [
                await scrape.of("agent_tokens_total", direction=direction, tenant=run.tenant)
                for direction in ("input", "output")
            ]
        )
        assert total == state.tokens
        assert await scrape.of("agent_tool_duration_seconds_count", tool="credit.grant") == 1
        assert await scrape.of("keelstep_append_seconds_count", type="tool.called") == 1
        assert (
            await scrape.of("keelstep_gateway_requests_total", verb="tool", outcome="events")
            + await scrape.of("keelstep_gateway_requests_total", verb="model", outcome="events")
        ) >= 2
        assert await scrape.of("keelstep_gateway_refusals_total", reason="Superseded") == 1
        assert await scrape.of("keelstep_control_current") == 1


async def test_a_tools_error_is_counted_by_its_kind(own_fleet: Fleet, own_begin: Begin, shop: Shop) -> None:
    """As the taxonomy names it."""
    scrape = Scrape()
    await shop.fault("/credits", "fail", status=422)
    async with own_fleet.gateway(metrics_port=str(scrape.port)):
        run = await own_begin()
        result = await run.result(await run.plan(CREDIT))
        assert result.error is not None
        kind = result.error.error_class or result.error.reason
        assert await scrape.of("agent_tool_errors_total", tool="credit.grant", error_type=kind) == 1


async def test_the_calls_of_a_plan_do_not_read_the_log_again(
    own_fleet: Fleet, own_begin: Begin, shop: Shop
) -> None:
    """What the gateway wrote itself it knows; a plan is read once, and after a pause the log once more."""
    scrape = Scrape()
    async with own_fleet.gateway(metrics_port=str(scrape.port)):
        run = await own_begin()

        async def reads_of_a_plan(ordinal: int) -> float:
            plan = await run.plan(*[READ] * 8, ordinal=ordinal)
            before = await scrape.of("keelstep_log_reads_total")
            for index in range(8):
                assert (await run.tool(plan, index)).messages
            return await scrape.of("keelstep_log_reads_total") - before

        # on a busy machine a pause may come between any two calls
        counts = [await reads_of_a_plan(ordinal) for ordinal in range(1, 6)]
        assert min(counts) < 8, counts
        assert [event for event in await run.types() if event == "tool.result"] == ["tool.result"] * 40


async def test_a_start_beside_finished_runs_reads_only_what_is_open(
    own_fleet: Fleet, own_begin: Begin, shop: Shop
) -> None:
    """The last message of a gateway says whether a call is open; one that does not say its type is looked at, once."""
    async with own_fleet.gateway():
        for _ in range(5):
            run = await own_begin()
            await run.result(await run.plan(READ))
    left = await own_begin()
    plan = await left.plan(CREDIT)
    await left.claimed(plan)
    odd = await own_begin()
    subject = f"spine.0.{odd.tenant}.{odd.xid}.gw"
    await odd.stage.other.request(subject, b"not an event, and without a type", timeout=60)
    scrape = Scrape()
    async with own_fleet.gateway(metrics_port=str(scrape.port)) as program:
        await eventually.true(lambda: program.logged("open_calls_listed"), "the sweep has begun")
        assert program.logged("open_calls_listed")[0]["executions"] == 2

        async def is_ended() -> bool:
            return await scrape.of("keelstep_open_calls") == 0

        await eventually.awaited(is_ended, "no call is open")
        assert await scrape.of("keelstep_lost_calls_total", how="retried") == 1
        assert await scrape.of("keelstep_log_reads_total") < 5
    assert (await left.state()).results[(plan, 0)].data.status == "ok"
