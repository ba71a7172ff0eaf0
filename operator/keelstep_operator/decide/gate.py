"""What is a person asked, and what do their answers amount to?

The question is computed from the plan in the log and the pinned contract; of the runner's own words only the plan's
summaries are shown, marked as the model's. No answer in time is no. One no is no. Nobody approves their own run.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from keelstep.domain import canonical, money, tier, trace, unwind
from keelstep.domain import state as states
from keelstep.events import clock, types
from keelstep.kinds import names, resource
from keelstep.kinds.contract import ToolContractSpec
from keelstep_operator.decide.facts import Gate

MAX_ARGS_BYTES = 64 * 1024
"""Nobody reads more."""
MOST_REASONING = 16
"""Steps that led here, the last ones."""
MOST_TEXT = 4000
"""Characters of the model's words about one of them."""
_INTEGERS = range(-(2**63), 2**63)
"""Which ones an API server keeps as they are."""
_MOST_LINE = 500
_QUESTIONS: Mapping[types.GateKind, str] = {"approval": "Call", "exhausted": "CallAgain", "undo": "Undone"}
_DECIDING = (
    "executionRef",
    "requestedBy",
    "requestSeq",
    "action",
    "question",
    "recovery",
    "tier",
    "required",
    "deadline",
)
"""What an answer rests on: a gate that differs in any of these is not the one we asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """What the log says about one call in question."""

    execution: str
    """The Execution's name."""
    args: Mapping[str, Any] | None
    """None where the arguments are no JSON object."""
    args_bytes: int
    """As the plan says: what is larger is not read."""
    goal: str
    reasoning: Sequence[str]
    """Oldest first, at most `MOST_REASONING`, each at most `MOST_TEXT` characters."""
    spec: ToolContractSpec | None
    """The pinned contract; None where the run pinned none of that name."""
    max_tier: int
    """What the pinned strategy may do alone."""
    planned: types.PlannedCall | None = None
    """The call in question, where it stands in no plan: one that undoes another."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What the answers amount to."""

    verdict: Literal["approved", "rejected", "expired", "withdrawn"]
    reason: str
    approvers: Sequence[types.Approver] = ()
    valid_until: int = 0


def build(state: states.State, gate: states.Gate, material: Material) -> Gate:
    """The question of one `gate.requested`, or why nobody can be asked it."""
    started = state.started
    planned = material.planned or state.step_at(gate.place)
    assert started is not None
    assert planned is not None
    name = names.gate(material.execution, gate.request_seq)
    pin = started.contracts.get(planned.tool)
    spec = material.spec
    refusal = ""
    if pin is None or spec is None:
        refusal = "ToolNotAllowed"
    elif material.args_bytes > MAX_ARGS_BYTES:
        refusal = "ArgumentsTooLarge"
    elif material.args is None or not _is_kept_exactly(material.args):
        refusal = "ArgumentsInvalid"
    if pin is None or spec is None or refusal:
        return Gate(
            request_seq=gate.request_seq,
            name=name,
            spec={},
            refusal=refusal,
            args_digest=planned.args.digest,
            contract_digest=pin.digest if pin else "",
            is_of_undo=gate.undoes is not None,
        )
    required = tier.required(spec.consequence_tier, is_escalated=state.is_escalated(gate.place))
    ruled = state.policies.get(gate.place)
    asked = gate.asked_at + spec.approval.deadline_seconds * clock.SECOND
    is_of_undo = gate.undoes is not None
    deadline = asked if is_of_undo else min(asked, clock.parse(started.deadline))
    return Gate(
        request_seq=gate.request_seq,
        name=name,
        is_of_undo=is_of_undo,
        spec={
            "executionRef": {"name": material.execution, "executionID": state.xid},
            "requestedBy": started.requester,
            "requestSeq": gate.request_seq,
            "action": {
                "tool": planned.tool,
                "args": material.args,
                "argsDigest": planned.args.digest,
                "contractDigest": pin.digest,
            },
            "question": _QUESTIONS[gate.kind],
            "tier": required,
            "evidence": {
                "goal": material.goal,
                "reasoning": list(material.reasoning),
                "policy": [
                    *_what_happened(state, gate),
                    _why(planned.tool, spec, material.max_tier),
                    *([trace.ruled(ruled)] if ruled is not None else []),
                ],
                "costUSD": money.usd(state.spent_micro_usd),
                "traceID": state.trace_id,
            },
            "required": spec.approval.required,
            "deadline": clock.whole(deadline),
            "message": how_to_decide(name, state.tenant),
            "decisions": [],
        },
        args_digest=planned.args.digest,
        contract_digest=pin.digest,
        required=spec.approval.required,
        deadline=deadline,
        valid_for_seconds=spec.approval.valid_for_seconds,
    )


def _is_kept_exactly(args: Mapping[str, Any]) -> bool:
    """Would an API server give back what it is given? Else what a person approves were not what is called."""

    def is_kept(found: Any) -> bool:
        match found:
            case int():
                return found in _INTEGERS
            case dict():
                return all(map(is_kept, found.values()))
            case list():
                return all(map(is_kept, found))
        return True

    return len(args) <= resource.MOST_PROPERTIES and is_kept(args)


def _what_happened(state: states.State, gate: states.Gate) -> list[str]:
    """What a person must know who is asked about a call that came to nothing."""
    result, target = state.results.get(gate.place), _target(state, gate)
    if target is not None:
        before = f"it undoes {target.tool} of event {target.seq}, now that the run ends"
        if result is None:
            return [before]
        data = result.data
        why = f": {data.error.reason}, {data.error.message}" if data.error is not None else ""
        return [
            before,
            f"{data.tool}: {data.status}{why}"[:_MOST_LINE],
            "approved, it was undone by hand; otherwise it is given up, and what was done stands",
        ]
    if gate.kind != "exhausted" or result is None:
        return []
    data = result.data
    told = f"{data.tool}: {data.status} after {data.attempts} attempt{'s' if data.attempts != 1 else ''}"
    why = f": {data.error.reason}, {data.error.message}" if data.error is not None else ""
    doubt = "nobody knows whether it happened, find out there first; " if data.status == "unknown" else ""
    return [
        f"{told}{why}"[:_MOST_LINE],
        f"{doubt}approved, it is called again with the same key; otherwise it stays as it is",
    ]


def _target(state: states.State, gate: states.Gate) -> unwind.Target | None:
    """What is to be undone, where that is asked about."""
    return next((each for each in unwind.targets(state) if each.seq == gate.undoes), None)


def how_to_decide(name: str, namespace: str) -> str:
    """The exact command: copied into a shell, it approves in the name of whoever runs it."""
    who = "$(kubectl auth whoami -o jsonpath='{.status.userInfo.username}')"
    answer = canonical.dumps(
        [
            {
                "op": "add",
                "path": "/spec/decisions/-",
                "value": {"verdict": "Approved", "approver": "ME", "reason": "why"},
            }
        ]
    ).decode()
    before, after = answer.split("ME")
    return (
        f"Approve (or put Rejected) with: kubectl patch approvalgate {name} -n {namespace} --type=json"
        f" -p '{before}'\"{who}\"'{after}'"
    )


def is_same_question(found: Mapping[str, Any], ours: Mapping[str, Any]) -> bool:
    """Whether a gate that exists asks exactly what we ask."""
    return all(found.get(part) == ours.get(part) for part in _DECIDING)


def decide(gate: Gate, *, requester: str, now: int) -> Verdict | None:
    """What the answers amount to; None while more are needed and there is time."""
    if gate.problem:
        return None
    if gate.refusal:
        return Verdict(verdict="withdrawn", reason=gate.refusal)
    if now > gate.deadline:
        return Verdict(verdict="expired", reason="GateExpired")
    if gate.is_forged or not gate.exists:
        return None
    answers: dict[str, types.Approver] = {}
    for answer in gate.decisions:
        if answer.approver != requester and answer.approver not in answers:
            answers[answer.approver] = types.Approver(
                user=answer.approver,
                verdict="approved" if answer.is_approval else "rejected",
                reason=answer.reason,
            )
    if any(answer.verdict == "rejected" for answer in answers.values()):
        return Verdict(verdict="rejected", reason="Rejected", approvers=list(answers.values()))
    if len(answers) < gate.required:
        return None
    until = now + gate.valid_for_seconds * clock.SECOND
    return Verdict(verdict="approved", reason="Approved", approvers=list(answers.values()), valid_until=until)


def _why(tool: str, spec: ToolContractSpec, max_tier: int) -> str:
    required = tier.required(spec.consequence_tier)
    if required >= tier.GATED:
        return f"{tool} is tier {required} ({spec.side_effect}): tier {tier.GATED} always asks a person"
    return f"{tool} is tier {required} ({spec.side_effect}); this agent may act alone up to tier {max_tier}"
