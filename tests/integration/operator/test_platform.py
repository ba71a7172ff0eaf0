"""How do a platform team's rules come into force, and what does not lift them?"""

import pytest_asyncio
from nats.aio.client import Client

from keelstep.domain import canonical, policy
from keelstep.events import envelope, signing, types
from keelstep.log import jetstream, subjects
from keelstep.log.control import Record, verified
from keelstep.log.identities import Role
from keelstep.log.reader import StreamReader
from tests.integration.kinds import api
from tests.integration.operator import manifests
from tests.integration.operator.stage import Stage, condition

DENY_ALL = "rules: [{name: nothing, when: 'true', effect: Deny}]"


def rules(namespace: str, text: str = DENY_ALL) -> api.Object:
    """The ConfigMap."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": "keelstep-policy",
            "namespace": namespace,
            "labels": {"keelstep.io/policy": "platform"},
        },
        "data": {"policy.yaml": text},
    }


@pytest_asyncio.fixture(loop_scope="session")
async def reader(stage: Stage) -> Client:
    """Somebody who may look."""
    return await stage.broker.connect(Role.READER)


async def in_force(stage: Stage, reader: Client, tenant: str) -> Record | None:
    """The last record of a tenant's rules, as a gateway would believe it."""
    subject = subjects.control("policy", tenant)
    found = await jetstream.last(reader, subjects.CONTROL_STREAM, subject)
    if found is None:
        return None
    header = found.headers.get(signing.HEADER)
    record = verified(stage.broker.installation.keyring, subject, header, found.payload)
    assert record is not None, "a gateway would believe nothing any more"
    return record


async def until_in_force(stage: Stage, reader: Client, tenant: str, text: str) -> Record:
    """Return once these rules hold."""

    async def probe() -> Record | None:
        found = await in_force(stage, reader, tenant)
        return found if found is not None and names(found) == text else None

    found: Record = await stage.awaited(probe, f"the rules are {text}")
    return found


def names(record: Record) -> str:
    """The rules in a record, by name."""
    return " ".join(rule.name for rule in policy.load(record.rules).rules) if record.rules else "(none)"


async def test_rules_hold_once_their_config_map_is_applied_and_as_it_is_changed(
    stage: Stage, reader: Client
) -> None:
    """Signed, whole, in CONTROL; kept as a revision; a run names the digest it began under; an Event says so."""
    tenant = stage.tenant()
    stage.create(rules(tenant))
    record = await until_in_force(stage, reader, tenant, "nothing")
    digest = canonical.digest(record.rules.encode())
    kept = await jetstream.last(reader, subjects.OBJECTS_STREAM, subjects.revision(tenant, digest))
    assert kept is not None
    assert kept.payload == record.rules.encode()
    stage.create(manifests.execution(tenant))
    run = await stage.until_phase(manifests.execution(tenant), "Scheduled")
    first, *_ = await StreamReader(reader, 0).read(tenant, run["status"]["executionID"], 0)
    begun = envelope.decode(first.payload)
    assert isinstance(begun, envelope.Event)
    assert isinstance(begun.data, types.ExecStarted)
    assert begun.data.policy == digest
    await stage.eventually(
        lambda: any(each["reason"] == "PolicyInForce" for each in stage.events(rules(tenant))),
        "an Event says so",
    )
    stage.patch(rules(tenant), {"data": {"policy.yaml": "rules: []"}})
    await until_in_force(stage, reader, tenant, "")


async def test_rules_that_cannot_be_used_change_nothing_and_nothing_new_starts(
    stage: Stage, reader: Client
) -> None:
    """What held before still holds; the Event names the rule; corrected, what waits begins."""
    tenant = stage.tenant()
    stage.create(rules(tenant))
    await until_in_force(stage, reader, tenant, "nothing")
    broken = "rules: [{name: typo, when: 'args.n >', effect: Deny}]"
    stage.patch(rules(tenant), {"data": {"policy.yaml": broken}})
    await stage.eventually(
        lambda: any(
            each["reason"] == "PolicyInvalid" and "rules.0.when" in each["note"]
            for each in stage.events(rules(tenant))
        ),
        "an Event names the rule",
    )
    run = manifests.execution(tenant)
    stage.create(run)
    waiting = await stage.until(
        run, lambda found: condition(found, "ResolvedRefs").get("reason") == "PolicyInvalid"
    )
    assert "rules.0.when" in condition(waiting, "ResolvedRefs")["message"]
    found = await in_force(stage, reader, tenant)
    assert found is not None
    assert names(found) == "nothing"
    stage.patch(rules(tenant), {"data": {"policy.yaml": "rules: []"}})
    await stage.until_phase(run, "Scheduled")


async def test_rules_go_where_their_deletion_is_seen(stage: Stage, reader: Client) -> None:
    """By the operator that watches."""
    tenant = stage.tenant()
    stage.create(rules(tenant))
    await until_in_force(stage, reader, tenant, "nothing")
    stage.delete(rules(tenant))
    await until_in_force(stage, reader, tenant, "(none)")


async def test_rules_that_are_merely_missing_still_hold(stage: Stage, reader: Client) -> None:
    """Deleted while no operator looked, or lost with a cluster: nobody decided to lift them. An empty list does."""
    tenant = stage.tenant()
    stage.create(rules(tenant))
    before = await until_in_force(stage, reader, tenant, "nothing")
    await stage.operator.stop()
    stage.delete(rules(tenant))
    await stage.operator.start()
    later = stage.tenant()
    stage.create(rules(later))
    await until_in_force(stage, reader, later, "nothing")  # it has looked at everything by now
    assert await in_force(stage, reader, tenant) == before
    stage.create(rules(tenant, "rules: []"))
    await until_in_force(stage, reader, tenant, "")
