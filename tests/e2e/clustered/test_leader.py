"""A keelstep on three brokers: the one that leads is killed in the middle of the example's runs, and nobody notices."""

import asyncio

from hack.local import world
from hack.local.platform import Platform
from hack.local.world import Tenant
from keelstep.log import connection, identities, subjects, tail
from keelstep.log.identities import Role
from tests.e2e import person, record

GATED = "refund-approved"
RUNS = ("small-claim", "refund-rejected", GATED)
GOAL = "Order 1042 arrived with a chipped mug. The customer would like something for it."
"""A goal that the scripted model knows: it reads, books a credit and replies."""


def test_the_examples_runs_succeed_while_the_leading_broker_is_killed(clustered: Platform) -> None:
    """Killed while a refund is booked and not answered: it is booked once, and its record is there."""
    tenant = Tenant(platform=clustered, name="three-brokers")
    tenant.furnish()
    before = len(tenant.refunds())
    tenant.ask(*RUNS)
    gates = {run: tenant.until_gate(run) for run in (GATED, "refund-rejected")}
    clustered.shop("POST", "/faults", {"path": "/refunds", "mode": "hold"})
    tenant.answer(gates["refund-rejected"], "Rejected")
    tenant.answer(gates[GATED], "Approved")
    tenant.until("the refund to be booked", lambda: clustered.shop("GET", "/faults/state")["waiting"] > 0)
    leader = asyncio.run(_leader(clustered))
    world.kill(clustered, leader)
    clustered.shop("POST", "/faults/release")
    for run in RUNS:
        assert tenant.until_phase(run, *world.OVER, seconds=120)["phase"] == "Succeeded", tenant.described()
        record.assert_sound(tenant, run)
    assert len(tenant.refunds()) - before == 1
    clustered.start_broker(leader)
    tenant.ask("malformed-arguments")
    assert tenant.until_phase("malformed-arguments", *world.OVER)["phase"] == "Succeeded"


def test_without_a_majority_nothing_goes_on_and_afterwards_everything_does(clustered: Platform) -> None:
    """Two brokers are gone: the operator says that it waits for the broker; a call's result is not lost."""
    tenant = Tenant(platform=clustered, name="two-gone")
    tenant.furnish()
    clustered.shop("POST", "/faults", {"path": "/credits", "mode": "hold"})
    person.ask(tenant, "held", GOAL)
    tenant.until("the credit to be booked", lambda: clustered.shop("GET", "/faults/state")["waiting"] > 0)
    gone, since = clustered.broker_names[1:], len(_said(clustered, "operator"))
    for broker in gone:
        world.kill(clustered, broker)
    clustered.shop("POST", "/faults/release")
    person.ask(tenant, "asked-meanwhile", GOAL)
    tenant.until(
        "the operator to say so", lambda: "BrokerUnavailable" in _said(clustered, "operator")[since:]
    )
    assert tenant.status("held")["phase"] == "Running"
    clustered.start_broker(*gone)
    for run in ("held", "asked-meanwhile"):
        assert tenant.until_phase(run, *world.OVER, seconds=120)["phase"] == "Succeeded", tenant.described()
        record.assert_sound(tenant, run)
    keys = [booking["key"] for booking in clustered.ledger() if booking["kind"] == "credit"]
    assert len(keys) == len(set(keys))
    claims = [event["data"] for event in person.log(tenant, "held") if event["type"] == "tool.called"]
    assert all(keys.count(claim["idempotency_key"]) <= 1 for claim in claims)


def _said(platform: Platform, program: str) -> str:
    return (platform.folder / "logs" / f"{program}.log").read_text()


async def _leader(platform: Platform) -> str:
    """The broker that leads the log."""
    file = platform.installed.credentials_file(Role.READER)
    nc = await connection.connect(
        platform.places.broker_url, file, "test", inbox_prefix=identities.inbox(Role.READER)
    )
    try:
        return (await tail.place(nc, subjects.stream(0))).leader
    finally:
        await nc.close()
