"""What does each event carry, and who may write?

Every data type is a frozen struct, decoded strictly; unknown fields are ignored, so that adding an optional one is not
a new version. Money is integer micro-USD, durations integer milliseconds, times RFC 3339 text in UTC.
"""

from enum import StrEnum
from typing import Literal

import msgspec

from keelstep.events.value import Count, Number, Value


class Writer(StrEnum):
    """Who may write: the subject's last token says which (a runner's with its attempt), and the broker enforces it."""

    OPERATOR = "op"
    GATEWAY = "gw"
    RUNNER = "a"


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
    ages: bool = False
    """True for a read whose results grow old: an equal call may be made again."""
    cached: bool = False
    """True for a read that a result of another run may answer."""
    undo: str = ""
    """The contract that undoes a call of this one; empty where nothing does."""


class Error(Data, frozen=True, gc=False):
    """A failure, normalised."""

    reason: str
    """CamelCase; explained in docs/reasons.md."""
    message: str = ""
    """One sentence for a person, without any payload."""
    error_class: str = ""
    """Who can do what about it; explained in docs/errors.md."""
    status: Number | None = None
    """HTTP status, where there was one."""


class ExecStarted(Data, frozen=True, gc=False):
    """The run begins; everything it will be judged by is pinned here."""

    name: str
    """The Execution's name."""
    goal: Value
    inputs: Value
    strategy: str
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
    shard: Count = 0
    unwind_seconds: Count = 300
    """How long undoing may take, waiting for people not included."""
    event_version: Count = 1
    """Every writer of this run writes this version to its end."""
    policy: str = ""
    """SHA-256 of the platform's rules for the tenant as they were then; what counts is those in force at each call."""
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
    reserved_micro_usd: Count
    owner: str
    deadline: str
    price_table: str


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


PolicyEffect = Literal["allow", "deny", "escalate"]


class PolicyVerdict(Data, frozen=True, gc=False):
    """What the rules of platform and contract said about one call."""

    effect: PolicyEffect
    """`allow`: the tier decides."""
    rule: str = ""
    """`platform/NAME` or `contract/NAME`; empty where none matched."""
    reason: str = ""
    """Why it is denied."""
    message: str = ""
    """The rule's own words."""
    platform: str = ""
    """SHA-256 of the platform's rules that were in force; empty where there were none."""
    contract: str = ""
    """SHA-256 of the contract's revision."""
    input: str = ""
    """SHA-256 of what the rules were asked about, canonical JSON; all of it follows from the log."""


class PolicyEvaluated(Data, frozen=True, gc=False):
    """The rules were asked about a call that needs a person. Every other call's own event carries what they said."""

    plan_seq: Count
    index: Count
    tool: str
    verdict: PolicyVerdict


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
    undoes: Count | None = None
    """The `tool.result` whose call this undoes; its own place is that event, and 0."""
    policy: PolicyVerdict | None = None
    """What the rules said; none where there are none."""
    waited_ms: Number = 0
    """For its turn at the limits of its contract, before this."""


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
    error: Error | None = None
    """What its owner's attempt before came to; none where another took it over."""
    is_certain: bool = False
    """True where the attempt before provably did nothing."""
    wait_ms: Number = 0


class Shown(Data, frozen=True, gc=False):
    """What the model sees of an output that it does not see whole."""

    value: Value | None = None
    """None where nothing is shown."""
    cut_from: Count = 0
    """How many bytes the value is the beginning of; 0 where it is all there is to see."""
    reason: str = ""
    """Why nothing is shown."""


class Origin(Data, frozen=True, gc=False):
    """The result of another run that answers a call."""

    execution: str
    """Its xid; of the same tenant."""
    seq: Count
    answered: str
    """When the tool gave it."""


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
    via: str = ""
    """The contract whose read found out what came of it; empty where the call's own answer says so."""
    via_ms: Number = 0
    undoes: Count | None = None
    """The `tool.result` whose call this undid, or was to undo."""
    policy: PolicyVerdict | None = None
    """What the rules said about a call without a claim; none where there are none."""
    shown: Shown | None = None
    """What the model sees, where that is not the whole output."""
    as_of: str = ""
    """Since when the output is true, where its contract cares."""
    cached: Origin | None = None
    """Where the output comes from, if no tool was called."""
    waited_ms: Number = 0
    """For its turn at the limits of its contract; of a call with a claim, before its last attempt."""


class ToolReconciled(Data, frozen=True, gc=False):
    """A read found out what came of a call whose outcome was unknown. It cost nothing."""

    plan_seq: Count
    index: Count
    tool: str
    result_seq: Count
    """The `tool.result` that did not know."""
    idempotency_key: str
    status: Literal["ok", "failed"]
    """`failed`: it did not happen."""
    via: str
    """The contract that was read."""
    output: Value | None = None
    """The call's own output, where it happened."""
    shown: Shown | None = None
    latency_ms: Number = 0


GateKind = Literal["approval", "exhausted", "undo"]
"""May this call be made; may it be made again, having come to nothing; was its undoing done by hand?"""


class GateRequested(Data, frozen=True, gc=False):
    """A call needs a person; the run parks."""

    plan_seq: Count
    index: Count
    consequence_tier: Count
    evidence_pack: Value | None = None
    kind: GateKind = "approval"
    undoes: Count | None = None
    """The `tool.result` whose undoing it is about."""


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


class Unwinding(Data, frozen=True, gc=False):
    """The run has failed, and what it did is undone before it ends."""

    reason: str
    message: str = ""
    criteria: list[Criterion] = []
    output: Value | None = None


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
    discards: bool = False
    """What ended badly waits for nobody any more."""
