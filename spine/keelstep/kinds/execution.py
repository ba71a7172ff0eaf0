"""Execution: one run of one agent towards one goal.

The spec is what was asked and never changes but for suspend, cancel, kill switch and ttl; the status is a view of the
execution's log, written by the operator alone.
"""

from enum import StrEnum
from typing import Annotated, ClassVar

import pydantic

from keelstep.kinds import resource
from keelstep.kinds.resource import Column, Model


class Phase(StrEnum):
    """Where an execution stands; derived from its log."""

    PENDING = "Pending"
    SCHEDULED = "Scheduled"
    RUNNING = "Running"
    WAITING_FOR_APPROVAL = "WaitingForApproval"
    SUSPENDED = "Suspended"
    UNWINDING = "Unwinding"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    CANCELLED = "Cancelled"
    KILLED = "Killed"


TERMINAL_PHASES = frozenset({Phase.SUCCEEDED, Phase.FAILED, Phase.CANCELLED, Phase.KILLED})
"""Phases that never change again."""


class StrategyRef(Model):
    """Which agent runs."""

    name: resource.Name
    """The AgentStrategy's name, in the same namespace. Example: `refund-agent`."""


class Budget(Model):
    """What this run may spend."""

    cost_usd: Annotated[resource.Money, pydantic.Field(alias="costUSD")]
    """Cost of all model and tool calls; the strategy's limit holds too. Unit: US dollars. Example: `"0.50"`."""


class ExecutionSpec(
    Model,
    json_schema_extra=resource.rules(
        (
            "self.strategyRef == oldSelf.strategyRef && self.goal == oldSelf.goal"
            " && has(self.inputs) == has(oldSelf.inputs) && (!has(self.inputs) || self.inputs == oldSelf.inputs)"
            " && self.requestedBy == oldSelf.requestedBy"
            " && has(self.budget) == has(oldSelf.budget) && (!has(self.budget) || self.budget == oldSelf.budget)"
            " && has(self.deadlineSeconds) == has(oldSelf.deadlineSeconds)"
            " && (!has(self.deadlineSeconds) || self.deadlineSeconds == oldSelf.deadlineSeconds)",
            "spec: what was asked is immutable; suspend, cancel, discard, killSwitch and ttlSecondsAfterFinished may change",
        ),
        (
            "!(has(oldSelf.cancel) && oldSelf.cancel) || (has(self.cancel) && self.cancel)",
            "cancel: a cancelled execution stays cancelled",
        ),
        (
            "!has(oldSelf.discard) || has(self.discard) && self.discard == oldSelf.discard",
            "discard: it is recorded and cannot be taken back",
        ),
    ),
):
    """One run. Immutable but for suspend, cancel, discard, killSwitch and ttlSecondsAfterFinished."""

    strategy_ref: StrategyRef
    """Which agent runs."""
    goal: Annotated[str, pydantic.Field(min_length=1, max_length=16_384)]
    """What it is to achieve, in plain words; the first user message. Example: `Order 1042 arrived broken.`"""
    inputs: resource.JsonObject | None = None
    """Values of the prompt's slots. Default: none. Example: `{"customer_name": "Ada"}`."""
    requested_by: Annotated[str, pydantic.Field(min_length=1, max_length=253)]
    """Who asks; must be the creator's own user name, unless the creator holds the verb `createfor`.
    Example: `ada@shop.example`."""
    budget: Budget | None = None
    """What this run may spend. Default: the strategy's limit alone."""
    deadline_seconds: resource.Seconds | None = None
    """Time from start to end; the strategy's limit holds too. Unit: seconds. Default: the strategy's limit alone."""
    suspend: bool = False
    """True holds the run at its next step; false lets it go on. Default: false."""
    cancel: bool = False
    """True ends the run in good order; it cannot be taken back. Default: false."""
    discard: Annotated[str, pydantic.Field(min_length=1, max_length=256)] | None = None
    """Why nothing that ended badly in this run waits for a person any more; recorded once the run is over.
    Default: it waits. Example: `refunded by hand, ticket 812`."""
    kill_switch: resource.KillSwitch = resource.KillSwitch()
    """Ends this run at once."""
    ttl_seconds_after_finished: Annotated[int, pydantic.Field(ge=0, le=31_536_000)] | None = None
    """Deletes the resource, never the log, so long after the end; applied again with an equal spec it is the same run,
    finished already. Unit: seconds. Default: kept."""


class ExecutionStatus(
    Model,
    # A rule lets its field be absent: a wiped status must be able to come back from the log.
    json_schema_extra=resource.rules(
        (
            "!has(oldSelf.executionID) || oldSelf.executionID == '' || !has(self.executionID)"
            " || self.executionID == oldSelf.executionID",
            "executionID: an execution keeps its identity",
        ),
        (
            "!has(oldSelf.observedSeq) || !has(self.observedSeq) || self.observedSeq >= oldSelf.observedSeq",
            "observedSeq: status never goes back",
        ),
    ),
):
    """A view of the execution's log. Written by the operator alone."""

    observed_generation: Annotated[int, pydantic.Field(ge=0)] = 0
    """The generation the conditions speak of. Writer: operator."""
    phase: Phase = Phase.PENDING
    """Where it stands. Writer: operator."""
    reason: Annotated[str, pydantic.Field(max_length=64)] = ""
    """Why it stands there, one CamelCase word. Writer: operator."""
    execution_id: Annotated[str, pydantic.Field(alias="executionID", max_length=64)] = ""
    """The identity of its log. Writer: operator."""
    strategy_version: Annotated[str, pydantic.Field(max_length=63)] = ""
    """The pinned strategy's version. Writer: operator."""
    trace_id: Annotated[str, pydantic.Field(alias="traceID", max_length=32)] = ""
    """The OpenTelemetry trace id, hex. Writer: operator."""
    step: Annotated[int, pydantic.Field(ge=0)] = 0
    """Model turns and tool calls begun. Writer: operator, at most every 10 s."""
    tokens: Annotated[int, pydantic.Field(ge=0)] = 0
    """Tokens in and out so far. Writer: operator, at most every 10 s."""
    cost_usd: Annotated[str | None, pydantic.Field(alias="costUSD", max_length=32)] = None
    """Cost so far, US dollars; absent until something cost. Writer: operator, at most every 10 s."""
    outcome: Annotated[str, pydantic.Field(max_length=2048)] = ""
    """How it ended, one sentence. Writer: operator."""
    gate: Annotated[str, pydantic.Field(max_length=253)] = ""
    """The pending ApprovalGate, if any. Writer: operator."""
    attempt: Annotated[int, pydantic.Field(ge=0)] = 0
    """The current attempt. Writer: operator."""
    pod: Annotated[str, pydantic.Field(max_length=253)] = ""
    """The current attempt's Pod. Writer: operator."""
    observed_seq: Annotated[int, pydantic.Field(ge=0)] = 0
    """The last event this status shows. Writer: operator."""
    observed_hash: Annotated[str, pydantic.Field(max_length=64)] = ""
    """SHA-256 of that event's bytes, hex. Writer: operator."""
    started_at: Annotated[str, pydantic.Field(max_length=40)] = ""
    """When the log began (RFC 3339). Writer: operator."""
    finished_at: Annotated[str, pydantic.Field(max_length=40)] = ""
    """When it ended (RFC 3339). Writer: operator."""
    kill_switch: resource.LatchedKill | None = None
    """The kill in force, if any. Writer: operator."""
    conditions: resource.Conditions = []
    """Accepted, Succeeded and Stalled. Writer: operator."""


class Execution(resource.Resource):
    """One run of an agent. Its log is the truth; this object is the request and a view."""

    crd: ClassVar[resource.CRD] = resource.CRD(
        kind="Execution",
        plural="executions",
        short_names=("run",),
        columns=(
            Column(name="Phase", path=".status.phase"),
            Column(name="Reason", path=".status.reason"),
            Column(name="Strategy", path=".spec.strategyRef.name"),
            Column(name="Step", path=".status.step", type="integer"),
            Column(name="Cost", path=".status.costUSD"),
            Column(name="Gate", path=".status.gate"),
            Column(name="Age", path=".metadata.creationTimestamp", type="date"),
            Column(name="Version", path=".status.strategyVersion", priority=1),
            Column(name="Attempt", path=".status.attempt", type="integer", priority=1),
            Column(name="Pod", path=".status.pod", priority=1),
            Column(name="Trace", path=".status.traceID", priority=1),
        ),
        first_phase="Pending",
        selectable_fields=(".status.phase", ".spec.strategyRef.name"),
        root_rules=(
            (
                "self.metadata.name.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')"
                " && size(self.metadata.name) <= 52",
                "metadata.name: lower-case letters, digits and '-', at most 52 characters;"
                " Pods and the log are named after it",
            ),
        ),
    )
    spec: ExecutionSpec
    status: ExecutionStatus = ExecutionStatus()
