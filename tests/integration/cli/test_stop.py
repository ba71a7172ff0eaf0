"""Can a person stop things, and are they told what was stopped?"""

import pytest

from tests.integration.cli.program import ended
from tests.integration.cli.terminal import Terminal
from tests.integration.kinds import api, plane

REASON = ("--reason", "refunds doubled since 14:00")
LATCHED = {
    "killSwitch": {"engaged": True, "since": "2026-11-21T14:02:00Z", "reason": "refunds doubled since 14:00"}
}


@pytest.mark.parametrize(
    ("verb", "field", "wanted"),
    [("suspend", "suspend", True), ("resume", "suspend", False), ("cancel", "cancel", True)],
)
async def test_a_run_is_held_let_go_and_ended(
    verb: str, field: str, wanted: bool, terminal: Terminal
) -> None:
    """Each sets its one field; asked twice, it says that it is so already."""
    await terminal.place("execution", spec={"suspend": True} if verb == "resume" else {})
    said = await terminal.type(verb, "refund-1042")
    assert said.output.startswith("Execution refund-1042 ")
    found = (await terminal.type("status", "refund-1042", "-o", "json")).data
    assert found["spec"][field] is wanted
    assert "already" in (await terminal.type(verb, "refund-1042")).output


@pytest.mark.parametrize("verb", ["suspend", "resume", "cancel"])
async def test_what_has_ended_cannot_be_changed(verb: str, terminal: Terminal) -> None:
    """Exit 1: there is nothing to hold."""
    execution = await terminal.place("execution")
    await terminal.write_status(execution, {"phase": "Succeeded"})
    said = await terminal.type(verb, "refund-1042")
    assert (
        said.refused(1) == f"Execution refund-1042 has ended already (Succeeded): there is nothing to {verb}"
    )


async def _latched(terminal: Terminal, manifest: api.Object) -> None:
    """The operator's part: once the switch is engaged, its status says so."""

    async def is_engaged() -> bool:
        return bool((await terminal.get(manifest))["spec"]["killSwitch"]["engaged"])

    await terminal.until(is_engaged, "the switch is engaged")
    await terminal.write_status(manifest, LATCHED)


async def test_killing_a_strategy_ends_its_runs(terminal: Terminal) -> None:
    """It waits for the latch and for every run of that strategy, and prints them; others go on."""
    strategy = await terminal.place("strategy")
    mine = await terminal.place("execution")
    other = await terminal.place(
        "execution", metadata={"name": "other"}, spec={"strategyRef": {"name": "another-agent"}}
    )
    process = await terminal.start("kill", "strategy", "refund-agent", *REASON, "-n", terminal.namespace)
    await _latched(terminal, strategy)
    await terminal.write_status(mine, {"phase": "Killed", "reason": "Killed"})
    said = await ended(process)
    assert said.output.startswith("AgentStrategy refund-agent killed; 1 run stopped\n")
    assert "refund-1042" in said.output
    assert other["metadata"]["name"] not in said.output


async def test_killing_a_tool_ends_nothing(terminal: Terminal) -> None:
    """It waits for the latch; runs go on without the tool."""
    contract = await terminal.place("contract")
    await terminal.place("execution")
    process = await terminal.start(
        "kill", "tool", "orders.get", *REASON, "-n", terminal.namespace, "-o", "json"
    )
    await _latched(terminal, contract)
    assert (await ended(process)).data == {"killed": "ToolContract orders.get", "stopped": []}


async def test_killing_an_execution(terminal: Terminal) -> None:
    """One run, at once."""
    execution = await terminal.place("execution")
    process = await terminal.start("kill", "execution", "refund-1042", *REASON, "-n", terminal.namespace)
    await _latched(terminal, execution)
    await terminal.write_status(execution, {**LATCHED, "phase": "Killed"})
    assert (await ended(process)).output.startswith("Execution refund-1042 killed; 1 run stopped\n")
    again = await terminal.type("kill", "execution", "refund-1042", *REASON)
    assert "has ended already (Killed)" in again.refused(1)


async def test_killing_a_tenant(terminal: Terminal, governed: plane.Governed) -> None:
    """The Namespace is labelled with the reason beside it; the question how to lift it proves that it is in force."""
    await terminal.place("execution")
    process = await terminal.start("kill", "tenant", *REASON, "-n", terminal.namespace)

    async def is_labelled() -> bool:
        namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": terminal.namespace}}
        metadata = (await terminal.get(namespace))["metadata"]
        reason = metadata.get("annotations", {}).get("keelstep.io/kill-switch-reason")
        return bool(metadata["labels"].get("keelstep.io/kill-switch") == "engaged" and reason == REASON[1])

    await terminal.until(is_labelled, "the namespace is labelled")
    recovery = {"scope": "Tenant", "name": terminal.namespace, "since": "2026-11-21T14:02:00Z"}
    await terminal.place("gate-recovery", spec={"recovery": recovery})
    execution = {"apiVersion": "keelstep.io/v1alpha1", "kind": "Execution"}
    manifest: api.Object = {**execution, "metadata": {"name": "refund-1042", "namespace": terminal.namespace}}
    await terminal.write_status(manifest, {"phase": "Killed"})
    assert (await ended(process)).output.startswith(f"tenant {terminal.namespace} killed; 1 run stopped\n")


async def test_a_kill_that_nobody_latches_is_said(terminal: Terminal) -> None:
    """Exit 5: the switch is engaged, and somebody must look at the operator."""
    await terminal.place("contract")
    said = await terminal.type("kill", "tool", "orders.get", *REASON, "--wait", "1")
    assert said.refused(5) == (
        "ToolContract orders.get: the switch is engaged, but after 1 s it is not latched: does the operator run?"
    )


async def test_runs_that_do_not_end_are_named(terminal: Terminal) -> None:
    """Exit 5: the kill is in force, and these still go on."""
    strategy = await terminal.place("strategy")
    await terminal.place("execution")
    await terminal.write_status(strategy, LATCHED)
    said = await terminal.type("kill", "strategy", "refund-agent", *REASON, "--wait", "1")
    assert "still going: refund-1042" in said.refused(5)
