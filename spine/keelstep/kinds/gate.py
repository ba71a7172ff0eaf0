"""ApprovalGate: one question to a human.

The operator alone writes the question; people append decisions, each in their own name, which the API server proves.
"""

from enum import StrEnum
from typing import Annotated, ClassVar, Literal

import pydantic

from keelstep.kinds import resource
from keelstep.kinds.resource import Column, Model


class GatePhase(StrEnum):
    """Where a question stands."""

    PENDING = "Pending"
    APPROVED = "Approved"
    REJECTED = "Rejected"
    EXPIRED = "Expired"
    WITHDRAWN = "Withdrawn"


class ExecutionRef(Model):
    """Which run asks."""

    name: resource.Name
    """The Execution's name."""
    execution_id: Annotated[str, pydantic.Field(alias="executionID", max_length=64)]
    """The identity of its log."""


class Action(Model):
    """The exact call in question."""

    tool: resource.Name
    """The ToolContract. Example: `refund.issue`."""
    args: resource.JsonObject
    """The exact arguments; approval covers these and no others."""
    args_digest: Annotated[str, pydantic.Field(max_length=80)]
    """Digest of the arguments as recorded in the log."""
    contract_digest: Annotated[str, pydantic.Field(max_length=80)]
    """The contract's revision; approval covers this one and no other."""


class Recovery(Model):
    """The kill in question: approval lifts it."""

    scope: Literal["Tenant", "Strategy", "Tool"]
    """What was killed."""
    name: Annotated[str, pydantic.Field(min_length=1, max_length=253)]
    """Its name."""
    since: Annotated[str, pydantic.Field(max_length=40)]
    """When the kill was latched (RFC 3339)."""


class Evidence(Model):
    """What a person needs to decide, computed by the operator from the log."""

    goal: Annotated[str, pydantic.Field(max_length=16_384)] = ""
    """What the run is to achieve."""
    reasoning: Annotated[
        list[Annotated[str, pydantic.Field(max_length=4096)]], pydantic.Field(max_length=16)
    ] = []
    """The steps that led here, oldest first; the model's own words, not verified."""
    policy: Annotated[
        list[Annotated[str, pydantic.Field(max_length=512)]], pydantic.Field(max_length=16)
    ] = []
    """Why a person is asked."""
    cost_usd: Annotated[str, pydantic.Field(alias="costUSD", max_length=32)] = "0"
    """Cost of the run so far. Unit: US dollars."""
    trace_id: Annotated[str, pydantic.Field(alias="traceID", max_length=32)] = ""
    """The run's trace."""


class GateDecision(Model):
    """One person's answer."""

    verdict: Literal["Approved", "Rejected"]
    """The answer."""
    approver: Annotated[str, pydantic.Field(min_length=1, max_length=253)]
    """Who answers: the user name the API server authenticated, nobody else's.
    Example: `grace@shop.example`."""
    reason: Annotated[str, pydantic.Field(max_length=1024)] = ""
    """Why, for the record. Default: none. Example: `photo shows the damage`."""


class ApprovalGateSpec(
    Model,
    json_schema_extra=resource.rules(
        (
            "has(self.action) == has(oldSelf.action) && (!has(self.action) || self.action == oldSelf.action)"
            " && has(self.recovery) == has(oldSelf.recovery)"
            " && (!has(self.recovery) || self.recovery == oldSelf.recovery)"
            " && has(self.executionRef) == has(oldSelf.executionRef)"
            " && (!has(self.executionRef) || self.executionRef == oldSelf.executionRef)"
            " && self.requestedBy == oldSelf.requestedBy"
            " && self.requestSeq == oldSelf.requestSeq && self.question == oldSelf.question"
            " && self.tier == oldSelf.tier"
            " && self.evidence == oldSelf.evidence && self.required == oldSelf.required"
            " && self.deadline == oldSelf.deadline && self.message == oldSelf.message",
            "spec: the question is immutable; only decisions may be appended",
        ),
        (
            "size(self.decisions) >= size(oldSelf.decisions)"
            " && oldSelf.decisions.all(d, d in self.decisions)",
            "decisions: a decision is appended, never changed or removed",
        ),
        (
            "self.decisions.all(d, self.decisions.exists_one(e, e.approver == d.approver))",
            "decisions: each approver decides once",
        ),
        (
            "has(self.action) != has(self.recovery)",
            "spec: a gate asks about one action or one recovery",
        ),
        (
            "has(self.action) == has(self.executionRef) && has(self.action) == (self.requestedBy != '')",
            "spec: an action names its executionRef and requestedBy, a recovery neither",
        ),
    ),
):
    """The question, written by the operator alone, and the decisions, appended by people."""

    execution_ref: ExecutionRef | None = None
    """Which run asks; absent for a recovery."""
    requested_by: Annotated[str, pydantic.Field(max_length=253)] = ""
    """Who asked for the run; may not approve it. Empty for a recovery: nobody is excluded."""
    request_seq: Annotated[int, pydantic.Field(ge=0)] = 0
    """The event that asked."""
    action: Action | None = None
    """The exact call in question."""
    question: Literal["Call", "CallAgain", "Undone"] = "Call"
    """What approval means. `Call`: the call is made. `CallAgain`: it came to nothing after its last attempt, and is made
    again with the same key. `Undone`: the call would undo another and did not; somebody has undone that by hand."""
    recovery: Recovery | None = None
    """The kill in question."""
    tier: Annotated[int, pydantic.Field(ge=0, le=3)]
    """The consequence tier required."""
    evidence: Evidence = Evidence()
    """What a person needs to decide."""
    required: Annotated[int, pydantic.Field(ge=1, le=5)] = 1
    """How many different people must approve."""
    deadline: Annotated[str, pydantic.Field(max_length=40)]
    """After this the answer is no (RFC 3339)."""
    message: Annotated[str, pydantic.Field(max_length=2048)] = ""
    """How to decide: the exact command."""
    decisions: Annotated[list[GateDecision], pydantic.Field(max_length=16)] = []
    """Append-only, one for each person. Who appends needs the verb `approve` on this gate and must name themselves.
    Default: none."""


class ApprovalGateStatus(Model):
    """What the operator recorded. Written by the operator alone."""

    phase: GatePhase = GatePhase.PENDING
    """Where the question stands. Writer: operator."""
    reason: Annotated[str, pydantic.Field(max_length=64)] = ""
    """Why, one CamelCase word. Writer: operator."""
    decided_by: (
        Annotated[list[Annotated[str, pydantic.Field(max_length=253)]], pydantic.Field(max_length=16)] | None
    ) = None
    """Whose decisions were recorded; absent before. Writer: operator."""
    decided_at: Annotated[str, pydantic.Field(max_length=40)] = ""
    """When it was decided (RFC 3339). Writer: operator."""
    latency_seconds: Annotated[int, pydantic.Field(ge=0)] | None = None
    """From question to decision. Unit: seconds. Writer: operator."""
    valid_until: Annotated[str, pydantic.Field(max_length=40)] = ""
    """An approval may be used until then (RFC 3339). Writer: operator."""
    observed_generation: Annotated[int, pydantic.Field(ge=0)] = 0
    """The generation this speaks of. Writer: operator."""
    conditions: resource.Conditions = []
    """Decided. Writer: operator."""


class ApprovalGate(resource.Resource):
    """One question to a human: may this exact call be made?"""

    crd: ClassVar[resource.CRD] = resource.CRD(
        kind="ApprovalGate",
        plural="approvalgates",
        short_names=("gate",),
        columns=(
            Column(name="Phase", path=".status.phase"),
            Column(name="Reason", path=".status.reason"),
            Column(name="Execution", path=".spec.executionRef.name"),
            Column(name="Tool", path=".spec.action.tool"),
            Column(name="Tier", path=".spec.tier", type="integer"),
            Column(name="By", path=".status.decidedBy"),
            Column(name="Deadline", path=".spec.deadline"),
            Column(name="Age", path=".metadata.creationTimestamp", type="date"),
        ),
        first_phase="Pending",
        selectable_fields=(".status.phase",),
    )
    spec: ApprovalGateSpec
    status: ApprovalGateStatus = ApprovalGateStatus()
