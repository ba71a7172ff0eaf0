"""Does a stop stop? A gateway asks CONTROL when it decides and once more just before it sends."""

import asyncio
import signal
from collections.abc import AsyncIterator

import pytest

from examples.refund.testing import Shop
from keelstep.events import clock, types
from keelstep.log import ask, jetstream, subjects
from keelstep.log.control import Control, Scope
from keelstep.log.identities import Role
from keelstep.testing import eventually
from keelstep_gateway.hold import FRESH_SECONDS
from tests.integration.gateway import service
from tests.integration.gateway.conftest import Begin
from tests.integration.gateway.driver import Stage
from tests.integration.gateway.programs import Fleet, Program

CREDIT = ("credit.grant", {"order_id": "1042", "amount": "7.00"})
READ = ("orders.get", {"order_id": "1042"})


def operator_of(stage: Stage) -> Control:
    """The operator's hand on CONTROL."""
    installed = stage.broker.installation
    return Control(stage.operator, installed.signer(Role.OPERATOR), installed.keyring)


@pytest.fixture
def control(stage: Stage) -> Control:
    """The same, on the shared broker."""
    return operator_of(stage)


async def known_by(program: Program, stage: Stage, position: int) -> None:
    """Return once a gateway knows CONTROL up to this position, as it says itself."""

    async def is_known() -> bool:
        return int((await service.info(stage.operator, program.owner))["metadata"]["control"]) >= position

    await eventually.awaited(is_known, "the gateway knows the stop")


async def test_a_killed_tool_is_denied_and_others_go_on(
    gateway: Program, begin: Begin, stage: Stage, control: Control, tenant: str
) -> None:
    """A tool's kill refuses that tool and ends nothing."""
    run = await begin()
    plan = await run.plan(CREDIT, READ)
    position = await control.engage("tool", tenant, "credit.grant", reason="fraud", by="ann")
    await known_by(gateway, stage, position)
    result = await run.result(plan, 0)
    assert result.error is not None
    assert (result.status, result.error.reason) == ("denied", "ToolKilled")
    assert (await run.result(plan, 1)).status == "ok"


@pytest.mark.parametrize("scope", ["tenant", "strategy", "execution"])
async def test_a_kill_refuses_calls_and_model_calls(
    gateway: Program, begin: Begin, stage: Stage, control: Control, tenant: str, scope: Scope
) -> None:
    """Whoever is killed begins nothing; the operator's event ends the run."""
    run = await begin()
    plan = await run.plan(READ)
    target = {"tenant": "", "strategy": "support-agent", "execution": run.xid}[scope]
    position = await control.engage(scope, tenant, target, reason="danger", by="ann")
    await known_by(gateway, stage, position)
    assert (await run.tool(plan)).refusal.reason == "Killed"
    run = await begin() if scope != "execution" else run
    if scope != "execution":
        assert (await run.model()).refusal.reason == "Killed"
    assert "tool.result" not in await run.types()


@pytest.mark.parametrize(
    ("scope", "target", "reason"),
    [("tool", "credit.grant", "ToolKilled"), ("strategy", "support-agent", "Killed")],
)
async def test_a_stop_between_claim_and_send_sends_nothing(
    own_fleet: Fleet, own_begin: Begin, own_stage: Stage, shop: Shop, scope: Scope, target: str, reason: str
) -> None:
    """The gateway froze with its claim stored; what is killed meanwhile is not sent when it wakes up."""
    before = (await shop.state())["calls"].get("/credits", 0)
    run = await own_begin()
    plan = await run.plan(CREDIT)
    async with own_fleet.gateway(stop_at="gateway.after.tool.called") as frozen:
        asked = asyncio.create_task(run.result(plan))
        await frozen.frozen()
        await operator_of(own_stage).engage(scope, run.tenant, target, reason="danger", by="ann")
        long_ago = clock.boot() + int(2 * FRESH_SECONDS * clock.SECOND)
        await eventually.true(lambda: clock.boot() > long_ago, "what it read last is old")
        frozen.signal(signal.SIGCONT)
        result = await asked
    assert result.error is not None
    assert (result.status, result.error.reason, result.attempts) == ("failed", reason, 0)
    assert (await shop.state())["calls"].get("/credits", 0) == before


async def test_a_call_of_an_ended_run_is_refused(gateway: Program, begin: Begin) -> None:
    """Killed, suspended, cancelled: nothing begins, and nothing is recorded."""
    for name, reason in (
        ("exec.suspended", "Suspended"),
        ("exec.cancelled", "Cancelled"),
        ("exec.killed", "RunEnded"),
    ):
        run = await begin()
        plan = await run.plan(READ)
        await run.append(run.op, types.Interruption(by="ann", reason="enough"), type_name=name)
        assert (await run.tool(plan)).refusal.reason == reason


@pytest.fixture(autouse=True)
async def _settled(shop: Shop) -> AsyncIterator[None]:
    """Leave no held call behind."""
    yield
    await shop.clear_faults()


async def test_a_gateway_that_does_not_know_what_is_stopped_begins_nothing(
    own_fleet: Fleet, own_begin: Begin, own_stage: Stage
) -> None:
    """A control record that does not verify may be a stop: logs are read, nothing begins, until one does."""
    subject = subjects.control("tool", "anybody", "anything")
    await jetstream.publish(own_stage.operator, subject, b"{}")
    run = await own_begin()
    plan = await run.plan(READ)
    async with own_fleet.gateway() as program:
        assert program.logged("control_unknown")
        assert len((await run.ask("log", ask.AskLog(after=0))).messages) == len(await run.events())
        refusal = (await run.tool(plan)).refusal
        assert (refusal.reason, refusal.is_transient) == ("ControlUnavailable", True)
        await operator_of(own_stage).engage("tool", "anybody", "anything", reason="fraud", by="ann")
        assert (await run.result(plan)).status == "ok"
