"""Whole executions on a real API server, scheduler and node: the five runs of the example."""

from hack.demo import tables
from hack.local.world import Tenant

GATED = {"refund-approved": "Approved", "refund-rejected": "Rejected"}
RUNS = ("small-claim", "refund-approved", "refund-rejected", "malformed-arguments", "runaway")


def test_five_runs_end_as_the_checked_in_table_says_with_exactly_one_refund_booked(tenant: Tenant) -> None:
    """Approved: booked once. Rejected: nothing booked. Killed: over. The rest: settled without a person."""
    platform = tenant.platform
    before, thoughts = len(tenant.refunds()), platform.model_calls("runaway")
    tenant.ask(*RUNS)
    for run, verdict in GATED.items():
        tenant.answer(tenant.until_gate(run), verdict)
    tenant.until("the runaway to think", lambda: platform.model_calls("runaway") == thoughts + 5)
    kill = '{"spec":{"killSwitch":{"engaged":true,"reason":"it loops"}}}'
    author = tenant.person("ada")
    author.run("patch", "agentstrategy", "runaway-agent", "-n", tenant.name, "--type=merge", "-p", kill)
    for run in RUNS:
        tenant.until_phase(run, "Succeeded", "Failed", "Cancelled", "Killed")
    table = tenant.admin.run("get", "executions", "-n", tenant.name)
    assert tables.masked(table, RUNS) == tables.expected()
    assert max(map(len, table.splitlines())) <= tables.WIDTH
    assert len(tenant.refunds()) - before == 1


def test_the_reason_of_an_ended_run_stands_in_its_condition_and_its_event(tenant: Tenant) -> None:
    """`kubectl describe` is enough to know how a run ended."""
    tenant.ask("small-claim")
    status = tenant.until_phase("small-claim", "Succeeded")
    condition = next(each for each in status["conditions"] if each["type"] == "Succeeded")
    assert (condition["status"], condition["reason"]) == ("True", "Completed")

    def event() -> bool:
        reasons = {
            each["reason"]
            for each in tenant.items("events")
            if each["involvedObject"]["name"] == "small-claim"
        }
        return "Completed" in reasons

    tenant.until("the Event of its end", event)


def test_no_pod_waits_while_a_person_is_asked(tenant: Tenant) -> None:
    """A parked run has no living Pod; the next attempt starts from the log."""
    tenant.ask("refund-approved")
    gate = tenant.until_gate("refund-approved")
    tenant.until_phase("refund-approved", "WaitingForApproval")

    def all_ended() -> bool:
        return all(pod["status"].get("phase") == "Succeeded" for pod in tenant.items("pods"))

    tenant.until("its Pod to end", all_ended)
    tenant.answer(gate, "Approved")
    assert tenant.until_phase("refund-approved", "Succeeded")["attempt"] == 2
