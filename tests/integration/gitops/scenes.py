"""How does each standing of our kinds come about? One scene each: what people and programs do until it is so.

A scene returns the object as the API server has it then. It asserts nothing about health.
"""

from collections.abc import Awaitable, Callable

from keelstep.events import types
from tests.integration.kinds import api
from tests.integration.operator import manifests
from tests.integration.operator.actors import Cast, decision
from tests.integration.operator.stage import Stage, condition, status

Scene = Callable[[Stage], Awaitable[api.Object]]


async def _begun(stage: Stage) -> tuple[api.Object, Cast]:
    run = manifests.execution(stage.tenant())
    stage.create(run)
    return run, await Cast.of(stage, run)


async def _asked(stage: Stage, namespace: str) -> tuple[api.Object, api.Object]:
    """A run that has asked a person, and its gate."""
    run = manifests.execution(namespace)
    stage.create(run)
    cast = await Cast.of(stage, run)
    gate = manifests.gate(namespace, f"run-g{await cast.ask_for_refund()}")
    await stage.until(gate, lambda found: status(found).get("phase"), "the gate is there")
    return run, gate


def _is(type_name: str, value: str) -> Callable[[api.Object], bool]:
    return lambda found: condition(found, type_name).get("status") == value


async def execution_created(stage: Stage) -> api.Object:
    """Just applied, and the operator is not there."""
    await stage.operator.stop()
    try:
        return stage.create(manifests.execution(stage.tenant()))
    finally:
        await stage.operator.start()


async def execution_pending(stage: Stage) -> api.Object:
    """Applied before its strategy."""
    run = manifests.execution(stage.namespace())
    stage.create(run)
    return await stage.until_phase(run, "Pending", "StrategyMissing")


async def execution_refused(stage: Stage) -> api.Object:
    """Its inputs do not fit."""
    run = manifests.execution(stage.tenant(), inputs={"customer": "Ada", "colour": "red"})
    stage.create(run)
    return await stage.until_phase(run, "Pending", "InputsInvalid")


async def execution_scheduled(stage: Stage) -> api.Object:
    """Its Pod is made."""
    run, _ = await _begun(stage)
    return await stage.until_phase(run, "Scheduled")


async def execution_running(stage: Stage) -> api.Object:
    """Its runner works."""
    run, cast = await _begun(stage)
    await cast.model()
    return await stage.until_phase(run, "Running")


async def execution_waiting(stage: Stage) -> api.Object:
    """A person is asked."""
    run, _ = await _asked(stage, stage.tenant())
    return await stage.until_phase(run, "WaitingForApproval")


async def execution_suspended(stage: Stage) -> api.Object:
    """A person holds it."""
    run, _ = await _begun(stage)
    stage.patch(run, {"spec": {"suspend": True}})
    return await stage.until_phase(run, "Suspended")


async def execution_unwinding(stage: Stage) -> api.Object:
    """Cancelled while a call is in flight."""
    run, cast = await _begun(stage)
    await cast.model()
    plan = await cast.plan(("orders.get", {"order_id": "1"}))
    await cast.claim("orders.get", plan)
    stage.patch(run, {"spec": {"cancel": True}})
    return await stage.until_phase(run, "Unwinding")


async def execution_succeeded(stage: Stage) -> api.Object:
    """Done."""
    run, cast = await _begun(stage)
    await cast.model()
    await cast.finish()
    return await stage.until_phase(run, "Succeeded")


async def execution_failed(stage: Stage) -> api.Object:
    """Its runner gives up."""
    run, cast = await _begun(stage)
    await cast.model()
    end = types.ExecFinished(outcome="failed", reason="StepLimit", message="limits.steps: 20 are used up")
    await cast.runner("exec.finished", end)
    return await stage.until_phase(run, "Failed")


async def execution_cancelled(stage: Stage) -> api.Object:
    """A person has cancelled it."""
    run, _ = await _begun(stage)
    stage.patch(run, {"spec": {"cancel": True}})
    return await stage.until_phase(run, "Cancelled")


async def execution_killed(stage: Stage) -> api.Object:
    """A person has killed it."""
    run, _ = await _begun(stage)
    stage.patch(run, {"spec": {"killSwitch": {"engaged": True, "reason": "wrong customer"}}})
    return await stage.until_phase(run, "Killed")


async def execution_stalled(stage: Stage) -> api.Object:
    """Somebody else's Pod has its Pod's name."""
    tenant = stage.tenant()
    spec = {"containers": [{"name": "runner", "image": "evil.example/x"}]}
    stolen = manifests.core("Pod", tenant, "run-a1", spec=spec)
    await stage.eventually(lambda: stage.admin.create(stolen).status in (201, 409), "the account is there")
    run = manifests.execution(tenant)
    stage.create(run)
    return await stage.until(run, _is("Stalled", "True"))


async def execution_strategy_killed(stage: Stage) -> api.Object:
    """It is applied to a strategy that is killed."""
    killed = await strategy_killed(stage)
    run = manifests.execution(killed["metadata"]["namespace"])
    stage.create(run)
    return await stage.until_phase(run, "Pending", "StrategyKilled")


async def strategy_created(stage: Stage) -> api.Object:
    """Just applied, and the operator is not there."""
    await stage.operator.stop()
    try:
        return stage.create(manifests.strategy(stage.namespace()))
    finally:
        await stage.operator.start()


async def strategy_contract_missing(stage: Stage) -> api.Object:
    """Applied before its contracts."""
    strategy = manifests.strategy(stage.namespace())
    stage.create(strategy)
    return await stage.until(strategy, _is("ResolvedRefs", "False"))


async def strategy_refused(stage: Stage) -> api.Object:
    """What the API server cannot check is wrong."""
    tenant = stage.namespace(manifests.contract, manifests.refund)
    criteria = [{"name": "done", "expression": "this is not CEL ("}]
    strategy = manifests.strategy(tenant, successCriteria=criteria)
    stage.create(strategy)
    return await stage.until(strategy, _is("Accepted", "False"))


async def strategy_ready(stage: Stage) -> api.Object:
    """Accepted, and its contracts are."""
    return await stage.until(manifests.strategy(stage.tenant()), _is("Ready", "True"))


async def strategy_killed(stage: Stage) -> api.Object:
    """A person has killed it."""
    strategy = await strategy_ready(stage)
    stage.patch(strategy, {"spec": {"killSwitch": {"engaged": True, "reason": "refunds doubled"}}})
    return await stage.until(strategy, lambda found: condition(found, "Killed").get("reason") == "Killed")


async def contract_created(stage: Stage) -> api.Object:
    """Just applied, and the operator is not there."""
    await stage.operator.stop()
    try:
        return stage.create(manifests.contract(stage.namespace()))
    finally:
        await stage.operator.start()


async def contract_refused(stage: Stage) -> api.Object:
    """What the API server cannot check is wrong."""
    contract = manifests.contract(stage.namespace(), transport={"http": {"response": "this is not CEL ("}})
    stage.create(contract)
    return await stage.until(contract, _is("Accepted", "False"))


async def contract_ready(stage: Stage) -> api.Object:
    """Accepted."""
    return await stage.until(manifests.contract(stage.tenant()), _is("Ready", "True"))


async def contract_killed(stage: Stage) -> api.Object:
    """A person has killed it."""
    contract = await contract_ready(stage)
    stage.patch(contract, {"spec": {"killSwitch": {"engaged": True, "reason": "bank is down"}}})
    return await stage.until(contract, lambda found: condition(found, "Killed").get("reason") == "Killed")


async def gate_pending(stage: Stage) -> api.Object:
    """A run asks."""
    _, gate = await _asked(stage, stage.tenant())
    return await stage.until_phase(gate, "Pending")


async def gate_approved(stage: Stage) -> api.Object:
    """One person said yes."""
    return await _decided(stage, "Approved")


async def gate_rejected(stage: Stage) -> api.Object:
    """One person said no."""
    return await _decided(stage, "Rejected")


async def _decided(stage: Stage, verdict: str) -> api.Object:
    _, gate = await _asked(stage, stage.tenant())
    stage.patch(gate, {"spec": {"decisions": [decision(verdict, "grace")]}}, stage.approver("grace"))
    return await stage.until_phase(gate, verdict)


async def gate_expired(stage: Stage) -> api.Object:
    """Nobody answered in time."""

    def hasty(namespace: str) -> api.Object:
        return manifests.refund(namespace, approval={"deadlineSeconds": 1})

    _, gate = await _asked(stage, stage.namespace(manifests.contract, hasty, manifests.strategy))
    return await stage.until_phase(gate, "Expired")


async def gate_withdrawn(stage: Stage) -> api.Object:
    """The run has ended meanwhile."""
    run, gate = await _asked(stage, stage.tenant())
    stage.patch(run, {"spec": {"cancel": True}})
    return await stage.until_phase(gate, "Withdrawn")


async def gate_recovery(stage: Stage) -> api.Object:
    """A killed strategy's way back."""
    strategy = await strategy_killed(stage)
    name = status(strategy)["killSwitch"]["gate"]
    return await stage.until_phase(manifests.gate(strategy["metadata"]["namespace"], name), "Pending")


SCENES: dict[str, Scene] = {
    scene.__name__.replace("_", "-"): scene
    for scene in (
        *(execution_created, execution_pending, execution_refused, execution_scheduled, execution_running),
        *(execution_waiting, execution_suspended, execution_unwinding, execution_succeeded, execution_failed),
        *(execution_cancelled, execution_killed, execution_stalled, execution_strategy_killed),
        *(strategy_created, strategy_contract_missing, strategy_refused, strategy_ready, strategy_killed),
        *(contract_created, contract_refused, contract_ready, contract_killed),
        *(gate_pending, gate_approved, gate_rejected, gate_expired, gate_withdrawn, gate_recovery),
    )
}
"""Every standing, by its name."""
