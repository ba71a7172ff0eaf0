"""Who works, where two operators run? The holder of the Lease, and nobody twice."""

import asyncio
import signal

from keelstep.log.identities import Role
from keelstep.log.names import Names
from keelstep_operator import lease
from tests.integration.kinds import api
from tests.integration.operator import manifests
from tests.integration.operator.actors import Cast
from tests.integration.operator.stage import OperatorProcess, Stage

NAMESPACE = "keelstep-system"


def _lease(stage: Stage) -> api.Object:
    answer = stage.admin.fetch(f"/apis/coordination.k8s.io/v1/namespaces/{NAMESPACE}/leases/{lease.NAME}-0")
    assert answer.is_ok, answer.message
    spec: api.Object = answer.body["spec"]
    return spec


def _second(stage: Stage, **more: str) -> OperatorProcess:
    """Another operator, as a second replica would be."""
    return OperatorProcess({**stage.operator.environment, **more}, stage.folder / "second.log")


async def _attempts(stage: Stage, tenant: str, name: str) -> int:
    run = manifests.execution(tenant, name)
    stage.create(run)
    cast = await Cast.of(stage, run)
    return (await cast.state()).attempt


async def test_one_works_the_other_stands_by_and_follows_at_once_on_a_clean_end(stage: Stage) -> None:
    """The Lease is given back, so that the next one need not wait for its end."""
    await stage.operator.stop()
    await stage.operator.start(KEELSTEP_LEASE_NAMESPACE=NAMESPACE)
    first = _lease(stage)["holderIdentity"]
    second = _second(stage, KEELSTEP_LEASE_NAMESPACE=NAMESPACE)
    await second.launch()
    try:
        await stage.eventually(lambda: '"event": "standby"' in second.said_since_start(), "it stands by")
        assert await _attempts(stage, stage.tenant(), "while-the-first-works") == 1
        assert _lease(stage)["holderIdentity"] == first

        assert await stage.operator.stop() == 0

        await stage.eventually(lambda: '"event": "ready"' in second.said_since_start(), "the second works")
        assert _lease(stage)["holderIdentity"] != first
        assert await _attempts(stage, stage.tenant(), "after-it") == 1
    finally:
        await second.stop()
        await stage.operator.start()


async def test_an_operator_that_wakes_up_deposed_ends_and_does_no_harm(stage: Stage) -> None:
    """Stopped for longer than its Lease lasts: what began meanwhile has one attempt, before and after it wakes."""
    await stage.operator.stop()
    await stage.operator.start(KEELSTEP_LEASE_NAMESPACE=NAMESPACE)
    tenant = stage.tenant()
    assert await _attempts(stage, tenant, "before") == 1
    second = _second(stage, KEELSTEP_LEASE_NAMESPACE=NAMESPACE)
    await second.launch()
    stage.operator.send(signal.SIGSTOP)
    try:
        await stage.eventually(lambda: '"event": "ready"' in second.said_since_start(), "the second works")
        runs = [f"meanwhile-{number}" for number in range(5)]
        assert [await _attempts(stage, tenant, name) for name in runs] == [1] * len(runs)

        stage.operator.send(signal.SIGCONT)

        assert await stage.operator.ended() == 1
        assert "LeaseLost" in stage.operator.said_since_start()
        for name in ["before", *runs]:
            cast = await Cast.of(stage, manifests.execution(tenant, name))
            assert (await cast.state()).attempt == 1
            assert not (await cast.state()).is_over
    finally:
        await second.stop()
        await stage.operator.start()


async def test_a_deletion_that_is_seen_late_ends_no_other_run(stage: Stage) -> None:
    """Two at work, as no Lease would have it: the frozen one learns of a deletion after the name went to another run."""
    tenant = stage.tenant()
    run = manifests.execution(tenant)
    stage.create(run)
    old = await Cast.of(stage, run)
    second = _second(stage)
    await second.launch()
    try:
        await stage.eventually(lambda: '"event": "ready"' in second.said_since_start(), "the second works")
        stage.operator.send(signal.SIGSTOP)
        stage.delete(run)
        await stage.until_gone(run)
        await stage.awaited(lambda: _is_free(stage, tenant, old.xid), "the name is free")
        stage.create(run)
        new = await Cast.of(stage, run)
        assert new.xid != old.xid
        await second.stop()

        stage.operator.send(signal.SIGCONT)

        await stage.eventually(
            lambda: f'"execution": "{new.xid}"' in stage.operator.said_since_start(),
            "it learns of the other run",
        )
        await asyncio.to_thread(
            stage.patch, run, {"spec": {"suspend": True}}
        )  # whatever it had to do for the deletion is done before this
        await stage.until_phase(run, "Suspended")
        assert (await new.state()).cancelled is None
    finally:
        stage.operator.send(signal.SIGCONT)
        await second.stop()


async def _is_free(stage: Stage, tenant: str, xid: str) -> bool:
    client = await stage.broker.connect(Role.READER)
    try:
        entry = await Names(client).lookup(tenant, "run")
    finally:
        await client.close()
    return entry is None or entry.record.state == "released" or entry.record.xid != xid
