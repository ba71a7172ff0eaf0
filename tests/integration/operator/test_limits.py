"""Does a contract show whether its tool works, do gateways hear what a tenant may spend, and is a discard recorded?"""

import msgspec
import pytest_asyncio
from nats.aio.client import Client

from keelstep.domain.circuit import CLOSED, Circuit
from keelstep.events import clock, envelope, signing, types
from keelstep.log import jetstream, subjects
from keelstep.log.control import verified
from keelstep.log.identities import Role
from keelstep.log.reader import StreamReader
from tests.integration.kinds import api
from tests.integration.operator import manifests
from tests.integration.operator.actors import Cast
from tests.integration.operator.stage import Stage, condition, status

BREAKER = {"failures": 3, "openSeconds": 60}


@pytest_asyncio.fixture(loop_scope="session")
async def gateway(stage: Stage) -> Client:
    """A gateway, as far as the broker goes."""
    return await stage.broker.connect(Role.GATEWAY)


async def stands(gateway: Client, contract: api.Object, circuit: Circuit) -> None:
    """A gateway says where the contract's breaker stands."""
    metadata = contract["metadata"]
    subject = subjects.breaker(metadata["namespace"], metadata["name"])
    await jetstream.publish(gateway, subject, msgspec.json.encode(circuit))


async def test_a_contract_shows_that_its_tool_is_left_alone_and_works_again(
    stage: Stage, gateway: Client
) -> None:
    """Healthy turns with the breaker, an Event says why, and it stays Ready all the time."""
    contract = manifests.contract(stage.namespace(), breaker=BREAKER)
    stage.create(contract)
    await stage.until(contract, lambda found: condition(found, "Healthy").get("status") == "True")
    opened = Circuit(state="open", until=clock.now() + 60 * clock.SECOND, reason="Timeout")
    await stands(gateway, contract, opened)
    shown = await stage.until(contract, lambda found: condition(found, "Healthy").get("status") == "False")
    assert condition(shown, "Healthy")["reason"] == "BreakerOpen"
    assert "Timeout" in condition(shown, "Healthy")["message"]
    assert condition(shown, "Ready")["status"] == "True"
    await stands(gateway, contract, Circuit(state="half-open", reason="Timeout"))
    await stage.until(contract, lambda found: condition(found, "Healthy").get("reason") == "BreakerHalfOpen")
    await stands(gateway, contract, CLOSED)
    await stage.until(contract, lambda found: condition(found, "Healthy").get("status") == "True")

    def told() -> set[str]:
        return {each["reason"] for each in stage.events(contract)}

    await stage.eventually(
        lambda: told() >= {"BreakerOpen", "BreakerHalfOpen", "BreakerClosed"}, "Events say so"
    )


async def test_an_open_breaker_is_shown_by_an_operator_that_starts_later(
    stage: Stage, gateway: Client
) -> None:
    """The record is state: nobody has to have been there."""
    contract = manifests.contract(stage.namespace(), breaker=BREAKER)
    stage.create(contract)
    await stage.until(contract, lambda found: condition(found, "Healthy").get("status") == "True")
    await stage.operator.stop()
    await stands(gateway, contract, Circuit(state="open", until=clock.now() + clock.SECOND, reason="Timeout"))
    await stage.operator.start()
    await stage.until(contract, lambda found: condition(found, "Healthy").get("reason") == "BreakerOpen")


async def test_a_contract_without_a_breaker_says_nothing_of_health(stage: Stage) -> None:
    """Nobody looks."""
    contract = manifests.contract(stage.namespace())
    stage.create(contract)
    found = await stage.until(contract, lambda one: condition(one, "Ready").get("status") == "True")
    assert condition(found, "Healthy") == {}


async def test_what_a_namespace_may_spend_in_a_day_reaches_the_gateways(
    stage: Stage, gateway: Client
) -> None:
    """Signed, in CONTROL; as it is changed and taken back. What is no amount changes nothing, and an Event says so."""
    name = stage.namespace()
    namespace = manifests.core("Namespace", "", name)

    def says(amount: str | None) -> None:
        patched = {"metadata": {"annotations": {"keelstep.io/daily-budget-usd": amount}}}
        stage.patch(namespace, patched)

    says("25.50")
    await until_budget(stage, gateway, name, "25.5")
    says("much")
    await stage.eventually(lambda: told_in_default(stage, name, "BudgetInvalid"), "an Event says so")
    assert await budget(stage, gateway, name) == "25.5"
    says(None)
    await until_budget(stage, gateway, name, "")


def told_in_default(stage: Stage, namespace: str, reason: str) -> bool:
    """Events about a Namespace lie in the default namespace."""
    answer = stage.admin.fetch("/apis/events.k8s.io/v1/namespaces/default/events")
    return any(
        each["reason"] == reason and each["regarding"]["name"] == namespace for each in answer.body["items"]
    )


async def budget(stage: Stage, gateway: Client, tenant: str) -> str | None:
    """What gateways believe of a tenant's day; None where nothing was ever said."""
    subject = subjects.control("budget", tenant)
    found = await jetstream.last(gateway, subjects.CONTROL_STREAM, subject)
    if found is None:
        return None
    header = found.headers.get(signing.HEADER)
    record = verified(stage.broker.installation.keyring, subject, header, found.payload)
    assert record is not None, "a gateway would believe nothing any more"
    return record.rules


async def until_budget(stage: Stage, gateway: Client, tenant: str, wanted: str) -> None:
    """Return once this is what gateways believe."""

    async def is_known() -> bool:
        return await budget(stage, gateway, tenant) == wanted

    await stage.awaited(is_known, f"the budget is {wanted or 'none'}")


async def test_a_discard_is_recorded_in_the_log_of_a_run_that_is_over(stage: Stage) -> None:
    """Once, with the person's words; the run's end stays what it was."""
    tenant = stage.tenant()
    run = manifests.execution(tenant)
    stage.create(run)
    cast = await Cast.of(stage, run)
    stage.patch(run, {"spec": {"discard": "refunded by hand"}})
    stage.patch(run, {"spec": {"cancel": True}})
    await stage.until_phase(run, "Cancelled")

    async def is_recorded() -> bool:
        return (await cast.state()).discarded is not None

    await stage.awaited(is_recorded, "it is recorded")
    state = await cast.state()
    assert state.discarded == types.Feedback(
        by="spec.discard", verdict="bad", reason="refunded by hand", discards=True
    )
    assert state.voids == 0


async def test_a_run_that_is_done_again_says_of_which(stage: Stage, gateway: Client) -> None:
    """Its log begins with the first one's name."""
    tenant = stage.tenant()
    run = manifests.execution(tenant)
    run["metadata"]["annotations"] = {"keelstep.io/retry-of": "first"}
    stage.create(run)
    found = await stage.until_phase(run, "Scheduled")
    first, *_ = await StreamReader(gateway, 0).read(tenant, status(found)["executionID"], 0)
    begun = envelope.decode(first.payload)
    assert isinstance(begun, envelope.Event)
    assert isinstance(begun.data, types.ExecStarted)
    assert begun.data.trigger == "retry of first"
