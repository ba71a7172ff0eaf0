"""Does a tenant never spend more in a day than its Namespace says, whichever gateways its calls go through?"""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import pytest_asyncio

from keelstep.domain import daily, money
from keelstep.domain.daily import Day
from keelstep.events import envelope, types
from keelstep.log import subjects
from keelstep.log.control import Control
from keelstep.log.identities import Role
from keelstep.log.limits import Board
from keelstep.log.reader import StreamReader
from keelstep.log.view import View
from keelstep.testing import eventually
from keelstep.testing.scraping import Scrape
from keelstep_gateway.limits.purse import Purses
from keelstep_gateway.metrics import Metrics
from tests.integration.gateway import answering, service
from tests.integration.gateway.answering import Answer, Tool
from tests.integration.gateway.conftest import Begin
from tests.integration.gateway.driver import Run, Spec, Stage
from tests.integration.gateway.programs import Fleet, Program

RESERVATIONS = 200


@pytest_asyncio.fixture(loop_scope="session")
async def tool() -> AsyncIterator[Tool]:
    """A tool of this test's own."""
    async with answering.running() as running:
        yield running


def thing(tool: Tool, contracts: dict[str, Spec], strategy: Spec, cost_usd: str) -> None:
    """The strategy may call `thing.make`, at a price."""
    contracts["thing.make"] = answering.contract(
        f"{tool.url}/things",
        budgets={"estimatedCostUSD": cost_usd},
        failurePolicy={"maxAttempts": 1, "notPerformed": [409]},
        timeoutSeconds=60,
    )
    strategy["tools"].append({"contract": "thing.make"})


async def may_spend(stage: Stage, tenant: str, usd: str, *gateways: Program) -> None:
    """The operator tells what the Namespace says; these gateways know it by then."""
    installed = stage.broker.installation
    signer = installed.signer(Role.OPERATOR)
    assert signer is not None
    control = Control(stage.operator, signer, installed.keyring)
    position = await control.rule(tenant, usd, by="Namespace", scope="budget")

    async def is_known() -> bool:
        found = [await service.info(stage.operator, gateway.owner) for gateway in gateways]
        return all(int(each["metadata"]["control"]) >= position for each in found)

    await eventually.awaited(is_known, "the gateways know the budget")


async def called(run: Run, plan: int) -> tuple[str, str]:
    """What became of a call: its status, and the reason of its error."""
    result = await run.result(plan)
    return result.status, result.error.reason if result.error is not None else ""


async def test_two_hundred_reservations_at_once_never_exceed_the_day(
    own_fleet: Fleet,
    own_stage: Stage,
    own_begin: Begin,
    tool: Tool,
    contracts: dict[str, Spec],
    strategy: Spec,
    tenant: str,
) -> None:
    """Three gateways, one budget for fifty calls, a tenth of which cost nothing in the end: at every prefix of the log
    what is spent and reserved is within it, and nearly all of it is used."""
    thing(tool, contracts, strategy, "0.001")
    refused = [Answer(status=409), *[Answer()] * 9]
    tool.answers("/things", *(refused * 20), Answer())
    cap = 50_000
    await may_spend(own_stage, tenant, money.usd(cap))
    runs = [await own_begin() for _ in range(RESERVATIONS)]
    plans = [await run.plan(("thing.make", {})) for run in runs]
    async with contextlib.AsyncExitStack() as stack:
        for _ in range(3):
            await stack.enter_async_context(own_fleet.gateway())
        made = await asyncio.gather(*(called(run, plan) for run, plan in zip(runs, plans, strict=True)))
    told = Counter(made)
    assert set(told) <= {("ok", ""), ("failed", "Refused"), ("denied", "TenantBudgetExceeded")}
    most, owners = await highest(own_stage, runs)
    assert most <= cap
    assert len(owners) > 1
    assert told["ok", ""] * 1000 <= cap
    assert told["ok", ""] * 1000 >= cap * 17 // 20, "each gateway may be left with a slice"
    assert told["denied", "TenantBudgetExceeded"] >= RESERVATIONS // 2


async def test_two_hundred_reservations_of_one_run_at_once_never_exceed_its_budget(
    own_fleet: Fleet,
    own_stage: Stage,
    own_begin: Begin,
    tool: Tool,
    contracts: dict[str, Spec],
    strategy: Spec,
) -> None:
    """The same of a run's own budget: each claim is decided in the state that it is appended to, by whichever gateway."""
    thing(tool, contracts, strategy, "0.001")
    strategy["limits"] = {**strategy.get("limits", {}), "toolCalls": 1000, "steps": 1000}
    tool.answers("/things", Answer(status=409), *[Answer()] * 9, Answer())
    cap = 50_000
    run = await own_begin(budget_micro_usd=cap)
    plan = await run.plan(*(("thing.make", {"n": number}) for number in range(RESERVATIONS)))
    async with contextlib.AsyncExitStack() as stack:
        for _ in range(3):
            await stack.enter_async_context(own_fleet.gateway())
        results = await asyncio.gather(*(run.result(plan, index) for index in range(RESERVATIONS)))
    told = Counter((each.status, each.error.reason if each.error is not None else "") for each in results)
    assert told == {("ok", ""): 50, ("failed", "Refused"): 1, ("denied", "BudgetExceeded"): RESERVATIONS - 51}
    most, owners = await highest(own_stage, [run])
    assert most == cap
    assert len(owners) > 1


async def highest(stage: Stage, runs: list[Run]) -> tuple[int, set[str]]:
    """The most that was spent and reserved at any prefix of the log, and whose claims these were."""
    stored: list[Any] = []
    for run in runs:
        stored += await StreamReader(stage.operator, 0).read(run.tenant, run.xid, 0)
    held, most, owners = 0, 0, set()
    for each in sorted(stored, key=lambda message: int(message.position)):
        event = envelope.decode(each.payload)
        assert isinstance(event, envelope.Event)
        match event.data:
            case types.ToolCalled():
                held += event.data.estimate_micro_usd
                owners.add(event.data.owner)
            case types.ToolResult() if event.data.claim_seq is not None:
                held += event.envelope.cost.micro_usd - 1000
        most = max(most, held)
    return most, owners


async def test_what_a_call_did_not_cost_may_be_spent_by_another(
    gateway: Program,
    stage: Stage,
    begin: Begin,
    tool: Tool,
    contracts: dict[str, Spec],
    strategy: Spec,
    tenant: str,
) -> None:
    """A day for one call: one that provably did nothing leaves it to the next."""
    thing(tool, contracts, strategy, "0.01")
    tool.answers("/things", Answer(status=409), Answer())
    await may_spend(stage, tenant, "0.01", gateway)
    told = []
    for _ in range(3):
        run = await begin()
        told.append(await called(run, await run.plan(("thing.make", {}))))
    assert told == [("failed", "Refused"), ("ok", ""), ("denied", "TenantBudgetExceeded")]


async def test_a_model_is_not_called_beyond_the_day(
    gateway: Program, stage: Stage, begin: Begin, tenant: str
) -> None:
    """Refused before anything is reserved, and for good: the run ends with that reason."""
    await may_spend(stage, tenant, "0.000001", gateway)
    run = await begin()
    refusal = (await run.model()).refusal
    assert (refusal.reason, refusal.is_transient) == ("TenantBudgetExceeded", False)
    assert "model.called" not in await run.types()


async def test_a_tenant_of_which_nothing_is_said_spends_what_its_runs_may(
    gateway: Program,
    stage: Stage,
    begin: Begin,
    tool: Tool,
    contracts: dict[str, Spec],
    strategy: Spec,
    tenant: str,
) -> None:
    """And so does one whose budget was taken back."""
    thing(tool, contracts, strategy, "0.01")
    await may_spend(stage, tenant, "0.005", gateway)
    run = await begin()
    assert await called(run, await run.plan(("thing.make", {}))) == ("denied", "TenantBudgetExceeded")
    await may_spend(stage, tenant, "", gateway)
    run = await begin()
    assert await called(run, await run.plan(("thing.make", {}))) == ("ok", "")


async def test_what_an_ending_gateway_did_not_spend_is_given_back(
    own_fleet: Fleet,
    own_stage: Stage,
    own_begin: Begin,
    tool: Tool,
    contracts: dict[str, Spec],
    strategy: Spec,
    tenant: str,
) -> None:
    """A budget for twenty calls is one for twenty calls, though three gateways come and go."""
    thing(tool, contracts, strategy, "0.001")
    await may_spend(own_stage, tenant, "0.020")
    told: list[tuple[str, str]] = []
    for count in (7, 7, 7):
        async with own_fleet.gateway():
            for _ in range(count):
                run = await own_begin()
                told.append(await called(run, await run.plan(("thing.make", {}))))
    assert Counter(told) == {("ok", ""): 20, ("denied", "TenantBudgetExceeded"): 1}


async def test_what_a_full_log_does_not_take_is_not_spent(
    own_fleet: Fleet,
    own_stage: Stage,
    own_begin: Begin,
    tool: Tool,
    contracts: dict[str, Spec],
    strategy: Spec,
    tenant: str,
) -> None:
    """However often a runner asks: once there is room again, the day is as it was."""
    thing(tool, contracts, strategy, "0.01")
    run = await own_begin()
    plan = await run.plan(("thing.make", {}))
    async with own_fleet.gateway() as gateway:
        await may_spend(own_stage, tenant, "0.01", gateway)
        await own_stage.broker.change_stream(subjects.stream(0), max_bytes=1)
        for _ in range(3):
            assert (await run.tool(plan)).refusal.reason == "LogFull"
        await own_stage.broker.change_stream(subjects.stream(0), max_bytes=2**30)
        assert await called(run, plan) == ("ok", "")
    assert len(tool.of("/things")) == 1


async def test_what_a_call_cost_beyond_its_estimate_is_the_days(stage: Stage, tenant: str) -> None:
    """Paid by the next slice, or told when the purse is given back: another gateway does not spend it once more."""
    nc = await stage.broker.connect(Role.GATEWAY)
    board, view = Board(nc, "me"), View(nc, stage.broker.installation.keyring)
    await may_spend(stage, tenant, "1")
    following = asyncio.create_task(view.run())
    try:
        await eventually.true(lambda: view.budget(tenant), "the budget is known")
        purses = Purses(board=board, view=view, metrics=Metrics())
        reserved = await purses.reserve(tenant, 1_000)
        assert reserved is not None
        reserved.settle(70_000)
        await purses.give_back()
        day = await board.read(subjects.money(tenant, daily.name(board.now())), Day)
        assert day.record.taken_micro_usd == 70_000
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)


async def test_how_much_of_a_day_is_spent_is_shown(
    own_fleet: Fleet,
    own_stage: Stage,
    own_begin: Begin,
    tool: Tool,
    contracts: dict[str, Spec],
    strategy: Spec,
    tenant: str,
) -> None:
    """As a share of the budget, before it is used up, and no more once there is none."""
    thing(tool, contracts, strategy, "0.005")
    scrape = Scrape()
    async with own_fleet.gateway(metrics_port=str(scrape.port)) as gateway:

        async def shows(share: float) -> bool:
            return await scrape.of("agent_daily_budget_ratio", tenant=tenant) == share

        await may_spend(own_stage, tenant, "0.02", gateway)
        run = await own_begin()
        assert await called(run, await run.plan(("thing.make", {}))) == ("ok", "")
        await eventually.awaited(lambda: shows(0.25), "the day is shown")
        await may_spend(own_stage, tenant, "", gateway)
        await eventually.awaited(lambda: shows(0), "the day is shown no more")
