"""How is a person asked, and their answer recorded?"""

from keelstep.events import types, value
from tests.integration.kinds import api
from tests.integration.operator import manifests
from tests.integration.operator.actors import Cast, decision
from tests.integration.operator.stage import Stage, condition, status


async def test_a_question_in_the_log_becomes_a_gate_and_an_approval_becomes_an_event(stage: Stage) -> None:
    """gate.requested → ApprovalGate by the operator's own computation → gate.decided → the next attempt."""
    run, cast = await Cast.begun(stage)
    tenant = cast.tenant
    seq = await cast.ask_for_refund(summary="The kettle leaks.")

    shown = status(await stage.until_phase(run, "WaitingForApproval", "ApprovalRequired"))
    gate = manifests.gate(tenant, f"run-g{seq}")
    assert shown["gate"] == f"run-g{seq}"
    asked = await stage.until_phase(gate, "Pending")
    assert asked["spec"]["action"]["tool"] == "refund.issue"
    assert asked["spec"]["action"]["args"] == {"order_id": "1042", "amount": "9.99"}
    assert asked["spec"]["requestedBy"] == manifests.REQUESTER
    assert asked["spec"]["evidence"]["goal"] == "Order 1042 arrived broken."
    assert asked["spec"]["evidence"]["reasoning"] == [
        "the model said: The kettle leaks. (and asked for refund.issue)"
    ]
    assert f"kubectl patch approvalgate run-g{seq} -n {tenant}" in asked["spec"]["message"]

    grace = stage.approver("grace")
    stage.patch(gate, {"spec": {"decisions": [decision("Approved", "grace", "photo seen")]}}, grace)

    decided = status(await stage.until_phase(gate, "Approved"))
    assert decided["decidedBy"] == ["grace"]
    assert decided["validUntil"]
    found = await stage.until(run, lambda one: status(one).get("attempt") == 2, "the next attempt begins")
    assert status(found)["phase"] == "Running"
    state = await cast.state()
    (known,) = state.gates.values()
    assert known.decided is not None
    assert known.decided.verdict == "approved"
    assert [person.user for person in known.decided.approvers] == ["grace"]
    planned = state.step_at(known.place)
    assert planned is not None
    assert known.decided.args_digest == planned.args.digest


async def test_nobody_is_asked_about_arguments_that_nobody_reads(stage: Stage) -> None:
    """They are not even fetched: the question counts as answered with no, and says why."""
    run, cast = await Cast.begun(stage)
    await cast.model()
    await cast.ask(await cast.plan(("refund.issue", {"order_id": "1042", "note": "x" * 70_000})))

    await stage.until(run, lambda one: status(one).get("attempt") == 2, "the next attempt begins")
    (known,) = (await cast.state()).gates.values()
    assert known.decided is not None
    assert (known.decided.verdict, known.decided.reason) == ("withdrawn", "ArgumentsTooLarge")


async def test_one_no_is_no(stage: Stage) -> None:
    """Rejected: recorded with who and why, and the run goes on to explain."""
    run, cast = await Cast.begun(stage)
    tenant = cast.tenant
    seq = await cast.ask_for_refund()
    gate = manifests.gate(tenant, f"run-g{seq}")
    await stage.until_phase(gate, "Pending")
    heidi = stage.approver("heidi")

    stage.patch(gate, {"spec": {"decisions": [decision("Rejected", "heidi", "no photo")]}}, heidi)

    await stage.until_phase(gate, "Rejected")
    await stage.until(run, lambda found: status(found).get("attempt") == 2, "the next attempt begins")
    (known,) = (await cast.state()).gates.values()
    assert known.decided is not None
    assert known.decided.verdict == "rejected"
    assert known.decided.approvers[0].reason == "no photo"


async def test_two_people_must_approve_where_the_contract_says_so(stage: Stage) -> None:
    """approval.required: the first yes changes nothing yet."""
    tenant = stage.namespace(manifests.contract, _needs_two, manifests.strategy)
    run, cast = await Cast.begun(stage, tenant)
    seq = await cast.ask_for_refund()
    gate = manifests.gate(tenant, f"run-g{seq}")
    await stage.until_phase(gate, "Pending")
    first = decision("Approved", "grace")
    stage.patch(gate, {"spec": {"decisions": [first]}}, stage.approver("grace"))
    assert status(await stage.until_phase(run, "WaitingForApproval"))["gate"] == f"run-g{seq}"

    second = decision("Approved", "heidi")
    stage.patch(gate, {"spec": {"decisions": [first, second]}}, stage.approver("heidi"))

    decided = await stage.until_phase(gate, "Approved")
    assert status(decided)["decidedBy"] == ["grace", "heidi"]


def _needs_two(namespace: str) -> api.Object:
    return manifests.refund(namespace, approval={"required": 2, "deadlineSeconds": 600})


async def test_no_answer_in_time_is_no(stage: Stage) -> None:
    """Expired at the contract's deadline, by the broker's time; the run goes on."""
    tenant = stage.namespace(manifests.contract, _hasty, manifests.strategy)
    _, cast = await Cast.begun(stage, tenant)

    seq = await cast.ask_for_refund()

    await stage.until_phase(manifests.gate(tenant, f"run-g{seq}"), "Expired")
    (known,) = (await cast.state()).gates.values()
    assert known.decided is not None
    assert known.decided.verdict == "expired"
    assert not known.decided.approvers
    gate = stage.get(manifests.gate(tenant, f"run-g{seq}"))
    assert gate is not None
    told = [event["reason"] for event in stage.events(manifests.gate(tenant, f"run-g{seq}"))]
    assert status(gate)["reason"] == condition(gate, "Decided")["reason"] == "GateExpired"
    assert "GateExpired" in told  # listed in the order of their names


def _hasty(namespace: str) -> api.Object:
    return manifests.refund(namespace, approval={"deadlineSeconds": 1})


async def test_a_gate_that_is_not_ours_is_never_used(stage: Stage) -> None:
    """An ApprovalGate of the right name with another question: ChildForged, its approvals count for nothing."""
    run, cast = await Cast.begun(stage)
    tenant = cast.tenant
    await cast.model()
    plan = await cast.plan(("refund.issue", {"order_id": "1", "amount": "9.99"}))
    seq = (await cast.state()).seq + 1
    forged = manifests.gate(tenant, f"run-g{seq}")
    forged["spec"] = {
        "executionRef": {"name": "run", "executionID": cast.xid},
        "requestedBy": "nobody",
        "requestSeq": seq,
        "action": {
            "tool": "refund.issue",
            "args": {"order_id": "1", "amount": "1.00"},
            "argsDigest": "0" * 64,
            "contractDigest": "0" * 64,
        },
        "tier": 3,
        "deadline": "2099-01-01T00:00:00Z",
    }
    answer = stage.governed.operator.create(forged)  # only this identity can, so it must have been stolen
    assert answer.is_ok, answer.message
    stage.patch(forged, {"spec": {"decisions": [decision("Approved", "mallory")]}}, stage.approver("mallory"))

    await cast.ask(plan)

    stalled = await stage.until(run, lambda found: condition(found, "Stalled").get("status") == "True")
    assert condition(stalled, "Stalled")["reason"] == "ChildForged"
    (known,) = (await cast.state()).gates.values()
    assert known.decided is None


async def test_a_question_that_cannot_be_put_is_withdrawn(stage: Stage) -> None:
    """Nobody is asked about a call that could never be made; the run goes on and is denied."""
    run, cast = await Cast.begun(stage)
    await cast.model()
    plan = await cast.plan(("refund.issue", ["no", "object"]))

    await cast.ask(plan)

    await stage.until(run, lambda found: status(found).get("attempt") == 2, "the next attempt begins")
    (known,) = (await cast.state()).gates.values()
    assert known.decided is not None
    assert known.decided.verdict == "withdrawn"
    assert known.decided.reason == "ArgumentsInvalid"


async def test_a_run_that_ends_withdraws_its_question(stage: Stage) -> None:
    """Nobody is left to use an answer."""
    run, cast = await Cast.begun(stage)
    tenant = cast.tenant
    seq = await cast.ask_for_refund()
    gate = manifests.gate(tenant, f"run-g{seq}")
    await stage.until_phase(gate, "Pending")

    stage.patch(run, {"spec": {"cancel": True}})

    await stage.until_phase(gate, "Withdrawn", "RunEnded")


async def test_arguments_that_nobody_has_are_no_question(stage: Stage) -> None:
    """A plan may name a payload that was never stored: the question is withdrawn, the run goes on."""
    run, cast = await Cast.begun(stage)
    await cast.model()
    nowhere = value.seal(b"x" * 9_000, media_type=value.JSON, salt="aa")
    call = types.PlannedCall(index=0, call_id="c", tool="refund.issue", args=nowhere)
    plan = await cast.runner("plan.proposed", types.PlanProposed(ordinal=1, steps=[call]))

    await cast.ask(plan)

    await stage.until(run, lambda found: status(found).get("attempt") == 2, "the next attempt begins")
    (known,) = (await cast.state()).gates.values()
    assert known.decided is not None
    assert known.decided.verdict == "withdrawn"
