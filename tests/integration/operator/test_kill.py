"""How is a scope stopped at once, and let go on? A kill is latched; only people lift it."""

import asyncio

import psutil

from keelstep.log.identities import Role
from keelstep.log.view import View
from tests.integration.kinds import api
from tests.integration.operator import manifests
from tests.integration.operator.actors import Cast, decision
from tests.integration.operator.stage import Stage, condition, status


async def test_a_killed_strategy_ends_its_runs_and_starts_no_new_one(stage: Stage) -> None:
    """exec.killed on every run of it, identities revoked, Pods and Secrets gone; later runs wait."""
    tenant = stage.tenant()
    runs = [manifests.execution(tenant, f"run-{number}") for number in range(3)]
    casts = []
    for run in runs:
        stage.create(run)
        casts.append(await Cast.of(stage, run))
    client = await casts[0].connect(1)
    strategy = manifests.strategy(tenant)

    stage.patch(strategy, {"spec": {"killSwitch": {"engaged": True, "reason": "refunds doubled"}}})

    for run, cast in zip(runs, casts, strict=True):
        await stage.until_phase(run, "Killed", "StrategyKilled")
        assert (await cast.state()).killed is not None
        await stage.until_gone(manifests.core("Pod", tenant, f"{run['metadata']['name']}-a1"))
    await stage.eventually(lambda: client.is_closed, "the runner is cut off")
    killed = await stage.until(
        strategy, lambda found: condition(found, "Killed").get("reason") == "Killed", "it is acknowledged"
    )
    assert condition(killed, "Ready")["status"] == "False"
    assert status(killed)["killSwitch"]["reason"] == "refunds doubled"
    late = manifests.execution(tenant, "late")
    stage.create(late)
    await stage.until_phase(late, "Pending", "StrategyKilled")


async def test_a_kill_is_not_acknowledged_by_an_operator_that_has_not_met_the_runs(stage: Stage) -> None:
    """It has just started, looks at the strategy first, and stops before it ends the run: nothing says Killed."""
    _, cast = await Cast.begun(stage)
    tenant = cast.tenant
    await stage.operator.stop()
    strategy = manifests.strategy(tenant)
    stage.patch(strategy, {"spec": {"killSwitch": {"engaged": True, "reason": "refunds doubled"}}})

    process = await stage.operator.launch(
        KEELSTEP_WORKERS="1", KEELSTEP_STOP_AT="operator.before.exec.killed"
    )

    await stage.eventually(
        lambda: psutil.Process(process.pid).status() == psutil.STATUS_STOPPED, "it is about to end the run"
    )
    assert (await cast.state()).killed is None
    found = await stage.until(strategy, bool)
    assert condition(found, "Killed").get("reason") != "Killed"
    await stage.operator.kill()
    await stage.operator.start()
    await stage.until(
        strategy, lambda one: condition(one, "Killed").get("reason") == "Killed", "it is acknowledged"
    )
    assert (await cast.state()).killed is not None


async def test_only_people_lift_a_kill_and_only_once_it_is_taken_back(stage: Stage) -> None:
    """Reverting the spec lifts nothing; an approval lifts nothing while the spec still wants the kill."""
    tenant = stage.tenant()
    strategy = manifests.strategy(tenant)
    gate = await _killed(stage, strategy)
    stage.patch(strategy, {"spec": {"killSwitch": {"engaged": False}}})
    await stage.until(strategy, _is_observed, "the change was seen")
    run = manifests.execution(tenant)
    stage.create(run)
    await stage.until_phase(run, "Pending", "StrategyKilled")

    _approve(stage, gate)

    await stage.until_phase(gate, "Approved")
    await stage.until_phase(run, "Scheduled")
    lifted = await stage.until(strategy, lambda found: "killSwitch" not in status(found), "it is lifted")
    assert condition(lifted, "Ready")["status"] == "True"


async def test_an_approval_waits_for_the_spec_to_be_taken_back(stage: Stage) -> None:
    """The other order: approved first, lifted once nobody wants the kill any more."""
    tenant = stage.tenant()
    strategy = manifests.strategy(tenant)
    gate = await _killed(stage, strategy)
    _approve(stage, gate)
    await stage.until_phase(gate, "Approved")
    found = await stage.until(strategy, bool)
    assert status(found)["killSwitch"]["engaged"]

    stage.patch(strategy, {"spec": {"killSwitch": {"engaged": False}}})

    await stage.until(strategy, lambda one: "killSwitch" not in status(one), "it is lifted")


async def test_a_recovery_that_is_refused_is_asked_anew(stage: Stage) -> None:
    """The kill stands, and there is always a gate that could lift it."""
    tenant = stage.tenant()
    strategy = manifests.strategy(tenant)
    gate = await _killed(stage, strategy)

    stage.patch(
        gate, {"spec": {"decisions": [decision("Rejected", "grace", "not yet")]}}, stage.approver("grace")
    )

    await stage.until_phase(gate, "Rejected")
    name = gate["metadata"]["name"]
    await stage.until(
        strategy, lambda found: status(found).get("killSwitch", {}).get("gate") == f"{name}-2", "asked anew"
    )


async def test_a_killed_tool_refuses_and_ends_no_run(stage: Stage) -> None:
    """CONTROL says so to every gateway; runs go on without the tool."""
    _, cast = await Cast.begun(stage)
    tenant = cast.tenant
    tool = manifests.refund(tenant)

    stage.patch(tool, {"spec": {"killSwitch": {"engaged": True, "reason": "bank is down"}}})

    spreading = await stage.until(tool, lambda found: condition(found, "Killed").get("status") == "True")
    assert condition(spreading, "Killed")["reason"] == "KillSpreading", (
        "a gateway may be busy, and not have seen it"
    )
    killed = await stage.until(tool, lambda found: condition(found, "Killed").get("reason") == "Killed")
    assert condition(killed, "Killed")["message"] == "killed: bank is down; every gateway refuses it"
    assert not (await cast.state()).is_over
    record = await _stopped(stage, tenant, tool="refund.issue")
    assert record == "tool"


async def test_a_run_that_waits_for_a_killed_tool_begins_once_the_kill_is_lifted(stage: Stage) -> None:
    """Its strategy's own status never changes; still nobody has to apply anything again."""
    tenant = stage.tenant()
    tool = manifests.refund(tenant)
    stage.patch(tool, {"spec": {"killSwitch": {"engaged": True, "reason": "bank is down"}}})
    killed = await stage.until(tool, lambda found: condition(found, "Killed").get("reason") == "Killed")
    run = manifests.execution(tenant)
    stage.create(run)
    waiting = await stage.until_phase(run, "Pending", "StrategyNotReady")
    message = condition(waiting, "ResolvedRefs")["message"]
    assert message.startswith("ToolContract refund.issue is not ready: Killed: killed: bank is down")

    stage.patch(tool, {"spec": {"killSwitch": {"engaged": False}}})
    gate = manifests.gate(tenant, status(killed)["killSwitch"]["gate"])
    approval = {"spec": {"decisions": [decision("Approved", "grace", "the bank is up")]}}
    stage.patch(gate, approval, stage.approver("grace"))

    await stage.until_phase(run, "Scheduled")


async def test_a_label_on_its_namespace_kills_a_tenant(stage: Stage) -> None:
    """Every run of the tenant ends; taking the label off lifts nothing; its gate does."""
    tenant = stage.tenant()
    run = manifests.execution(tenant)
    stage.create(run)
    await Cast.of(stage, run)
    namespace = manifests.core("Namespace", "", tenant)

    stage.patch(
        namespace,
        {
            "metadata": {
                "labels": {"keelstep.io/kill-switch": "engaged"},
                "annotations": {"keelstep.io/kill-switch-reason": "breach"},
            }
        },
    )

    killed = await stage.until_phase(run, "Killed", "TenantKilled")
    assert "breach" in status(killed)["outcome"]
    stage.patch(namespace, {"metadata": {"labels": {"keelstep.io/kill-switch": None}}})
    late = manifests.execution(tenant, "late")
    stage.create(late)
    await stage.until_phase(late, "Pending", "TenantKilled")
    gate = manifests.gate(tenant, await stage.eventually(lambda: _recovery(stage, tenant), "it asks"))
    _approve(stage, gate)
    await stage.until_phase(late, "Scheduled")


async def test_a_kill_holds_for_a_run_whose_resource_is_gone(stage: Stage) -> None:
    """An orphan is killed by its log alone."""
    run, cast = await Cast.begun(stage)
    tenant = cast.tenant
    await stage.operator.kill()
    stage.delete(run)
    await stage.until_gone(run)
    await stage.operator.start()
    await stage.eventually(lambda: cast.xid in stage.operator.said(), "it is known again")

    stage.patch(manifests.strategy(tenant), {"spec": {"killSwitch": {"engaged": True}}})

    await stage.awaited(lambda: _is_killed(cast), "its log says so")


async def _is_killed(cast: Cast) -> bool:
    return (await cast.state()).killed is not None


async def _killed(stage: Stage, strategy: api.Object) -> api.Object:
    """Kill a strategy; the gate that could lift it."""
    await stage.until(strategy, lambda found: condition(found, "Ready").get("status") == "True")
    stage.patch(strategy, {"spec": {"killSwitch": {"engaged": True, "reason": "test"}}})
    found = await stage.until(strategy, lambda one: status(one).get("killSwitch", {}).get("gate"))
    gate = manifests.gate(strategy["metadata"]["namespace"], status(found)["killSwitch"]["gate"])
    await stage.until_phase(gate, "Pending")
    return gate


def _approve(stage: Stage, gate: api.Object) -> None:
    answer = decision("Approved", "grace", "fixed")
    stage.patch(gate, {"spec": {"decisions": [answer]}}, stage.approver("grace"))


def _is_observed(found: api.Object) -> bool:
    return bool(status(found)["observedGeneration"] == found["metadata"]["generation"])


def _recovery(stage: Stage, tenant: str) -> str:
    answer = stage.admin.fetch(f"/apis/keelstep.io/v1alpha1/namespaces/{tenant}/approvalgates")
    return next((item["metadata"]["name"] for item in answer.body["items"] if "recovery" in item["spec"]), "")


async def _stopped(stage: Stage, tenant: str, *, tool: str) -> str:
    """The scope that stops a tool, as every gateway sees it."""
    nc = await stage.broker.connect(Role.GATEWAY)
    view = View(nc, stage.broker.installation.keyring)
    following = asyncio.create_task(view.run())
    try:
        await view.wait_current()
        record = view.check(tenant, "support", tool, "-")
    finally:
        following.cancel()
    return record.scope if record is not None else ""
