"""Which events are there, who may write each, and what does each carry?

Every data type is a frozen struct, decoded strictly; unknown fields are ignored, so that adding an optional one is not
a new version. Money is integer micro-USD, durations integer milliseconds, times RFC 3339 text in UTC.
"""

from enum import StrEnum
from typing import Annotated, Literal

import msgspec

from keelstep.events.value import Count, Value

Number = Annotated[int, msgspec.Meta(ge=-(2**53 - 1), le=2**53 - 1)]
"""A whole number that every reader of JSON reads exactly; nothing is decided by it."""


class Writer(StrEnum):
    """Who may write: the subject's last token says which, and the broker enforces it."""

    OPERATOR = "op"
    GATEWAY = "gw"
    RUNNER = "a"
    """Followed by the attempt's number in the subject."""


class Data(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """What one type of event carries."""


class Pin(Data, frozen=True, gc=False):
    """One contract as pinned at the start."""

    digest: str
    """SHA-256 of the revision's bytes."""
    tier: Count
    """Consequence tier 0..3."""
    estimate_micro_usd: Count = 0
    """The most one call can cost."""
    builtin: bool = False
    """True for a pure function that the runner evaluates itself."""


class Error(Data, frozen=True, gc=False):
    """A failure, normalised."""

    reason: str
    """CamelCase; explained in docs/reasons.md."""
    message: str = ""
    """One sentence for a person, without any payload."""
    error_class: str = ""
    """Normalised class: Timeout, RateLimited, Unavailable, ConnectionFailed, Refused, Invalid."""
    status: Number | None = None
    """HTTP status, where there was one."""


class ExecStarted(Data, frozen=True, gc=False):
    """The run begins; everything it will be judged by is pinned here."""

    name: str
    """The Execution's name."""
    goal: Value
    inputs: Value
    strategy: str
    """The AgentStrategy's name."""
    strategy_version: str
    strategy_digest: str
    """SHA-256 of the strategy's revision."""
    contracts: dict[str, Pin]
    """Allowed contracts by name."""
    budget_micro_usd: Count
    """The most the run may spend."""
    deadline: str
    """The run ends by then."""
    requester: str
    """Who asked, as the API server proved it."""
    spec_digest: str
    """SHA-256 of what was asked."""
    shard: Count = 0
    event_version: Count = 1
    """Every writer of this run writes this version to its end."""
    trigger: str = "manual"
    arm: str | None = None
    """Experiment arm."""


class ExecAttempt(Data, frozen=True, gc=False):
    """An attempt begins: from here only its runner may write."""

    attempt: Count
    pod: str
    reason: str


class ModelCalled(Data, frozen=True, gc=False):
    """A model call is about to be made; its highest cost is reserved."""

    ordinal: Count
    """1 for the run's first model call."""
    model: str
    """The model that is tried first."""
    request: Value
    """The messages."""
    reserved_micro_usd: Count
    owner: str
    """The gateway process that makes the call."""
    deadline: str
    price_table: str
    """Version of the price table."""


class Route(Data, frozen=True, gc=False):
    """One model that was tried."""

    model: str
    latency_ms: Number
    error: str = ""
    """Normalised class, empty where it answered."""


class ModelReplied(Data, frozen=True, gc=False):
    """A model call ended; the reservation is settled."""

    ordinal: Count
    status: Literal["ok", "failed", "lost"]
    response: Value | None = None
    """The assistant's message, as the provider sent it."""
    model: str = ""
    """The model that answered."""
    routing: list[Route] = []
    latency_ms: Number = 0
    price_table: str = ""
    error: Error | None = None
    owner: str = ""


class PlannedCall(Data, frozen=True, gc=False):
    """One exact call of a plan."""

    index: Count
    call_id: str
    """The model's own id of the call."""
    tool: str
    """The contract's name."""
    args: Value
    """Validated arguments, canonical JSON."""


class PlanProposed(Data, frozen=True, gc=False):
    """What the model wants done, as exact calls."""

    ordinal: Count
    """The model call whose reply this is."""
    steps: list[PlannedCall]
    summary: Value | None = None
    """What the model said beside its calls."""
    model: str = ""
    prompt_version: str = ""
    """Digest of the strategy revision whose template made the prompt."""
    prompt: str = ""
    """Digest of the request's Value."""
    context_refs: list[str] = []
    policy_checks: list[str] = []


class ToolCalled(Data, frozen=True, gc=False):
    """A claim: its owner, and nobody else, may perform this call."""

    plan_seq: Count
    index: Count
    tool: str
    args: Value
    contract_digest: str
    idempotency_key: str
    estimate_micro_usd: Count
    tier: Count
    owner: str
    deadline: str
    gate_seq: Count | None = None
    """The `gate.decided` that allows it."""
    valid_until: str = ""
    """Stored later than this, the claim permits nothing."""


class ToolRetried(Data, frozen=True, gc=False):
    """A claim passes to a new owner, or its owner tries again; same key."""

    claim_seq: Count
    plan_seq: Count
    index: Count
    owner: str
    deadline: str
    reason: str
    attempt_number: Count
    """2 for the second performance."""


class ToolResult(Data, frozen=True, gc=False):
    """A call ended: performed, refused, or nobody knows."""

    plan_seq: Count
    index: Count
    tool: str
    status: Literal["ok", "failed", "unknown", "denied"]
    claim_seq: Count | None = None
    """The claim it closes; none for a refusal, a replay or a free read."""
    output: Value | None = None
    error: Error | None = None
    latency_ms: Number = 0
    attempts: Count = 0
    idempotency_key: str = ""
    contract_digest: str = ""
    tier: Count = 0
    replayed_seq: Count | None = None
    """The earlier result that answers this equal call."""


class GateRequested(Data, frozen=True, gc=False):
    """A call needs a person; the run parks."""

    plan_seq: Count
    index: Count
    consequence_tier: Count
    evidence_pack: Value | None = None


class Approver(Data, frozen=True, gc=False):
    """One person's recorded decision."""

    user: str
    verdict: Literal["approved", "rejected"]
    reason: str = ""


class GateDecided(Data, frozen=True, gc=False):
    """The question is answered: for these arguments, this contract, once."""

    plan_seq: Count
    index: Count
    request_seq: Count
    verdict: Literal["approved", "rejected", "expired", "withdrawn"]
    args_digest: str
    contract_digest: str
    approvers: list[Approver] = []
    reason: str = ""
    latency_ms: Number = 0
    valid_until: str = ""


class Interruption(Data, frozen=True, gc=False):
    """Somebody stopped, held, or released the run."""

    by: str
    reason: str
    scope: str = "execution"
    """execution, strategy or tenant."""


class Criterion(Data, frozen=True, gc=False):
    """One success criterion's verdict."""

    name: str
    holds: bool
    error: str = ""


class ExecFinished(Data, frozen=True, gc=False):
    """The run ended."""

    outcome: Literal["succeeded", "failed", "cancelled"]
    reason: str
    message: str = ""
    criteria: list[Criterion] = []
    output: Value | None = None
    steps_n: Count = 0
    tokens: Count = 0
    micro_usd: Count = 0


class Feedback(Data, frozen=True, gc=False):
    """A person's verdict on the outcome, after the end."""

    by: str
    verdict: Literal["good", "bad"]
    reason: str = ""


class Kind(msgspec.Struct, frozen=True, kw_only=True):
    """One event type: its data and who may write it."""

    data: type[Data]
    writers: tuple[Writer, ...]


OP, GW, RUN = Writer.OPERATOR, Writer.GATEWAY, Writer.RUNNER


def _kind(data: type[Data], *writers: Writer) -> Kind:
    return Kind(data=data, writers=writers)


KINDS: dict[str, Kind] = {
    "exec.started": _kind(ExecStarted, OP),
    "exec.attempt": _kind(ExecAttempt, OP),
    "model.called": _kind(ModelCalled, GW),
    "model.replied": _kind(ModelReplied, GW),
    "plan.proposed": _kind(PlanProposed, RUN),
    "tool.called": _kind(ToolCalled, GW),
    "tool.retried": _kind(ToolRetried, GW),
    "tool.result": _kind(ToolResult, GW, RUN),
    "gate.requested": _kind(GateRequested, RUN),
    "gate.decided": _kind(GateDecided, OP),
    "exec.suspended": _kind(Interruption, OP),
    "exec.resumed": _kind(Interruption, OP),
    "exec.cancelled": _kind(Interruption, OP),
    "exec.killed": _kind(Interruption, OP),
    "exec.finished": _kind(ExecFinished, RUN, OP),
    "feedback.given": _kind(Feedback, OP),
}
"""Every event type by name."""

NAMES: dict[type[Data], str] = {
    kind.data: name for name, kind in KINDS.items() if kind.data is not Interruption
}
"""The name of each data type that stands for one event only."""
