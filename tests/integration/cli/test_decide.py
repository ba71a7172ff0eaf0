"""Can a person look at a gate and decide it in their own name, with nothing but the role approver?"""

import asyncio

from tests.integration.cli.terminal import Terminal

GATE = "refund-1042-g9"
APPROVER = "keelstep-approver"


async def test_an_approver_approves_in_their_own_name(terminal: Terminal) -> None:
    """List, show, approve: the decision carries the name that the API server proved."""
    await terminal.place("gate")
    grace = await terminal.holder(APPROVER, "grace@shop.example")
    listed = (await terminal.type("gate", "list", "--pending", persona=grace)).output
    assert GATE in listed
    shown = (await terminal.type("gate", "show", GATE, persona=grace)).output
    assert "may refund.issue be called with these arguments?" in shown
    assert '"amount": "12.50"' in shown
    said = await terminal.type("gate", "approve", GATE, "--reason", "photo shows the damage", persona=grace)
    assert said.output == f"{GATE} approved as grace@shop.example\n"
    found = (await terminal.type("gate", "show", GATE, "-o", "json")).data
    assert found["spec"]["decisions"] == [
        {"verdict": "Approved", "approver": "grace@shop.example", "reason": "photo shows the damage"}
    ]


EVIDENCE = {
    "goal": "Order 1042 arrived broken.",
    "reasoning": ["the model said: the photo shows it", "the model asked for refund.issue"],
    "policy": ["refund.issue is tier 3 (Irreversible): tier 3 always asks a person"],
    "costUSD": "0.0375",
    "traceID": "8f" * 16,
}


async def test_a_question_is_shown_with_all_that_led_to_it(terminal: Terminal) -> None:
    """Goal, reasoning, policy, cost and trace; what is asked, by which run, until when, and how often to be approved."""
    await terminal.place("gate", spec={"evidence": EVIDENCE, "required": 2})
    grace = await terminal.holder(APPROVER, "grace@shop.example")
    shown = (await terminal.type("gate", "show", GATE, persona=grace, environ={"COLUMNS": "200"})).output
    lines = [line.strip() for line in shown.splitlines()]
    facts = dict(line.split(":", 1) for line in lines if ":" in line)
    assert facts["Goal"].strip() == EVIDENCE["goal"]
    assert "0.0375 USD" in facts["Cost so far"]
    assert facts["Trace"].strip() == EVIDENCE["traceID"]
    assert facts["Policy"].strip() == EVIDENCE["policy"][0]
    for said in EVIDENCE["reasoning"]:
        assert said in shown
    assert facts["Execution"].strip() == "refund-1042"
    assert facts["Approvals needed"].strip() == "2"
    assert facts["Deadline"].strip() == "2030-01-01T00:00:00Z"


async def test_an_approver_rejects(terminal: Terminal) -> None:
    """The verdict is Rejected, with the reason for the record."""
    await terminal.place("gate")
    grace = await terminal.holder(APPROVER, "grace@shop.example")
    await terminal.type("gate", "reject", GATE, "--reason", "no receipt", persona=grace)
    found = (await terminal.type("gate", "show", GATE, "-o", "json")).data
    assert [decision["verdict"] for decision in found["spec"]["decisions"]] == ["Rejected"]


async def test_two_people_decide_at_once(terminal: Terminal) -> None:
    """Neither decision is lost: the patch tests the list, and whoever came second looks again."""
    await terminal.place("gate", spec={"required": 2})
    people = [await terminal.holder(APPROVER, f"{name}@shop.example") for name in ("grace", "kim")]
    said = await asyncio.gather(*(terminal.type("gate", "approve", GATE, persona=each) for each in people))
    assert sorted("1 more approval needed" in each.output for each in said) == [False, True]
    found = (await terminal.type("gate", "show", GATE, "-o", "json")).data
    assert {decision["approver"] for decision in found["spec"]["decisions"]} == {each.name for each in people}


async def test_nobody_decides_twice(terminal: Terminal) -> None:
    """Exit 4: a decision stays."""
    await terminal.place("gate")
    grace = await terminal.holder(APPROVER, "grace@shop.example")
    await terminal.type("gate", "approve", GATE, persona=grace)
    said = await terminal.type("gate", "reject", GATE, persona=grace)
    assert said.refused(4) == f"gate {GATE}: you have decided already (Approved); a decision stays"


async def test_a_requester_does_not_approve_their_own(terminal: Terminal) -> None:
    """Exit 4, with the policy's own sentence."""
    await terminal.place("gate")
    ada = await terminal.holder(APPROVER, "ada@shop.example")
    said = await terminal.type("gate", "approve", GATE, persona=ada)
    assert "ada@shop.example asked for this run and may not decide its gate" in said.refused(4)


async def test_a_viewer_does_not_approve(terminal: Terminal) -> None:
    """Exit 4: the API server says which right is missing."""
    await terminal.place("gate")
    vera = await terminal.holder("keelstep-viewer", "vera@shop.example")
    said = await terminal.type("gate", "approve", GATE, persona=vera)
    assert 'cannot patch resource "approvalgates"' in said.refused(4)


async def test_an_expired_gate_takes_no_decision(terminal: Terminal) -> None:
    """Exit 4, before anything is sent."""
    await terminal.place("gate-expired")
    name = (await terminal.type("gate", "list", "-o", "json")).data[0]["metadata"]["name"]
    said = await terminal.type("gate", "approve", name)
    assert said.refused(4) == f"gate {name} is Expired; it takes no more decisions"


async def test_a_recovery_is_shown_as_what_it_is(terminal: Terminal) -> None:
    """The question how to lift a kill names the kill."""
    await terminal.place("gate-recovery")
    name = (await terminal.type("gate", "list", "-o", "json")).data[0]["metadata"]["name"]
    assert "may the kill of" in (await terminal.type("gate", "show", name)).output
    assert "lift " in (await terminal.type("gate", "list")).output
