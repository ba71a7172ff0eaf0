"""Whose log is it? A name, its log, and what becomes of both when the resource goes and comes again."""

from nats.aio.client import Client

from keelstep.log import jetstream, subjects
from keelstep.log.identities import Role
from keelstep.log.names import Names
from tests.integration.operator import manifests
from tests.integration.operator.actors import Cast
from tests.integration.operator.stage import Stage, condition, status


async def _record(stage: Stage, tenant: str, name: str = "run") -> str:
    nc: Client = await stage.broker.connect(Role.READER)
    try:
        entry = await Names(nc).lookup(tenant, name)
    finally:
        await nc.close()
    return entry.record.state if entry is not None else "none"


async def test_an_equal_spec_applied_again_adopts_its_log(stage: Stage) -> None:
    """Deleted and re-created while nobody watched (GitOps, a lost etcd): the same log, no second set of effects."""
    tenant = stage.tenant()
    run = manifests.execution(tenant)
    first = stage.create(run)["metadata"]["uid"]
    cast = await Cast.of(stage, run)
    await cast.model()
    await stage.until_phase(run, "Running")
    await stage.operator.kill()
    stage.delete(run)
    await stage.until_gone(run)
    second = stage.create(run)["metadata"]["uid"]

    await stage.operator.start()

    adopted = await stage.until(run, lambda found: status(found).get("attempt") == 2, "a new attempt of it")
    assert second != first
    assert status(adopted)["executionID"] == first
    assert (await cast.state()).started is not None
    pod = await stage.until(manifests.core("Pod", tenant, "run-a2"), bool)
    assert [owner["uid"] for owner in pod["metadata"]["ownerReferences"]] == [second]


async def test_a_finished_run_applied_again_is_finished(stage: Stage) -> None:
    """Adoption holds for what is over: the status comes back from the log and nothing runs."""
    run, cast = await Cast.begun(stage)
    await cast.model()
    await cast.finish()
    await stage.until_phase(run, "Succeeded")
    await stage.operator.kill()
    stage.delete(run)
    await stage.until_gone(run)
    stage.create(run)

    await stage.operator.start()

    await stage.until_phase(run, "Succeeded", "OutputAccepted")
    assert (await cast.state()).attempt == 1


async def test_a_name_with_another_spec_is_refused(stage: Stage) -> None:
    """NameInUse: the name belongs to a run that nobody ended; the message says how to free it."""
    tenant = stage.tenant()
    stage.create(manifests.execution(tenant))
    cast = await Cast.of(stage, manifests.execution(tenant))
    await stage.operator.kill()
    stage.delete(manifests.execution(tenant))
    await stage.until_gone(manifests.execution(tenant))
    other = manifests.execution(tenant, goal="Something else.")
    stage.create(other)

    await stage.operator.start()

    refused = await stage.until_phase(other, "Pending", "NameInUse")
    assert condition(refused, "Stalled")["status"] == "True"
    assert "Deleting this Execution" in condition(refused, "Stalled")["message"]
    assert (await cast.state()).attempt == 1
    stage.delete(other)
    await stage.awaited(lambda: _is_released(stage, tenant), "its deletion was seen, so the name is free")
    assert (await cast.state()).finished is not None


async def test_a_name_that_nobody_can_read_stalls_the_run(stage: Stage) -> None:
    """What stands under the name is no record: nothing starts, and the person is told what to look at."""
    tenant = stage.tenant()
    client = await stage.broker.connect(Role.OPERATOR)
    await jetstream.publish(client, subjects.name(tenant, "run"), b"{}")
    await client.close()

    stage.create(manifests.execution(tenant))

    refused = await stage.until_phase(manifests.execution(tenant), "Pending", "NameUnreadable")
    assert "is no record of ours" in condition(refused, "Stalled")["message"]


async def test_what_never_began_is_closed_before_its_name_is_free(stage: Stage) -> None:
    """An operator that was stopped on its way to begin it finds the log ended, whenever it wakes up."""
    tenant = stage.namespace()
    run = manifests.execution(tenant)
    xid = stage.create(run)["metadata"]["uid"]
    await stage.until_phase(run, "Pending", "StrategyMissing")

    stage.delete(run)

    await stage.awaited(lambda: _is_released(stage, tenant), "its deletion was seen, so the name is free")
    state = await Cast(stage, "run", tenant, xid, await stage.broker.connect(Role.GATEWAY)).state()
    assert (state.seq, state.started, state.is_over) == (1, None, True)
    assert state.finished is not None
    assert state.finished.outcome == "cancelled"


async def _is_released(stage: Stage, tenant: str) -> bool:
    return await _record(stage, tenant) == "released"


async def test_deleting_a_running_execution_cancels_it_and_frees_its_name(stage: Stage) -> None:
    """A deletion that is seen is a recorded cancel; then another run may have the name."""
    tenant = stage.tenant()
    run = manifests.execution(tenant)
    first = stage.create(run)["metadata"]["uid"]
    cast = await Cast.of(stage, run)
    client = await cast.connect(1)

    stage.delete(run)

    await stage.awaited(lambda: _is_released(stage, tenant), "the name is free")
    state = await cast.state()
    assert state.cancelled is not None
    assert state.cancelled.reason == "Deleted"
    assert state.finished is not None
    assert state.finished.outcome == "cancelled"
    await stage.eventually(lambda: client.is_closed, "the runner's identity is revoked")
    await stage.until_gone(manifests.core("Pod", tenant, "run-a1"))
    again = manifests.execution(tenant, goal="Something else.")
    stage.create(again)
    shown = status(await stage.until_phase(again, "Scheduled"))
    assert shown["executionID"] != first


async def test_a_deletion_waits_for_a_call_in_flight(stage: Stage) -> None:
    """The run ends once its gateway has recorded what became of the call."""
    run, cast = await Cast.begun(stage)
    tenant = cast.tenant
    await cast.model()
    plan = await cast.plan(("orders.get", {"order_id": "1"}))
    claim = await cast.claim("orders.get", plan)
    stage.delete(run)
    await stage.awaited(lambda: _is_cancelled(cast), "the cancel is recorded")
    assert (await cast.state()).finished is None

    await cast.result("orders.get", plan, claim)

    await stage.awaited(lambda: _is_released(stage, tenant), "the name is free")
    assert (await cast.state()).finished is not None


async def _is_cancelled(cast: Cast) -> bool:
    return (await cast.state()).cancelled is not None


async def test_a_vanished_execution_is_orphaned_never_deleted(stage: Stage) -> None:
    """Missing without a deletion that was seen: its identity is revoked, nothing is recorded, it can be adopted."""
    tenant = stage.tenant()
    run = manifests.execution(tenant)
    uid = stage.create(run)["metadata"]["uid"]
    cast = await Cast.of(stage, run)
    client = await cast.connect(1)
    await stage.operator.kill()
    stage.delete(run)
    await stage.until_gone(run)

    await stage.operator.start()

    await stage.eventually(lambda: client.is_closed, "the runner's identity is revoked")
    state = await cast.state()
    assert state.cancelled is None
    assert not state.is_over
    assert state.attempt == 1
    assert await _record(stage, tenant) == "bound"
    await stage.eventually(lambda: uid in _orphans(stage), "it is listed")
    stage.create(run)
    found = await stage.until(run, lambda one: status(one).get("attempt") == 2, "it goes on")
    assert status(found)["executionID"] == uid


async def test_a_namespace_goes_while_the_operator_is_down(stage: Stage) -> None:
    """No finalizer anywhere: deletion never waits for us. What ran there is orphaned."""
    _, cast = await Cast.begun(stage)
    tenant = cast.tenant
    await stage.operator.kill()

    stage.delete(manifests.core("Namespace", "", tenant))

    await stage.until_gone(manifests.core("Namespace", "", tenant), "the namespace is gone")
    await stage.operator.start()
    await stage.eventually(lambda: cast.xid in _orphans(stage), "the run is listed as orphaned")
    assert not (await cast.state()).is_over


def _orphans(stage: Stage) -> str:
    lines = stage.operator.said().splitlines()
    return "\n".join(line for line in lines if "execution_orphaned" in line)
