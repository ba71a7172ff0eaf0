"""Does a crash between any two steps heal? The operator is killed at named points, then started again."""

import pytest

from tests.integration.operator import manifests
from tests.integration.operator.actors import Cast, decision
from tests.integration.operator.stage import Stage, status

_STARTING = [
    "operator.after.name",
    "operator.before.exec.started",
    "operator.after.exec.started",
    "operator.before.exec.attempt",
    "operator.after.exec.attempt",
    "operator.before.kube.create",
    "operator.after.kube.create",
    "operator.after.kube.create:2",
    "operator.before.kube.patch",
]


@pytest.mark.parametrize("point", _STARTING)
async def test_a_crash_while_a_run_begins_leaves_one_start_and_one_attempt(stage: Stage, point: str) -> None:
    """Whatever was done before the crash is found and carried on."""
    tenant = stage.tenant()
    run = manifests.execution(tenant)
    strategy = manifests.strategy(tenant)
    await stage.until(strategy, lambda found: status(found).get("revision"), "the strategy is ready")
    await stage.operator.stop()
    stage.create(run)
    await stage.operator.start_to_die(point)

    await stage.operator.start()

    shown = status(await stage.until_phase(run, "Scheduled"))
    assert shown["attempt"] == 1
    cast = await Cast.of(stage, run)
    state = await cast.state()
    assert (state.seq, state.attempt, state.voids) == (2, 1, 0)
    await stage.until(manifests.core("Pod", tenant, "run-a1"), bool)
    await cast.model()
    await cast.plan(("orders.get", {}))


@pytest.mark.parametrize(
    "point",
    [
        "operator.before.gate.decided",
        "operator.after.gate.decided",
        "operator.before.revoke",
        "operator.after.revoke",
    ],
)
async def test_a_crash_while_an_answer_is_recorded_records_it_once(stage: Stage, point: str) -> None:
    """One gate.decided, one next attempt."""
    run, cast = await Cast.begun(stage)
    tenant = cast.tenant
    seq = await cast.ask_for_refund()
    gate = manifests.gate(tenant, f"run-g{seq}")
    await stage.until_phase(gate, "Pending")
    await stage.operator.stop()
    stage.patch(gate, {"spec": {"decisions": [decision("Approved", "grace")]}}, stage.approver("grace"))
    await stage.operator.start_to_die(point)

    await stage.operator.start()

    await stage.until_phase(gate, "Approved")
    await stage.until(run, lambda found: status(found).get("attempt") == 2, "the next attempt begins")
    state = await cast.state()
    assert (state.seq, state.attempt, state.voids) == (seq + 2, 2, 0)


@pytest.mark.parametrize(
    "point",
    ["operator.after.exec.cancelled", "operator.after.exec.finished", "operator.after.revoke"],
)
async def test_a_crash_after_a_deletion_was_seen_still_frees_the_name(stage: Stage, point: str) -> None:
    """The cancel in the log proves that the deletion was seen, when nothing else does any more."""
    run, cast = await Cast.begun(stage)
    await stage.operator.stop()
    await stage.operator.start(KEELSTEP_CRASH_AT=point)
    stage.delete(run)
    await stage.operator.died()

    await stage.operator.start()

    await stage.eventually(lambda: "name_released" in stage.operator.said_since_start(), "the name is free")
    state = await cast.state()
    assert state.finished is not None
    assert state.finished.reason == "Deleted"


async def test_a_name_whose_deletion_was_half_done_is_free_for_the_next_run(stage: Stage) -> None:
    """Applied again before anybody freed the name: the old run is ended first, the new one has a log of its own."""
    tenant = stage.tenant()
    run = manifests.execution(tenant)
    first = stage.create(run)["metadata"]["uid"]
    cast = await Cast.of(stage, run)
    await stage.operator.stop()
    await stage.operator.start(KEELSTEP_CRASH_AT="operator.after.exec.cancelled")
    stage.delete(run)
    await stage.operator.died()
    second = stage.create(run)["metadata"]["uid"]

    await stage.operator.start()

    shown = status(await stage.until_phase(run, "Scheduled"))
    assert shown["executionID"] == second != first
    state = await cast.state()
    assert state.finished is not None
    assert state.finished.reason == "Deleted"
