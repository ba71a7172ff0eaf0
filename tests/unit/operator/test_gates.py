"""What is a person asked, and how long does their answer count?"""

import dataclasses
from typing import Any

import pytest

from keelstep.events import clock, envelope, types
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


def asked(
    log: builders.LogBuilder, tier: int = 3, args: Any = ARGS, args_bytes: int = 7, **approval: int
) -> facts.Gate:
    """The question as the operator computes it from that log."""
    (known,) = log.state.gates.values()
    spec = pinned.contract("Visible", tier, approval={**APPROVAL, **approval})
    material = gate.Material(
        execution="refund-7",
        args=args,
        args_bytes=args_bytes,
        goal="Order 1042 arrived broken.",
        reasoning=["the model said: it is damaged (and asked for refund.issue)"],
        spec=spec,
        max_tier=1,
    )
    return gate.build(log.state, known, material)


REFUSED: dict[str, tuple[Any, int, str]] = {
    "more than a person reads": (ARGS, gate.MAX_ARGS_BYTES + 1, "ArgumentsTooLarge"),
    "more, and not read therefore": (None, gate.MAX_ARGS_BYTES + 1, "ArgumentsTooLarge"),
    "no object": (None, 2, "ArgumentsInvalid"),
    "a number that an API server would round": ({"to": [{"n": 2**63}]}, 30, "ArgumentsInvalid"),
    "the same below nothing": ({"n": -(2**63) - 1}, 30, "ArgumentsInvalid"),
    "more names than a resource may have": ({str(n): n for n in range(257)}, 9000, "ArgumentsInvalid"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_nobody_is_asked_about_arguments_that_cannot_be_shown(case: str) -> None:
    """What a person would approve were not what is called."""
    args, size, reason = REFUSED[case]
    built = asked(asking(), args=args, args_bytes=size)
    assert (built.refusal, built.spec) == (reason, {})


@pytest.mark.parametrize("args", [{"n": 2**63 - 1, "m": -(2**63)}, {str(n): True for n in range(256)}])
def test_arguments_at_the_bounds_are_asked_about(args: dict[str, Any]) -> None:
    """An API server keeps them as they are."""
    assert asked(asking(), args=args).spec["action"]["args"] == args


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
        "question": "Call",
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


def test_a_person_is_told_which_rule_asks_them() -> None:
    """By the gateway's record of what it evaluated; a rule's question is tier 3 whatever the contract's own."""
    log = builders.log().started().attempt().model().plan("credit.grant", args=ARGS)
    log.ruled("escalate", rule="platform/large-amounts").gate()
    spec = asked(log, tier=1).spec
    assert spec["tier"] == 3
    assert spec["evidence"]["policy"] == [
        "credit.grant is tier 1 (Visible); this agent may act alone up to tier 1",
        "rule platform/large-amounts asks for a person",
    ]


def test_a_person_is_told_what_came_of_a_call_that_may_be_made_again() -> None:
    """What the attempts came to, how sure that is, and what a yes means."""
    log = builders.log().started().attempt().model().plan("credit.grant", args=ARGS).claim()
    error = types.Error(reason="Timeout", message="the tool did not answer within 10 s")
    log.result(status="unknown", attempts=3, error=error).gate(kind="exhausted", tier=1)
    spec = asked(log, tier=1).spec
    assert spec["question"] == "CallAgain"
    assert spec["action"]["tool"] == "credit.grant"
    assert spec["evidence"]["policy"] == [
        "credit.grant: unknown after 3 attempts: Timeout, the tool did not answer within 10 s",
        "nobody knows whether it happened, find out there first; approved, it is called again with the same key; "
        "otherwise it stays as it is",
        "credit.grant is tier 1 (Visible); this agent may act alone up to tier 1",
    ]
    assert ApprovalGateSpec.model_validate(spec).wire() == spec


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
    "question": "CallAgain",
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
