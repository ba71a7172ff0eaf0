"""What is a person asked, and how long does their answer count?"""

import dataclasses
from typing import Any

import pytest

from keelstep.events import clock, envelope
from keelstep.kinds.gate import ApprovalGateSpec
from keelstep.testing import builders
from keelstep_operator.decide import facts, gate
from tests.unit.domain import pinned

ARGS = {"n": 7}
APPROVAL = {"required": 2, "deadlineSeconds": 600, "validForSeconds": 420}
LATE = 3600
"""Seconds after its beginning at which the builder's run ends."""


def asking() -> builders.LogBuilder:
    """A run that cost something and waits for a person."""
    log = builders.log().started().attempt()
    return log.model(cost=envelope.Cost(micro_usd=12_300)).plan("refund.issue", args=ARGS).gate()


def asked(log: builders.LogBuilder, tier: int = 3, **approval: int) -> facts.Gate:
    """The question as the operator computes it from that log."""
    (known,) = log.state.gates.values()
    spec = pinned.contract("Visible", tier, approval={**APPROVAL, **approval})
    material = gate.Material(
        execution="refund-7",
        args=ARGS,
        args_bytes=7,
        goal="Order 1042 arrived broken.",
        reasoning=["the model said: it is damaged (and asked for refund.issue)"],
        spec=spec,
        max_tier=1,
    )
    return gate.build(log.state, known, material)


def question(**approval: int) -> dict[str, Any]:
    """Its spec."""
    return dict(asked(asking(), **approval).spec)


def test_a_person_is_shown_the_exact_call_and_everything_that_led_to_it() -> None:
    """Each field is of the log and of the pinned contract, none of the runner's words but the marked reasoning."""
    log = asking()
    (known,) = log.state.gates.values()
    planned = log.state.step_at(known.place)
    assert planned is not None
    found = dict(asked(log).spec)
    assert "kubectl patch approvalgate refund-7-g6 -n shop" in found.pop("message")
    assert found == {
        "executionRef": {"name": "refund-7", "executionID": "x1"},
        "requestedBy": "ann",
        "requestSeq": known.request_seq,
        "action": {
            "tool": "refund.issue",
            "args": ARGS,
            "argsDigest": planned.args.digest,
            "contractDigest": builders.PINS["refund.issue"].digest,
        },
        "tier": 3,
        "evidence": {
            "goal": "Order 1042 arrived broken.",
            "reasoning": ["the model said: it is damaged (and asked for refund.issue)"],
            "policy": ["refund.issue is tier 3 (Visible): tier 3 always asks a person"],
            "costUSD": "0.0123",
            "traceID": log.state.trace_id,
        },
        "required": 2,
        "deadline": clock.whole(known.asked_at + 600 * clock.SECOND),
        "decisions": [],
    }
    assert ApprovalGateSpec.model_validate(asked(log).spec).wire() == asked(log).spec, (
        "the API server takes it"
    )


def test_a_person_is_told_why_a_lower_tier_is_asked_about() -> None:
    """Its tier, and what the agent may do alone."""
    spec = asked(asking(), tier=2).spec
    assert spec["tier"] == 2
    (why,) = spec["evidence"]["policy"]
    assert why == "refund.issue is tier 2 (Visible); this agent may act alone up to tier 1"


def test_nobody_is_asked_longer_than_the_run_lasts() -> None:
    """The contract's time to decide, cut off where the run ends."""
    log = asking()
    (known,) = log.state.gates.values()
    assert asked(log, deadlineSeconds=5).deadline == known.asked_at + 5 * clock.SECOND
    assert asked(log, deadlineSeconds=2 * LATE).deadline == builders.BEGIN + LATE * clock.SECOND


def test_an_approval_counts_as_long_as_the_contract_says() -> None:
    """From the decision on, for `approval.validForSeconds`; and only once as many agree as it asks for."""
    ours = asked(asking(), required=1, validForSeconds=77)
    now = ours.deadline - clock.SECOND
    yes = approvals_of("grace")
    found = gate.decide(_answered(ours, *yes), requester="ann", now=now)
    assert found is not None
    assert (found.verdict, found.valid_until) == ("approved", now + 77 * clock.SECOND)
    assert gate.decide(_answered(asked(asking()), *yes), requester="ann", now=now) is None


OTHERS: dict[str, Any] = {
    "executionRef.name": "another",
    "executionRef.executionID": "x2",
    "requestedBy": "bob",
    "requestSeq": 5,
    "action.tool": "credit.grant",
    "action.args": {"n": 8},
    "action.argsDigest": "0" * 64,
    "action.contractDigest": "0" * 64,
    "tier": 2,
    "required": 1,
    "deadline": "2099-01-01T00:00:00Z",
}


@pytest.mark.parametrize("field", OTHERS)
def test_a_gate_that_asks_anything_else_is_not_ours(field: str) -> None:
    """An answer to another question is no answer to ours, whichever field differs."""
    ours, theirs = question(), question()
    assert gate.is_same_question(theirs, ours)
    *path, last = field.split(".")
    node = theirs
    for part in path:
        node = node[part]
    assert node[last] != OTHERS[field]
    node[last] = OTHERS[field]
    assert not gate.is_same_question(theirs, ours)


def approvals_of(*people: str) -> list[facts.Decision]:
    """An approval by each of them."""
    return [facts.Decision(approver=each, is_approval=True) for each in people]


def _answered(ours: facts.Gate, *decisions: facts.Decision) -> facts.Gate:
    return dataclasses.replace(ours, exists=True, decisions=decisions)
