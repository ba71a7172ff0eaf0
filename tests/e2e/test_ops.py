"""Does the second example end as its README says? An agent on call, with tools over MCP and HTTP, and what it did undone."""

import secrets
import subprocess
from typing import Any

import pytest

from hack.local import ops
from hack.local.platform import Platform
from hack.local.world import AUTHOR, REQUESTER, Tenant
from tests.e2e import person, record

pytestmark = pytest.mark.usefixtures("programs_stay_calm")


@pytest.fixture
def on_call(platform: Platform) -> Tenant:
    """The example in a namespace of this test's own; its alerts and its fleet run."""
    ops.start(platform)
    found = Tenant(platform=platform, name=f"ops-{secrets.token_hex(3)}", example=ops.manifests)
    for file in ("tenant.yaml", "credentials.yaml"):
        found.apply(found.admin, found.manifests(file))
    author = found.person(AUTHOR)
    for file in ("contracts.yaml", "agent.yaml"):
        found.apply(author, found.manifests(file))
    person.until_condition(found, "agentstrategies", "on-call-agent", "Ready", "Ready")
    return found


def called(tenant: Tenant, run: str) -> list[tuple[str, str]]:
    """Each tool that was called and how it ended, in order."""
    return [(each["tool"], each["status"]) for each in person.of_type(person.log(tenant, run), "tool.result")]


def silent(tenant: Tenant, alert: str) -> int:
    """How many silences of this alert are in force, as the alerts say themselves."""
    return sum(each["active"] for each in ops.silences(tenant.platform) if each["alert"] == alert)


def scaled(tenant: Tenant, service: str) -> list[Any]:
    """Every change of this service, as the fleet says itself."""
    return [each for each in ops.changes(tenant.platform) if each["service"] == service]


def test_an_agent_ends_an_incident_with_what_it_may_do_alone(on_call: Tenant) -> None:
    """A command, an MCP server and an HTTP service: looked at freely, changed where it can be taken back."""
    before = silent(on_call, "CheckoutLatencyHigh")
    on_call.ask("checkout-slow")
    on_call.until_phase("checkout-slow", "Succeeded")
    assert called(on_call, "checkout-slow") == [
        ("alerts.list-alerts", "ok"),
        ("fleet.get-service", "ok"),
        ("runbooks.find-runbook", "ok"),
        ("alerts.silence-alert", "ok"),
        ("fleet.scale-service", "ok"),
    ]
    assert scaled(on_call, "checkout")[-1]["replicas"] == 6
    assert silent(on_call, "CheckoutLatencyHigh") == before + 1
    assert on_call.items("approvalgates") == []
    record.assert_sound(on_call, "checkout-slow")


def test_an_incident_that_is_cancelled_is_undone_with_the_last_step_first(on_call: Tenant) -> None:
    """It waits for a person about a failover; cancelled, the service is scaled back, and then the alert is heard again."""
    on_call.ask("search-errors")
    gate = on_call.until_gate("search-errors")
    assert gate["spec"]["action"]["tool"] == "fleet.fail-over-service"
    assert silent(on_call, "SearchErrorsHigh") == 1
    stop = ("patch", "execution", "search-errors", "-n", on_call.name, "--type=merge", "-p")
    on_call.person(REQUESTER).run(*stop, '{"spec":{"cancel":true}}')
    status = on_call.until_phase("search-errors", "Cancelled")
    assert status["outcome"] == (
        "cancelled by spec.cancel; undone: alerts.silence-alert, fleet.scale-service"
    )
    undone = [
        each["tool"]
        for each in person.of_type(person.log(on_call, "search-errors"), "tool.called")
        if each.get("undoes")
    ]
    assert undone == ["fleet.scale-service", "alerts.end-silence"]
    done, back = scaled(on_call, "search")[-2:]
    assert (done["replicas"], back["replicas"]) == (8, done["previous"])
    assert silent(on_call, "SearchErrorsHigh") == 0
    record.assert_sound(on_call, "search-errors")


def test_the_servers_still_say_what_was_reviewed(on_call: Tenant) -> None:
    """`keelstep contract diff` of the manifests that people apply."""
    reviewed = ops.manifests(on_call.platform) / "contracts.yaml"
    said = subprocess.run(
        [person.KEELSTEP, "contract", "diff", str(reviewed)], capture_output=True, text=True, check=False
    )
    assert [line.rpartition(": ")[2] for line in said.stdout.splitlines()] == ["Same"] * 4, said.stderr
    assert said.returncode == 0


def test_a_tool_that_is_not_the_one_reviewed_is_not_called_and_its_contract_says_so(on_call: Tenant) -> None:
    """The pins are of other words than the server's: refused as not sent, shown by the operator; reviewed again, made."""
    author, name = on_call.person(AUTHOR), "runbooks.find-runbook"
    [reviewed] = [each for each in on_call.manifests("contracts.yaml") if each["metadata"]["name"] == name]
    pinned = {**reviewed["spec"]["transport"]["mcp"]["pinned"], "description": "0" * 64}
    other = person.changed(reviewed, name, {"transport": {"mcp": {"pinned": pinned}}})
    on_call.apply(author, [other])
    person.until_condition(on_call, "agentstrategies", "on-call-agent", "Ready", "Ready")
    on_call.ask("checkout-slow")
    on_call.until_phase("checkout-slow", "Succeeded")
    results = person.of_type(person.log(on_call, "checkout-slow"), "tool.result")
    [refused] = [each for each in results if each["tool"] == name]
    assert (refused["status"], refused["error"]["reason"]) == ("failed", "Drifted")
    person.until_condition(on_call, "toolcontracts", name, "Drifted", "Drifted")
    person.until_told(on_call, name, "Drifted")
    on_call.apply(author, [reviewed])
    on_call.until(
        "the contract to be as reviewed",
        lambda: not person.condition(on_call.get("toolcontracts", name), "Drifted"),
    )
    record.assert_sound(on_call, "checkout-slow")
