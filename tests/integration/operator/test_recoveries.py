"""Which gate lifts a kill? Only the one that asks about this very kill."""

import pytest

from keelstep import kinds
from tests.integration.kinds import api
from tests.integration.operator import manifests
from tests.integration.operator.actors import decision
from tests.integration.operator.stage import Stage, condition, status

KILLED = {"spec": {"killSwitch": {"engaged": True, "reason": "refunds doubled"}}}


async def test_a_recovery_asks_about_this_very_kill(stage: Stage) -> None:
    """Scope, name and since when; the kill's own reason as evidence; of nobody's run."""
    strategy = manifests.strategy(stage.tenant())
    asked = await _asked(stage, strategy)
    killed = status(await stage.until(strategy, bool))["killSwitch"]
    assert asked["spec"]["recovery"] == {
        "scope": "Strategy",
        "name": "support",
        "since": killed["since"],
    }
    assert asked["spec"]["evidence"]["policy"] == ["killed: refunds doubled"]
    assert "Lifts the kill of strategy support" in asked["spec"]["message"]


OTHERS = {"scope": "Tool", "name": "another-agent", "since": "2026-01-01T00:00:00Z"}


@pytest.mark.parametrize("field", OTHERS)
async def test_an_answer_about_another_kill_lifts_nothing(stage: Stage, field: str) -> None:
    """A gate of the right name that asks about something else: the kill stands, and a person is told."""
    strategy = manifests.strategy(stage.tenant())
    tenant = strategy["metadata"]["namespace"]
    first = await _asked(stage, strategy)
    name = f"{first['metadata']['name']}-2"  # the name of the question after a no
    forged = manifests.gate(tenant, name)
    forged["spec"] = {**first["spec"], "recovery": {**first["spec"]["recovery"], field: OTHERS[field]}}
    answer = stage.governed.operator.create(forged)  # only this identity can, so it must have been stolen
    assert answer.is_ok, answer.message
    _answer(stage, forged, "Approved")
    stage.patch(strategy, {"spec": {"killSwitch": {"engaged": False}}})

    _answer(stage, first, "Rejected")

    told = await stage.until(
        strategy, lambda found: condition(found, "Killed").get("reason") == "ChildForged", "it is told"
    )
    assert f"ApprovalGate {name} exists and is not ours" in condition(told, "Killed")["message"]
    assert condition(told, "Ready")["status"] == "False"
    gone = stage.governed.operator.delete(forged)
    assert gone.is_ok, gone.message
    again = await stage.until(
        manifests.gate(tenant, name), lambda found: found["spec"]["recovery"] == first["spec"]["recovery"]
    )
    _answer(stage, again, "Approved")
    await stage.until(strategy, lambda found: "killSwitch" not in status(found), "it is lifted")


async def test_a_kill_that_nobody_can_be_asked_about_stands_and_says_so(stage: Stage) -> None:
    """A quota keeps the gate away: the kill is in force, condition and Event say what is in the way, and it heals."""
    strategy = manifests.strategy(stage.tenant())
    await stage.until(strategy, lambda found: condition(found, "Ready").get("status") == "True")
    quota = _no_gates(stage, strategy["metadata"]["namespace"])

    stage.patch(strategy, KILLED)

    found = await stage.until(
        strategy, lambda one: condition(one, "Killed").get("reason") == "ChildRefused", "it is told"
    )
    killed = status(found)["killSwitch"]
    assert (killed["engaged"], killed["reason"], killed.get("gate", "")) == (True, "refunds doubled", "")
    assert "exceeded quota: no-gates" in condition(found, "Killed")["message"]
    assert condition(found, "Ready")["reason"] == "ChildRefused"
    told = [event for event in stage.events(strategy) if event["reason"] == "ChildRefused"]
    assert [event["type"] for event in told] == ["Warning"]
    stage.delete(quota)
    stage.patch(strategy, {"spec": {"version": "1.0.1"}})
    await stage.until(strategy, lambda one: status(one)["killSwitch"].get("gate"), "a person is asked")


def _no_gates(stage: Stage, namespace: str) -> api.Object:
    """A quota of no ApprovalGates; its status is what a controller would write."""
    hard = {"count/approvalgates.keelstep.io": "0"}
    quota: api.Object = {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "no-gates", "namespace": namespace},
        "spec": {"hard": hard},
    }
    stage.create(quota)
    answer = stage.admin.patch(quota, {"status": {"hard": hard, "used": hard}}, subresource="status")
    assert answer.is_ok, answer.message
    return quota


async def _asked(stage: Stage, strategy: api.Object) -> api.Object:
    """Kill a strategy; the gate that asks whether to lift it."""
    await stage.until(strategy, lambda found: condition(found, "Ready").get("status") == "True")
    stage.patch(strategy, KILLED)
    found = await stage.until(strategy, lambda one: status(one).get("killSwitch", {}).get("gate"))
    name = status(found)["killSwitch"]["gate"]
    asked = await stage.until_phase(
        manifests.gate(strategy["metadata"]["namespace"], name), "Pending", "RecoveryRequired"
    )
    return {"apiVersion": kinds.API_VERSION, "kind": "ApprovalGate", **asked}


def _answer(stage: Stage, gate: api.Object, verdict: str) -> None:
    answer = decision(verdict, "grace", "for the test")
    stage.patch(gate, {"spec": {"decisions": [answer]}}, stage.approver("grace"))
