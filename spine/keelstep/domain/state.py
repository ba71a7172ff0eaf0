"""What does a fold know about one execution?

Frozen values only. Everything here is computed from the log by `execution.evolve`; nothing is stored.
"""

from collections.abc import Mapping

import immutables
import msgspec

from keelstep.events import envelope, types
from keelstep.events.value import Value

Place = tuple[int, int]
"""A planned call: its plan's seq and its index there."""


class Part(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One fact of the state."""


class ModelCall(Part, frozen=True, gc=False):
    """One call of the model."""

    ordinal: int
    seq: int
    owner: str
    deadline: str
    reserved_micro_usd: int
    stored_at: int
    request_digest: str
    reply: types.ModelReplied | None = None
    """None while it is open."""


class Plan(Part, frozen=True, gc=False):
    """The exact calls a model reply asked for."""

    seq: int
    ordinal: int
    steps: tuple[types.PlannedCall, ...]


class Claim(Part, frozen=True, gc=False):
    """A call somebody owns and has not yet reported."""

    seq: int
    plan_seq: int
    index: int
    tool: str
    key: str
    owner: str
    deadline: str
    stored_at: int
    """When the claim, or its last take-over, was stored."""
    estimate_micro_usd: int
    gate_seq: int | None
    valid_until: str
    performances: int
    """1 at first; each `tool.retried` adds one."""

    @property
    def place(self) -> Place:
        """The planned call it claims."""
        return (self.plan_seq, self.index)


class Result(Part, frozen=True, gc=False):
    """How a planned call ended."""

    seq: int
    data: types.ToolResult


class KeyState(Part, frozen=True, gc=False):
    """What is known about one idempotency key."""

    status: str
    """`open`, or the status of its last result."""
    seq: int
    """The claim while open, else the result."""
    tool: str


class Gate(Part, frozen=True, gc=False):
    """One question to a human."""

    request_seq: int
    plan_seq: int
    index: int
    tier: int
    asked_at: int
    evidence: Value | None
    decided: types.GateDecided | None = None
    decided_seq: int = 0
    used: bool = False
    """True once a claim was made under it: an approval covers one call."""

    @property
    def place(self) -> Place:
        """The planned call it asks about."""
        return (self.plan_seq, self.index)


class State(Part, frozen=True, gc=False):
    """Everything a decision about an execution may rest on."""

    xid: str
    tenant: str
    # where the log stands
    seq: int = 0
    """The last valid event."""
    head: str = envelope.GENESIS
    """SHA-256 of its bytes: the next event's `prev`."""
    position: int = 0
    """The stream's sequence of the last message seen, void ones included: the next append's fence."""
    stored_at: int = 0
    """The broker's time of the last valid event."""
    voids: int = 0
    undecidable: str = ""
    """Type and version of an event this program does not know; nothing may be decided past it."""
    # what the run is
    started: types.ExecStarted | None = None
    started_at: int = 0
    trace_id: str = ""
    # who runs it
    attempt: int = 0
    attempt_at: int = 0
    attempt_seq: int = 0
    pod: str = ""
    barren_attempts: int = 0
    """Attempts in a row, the current one included, in which neither runner nor gateway wrote anything."""
    worked: bool = False
    """True once any runner or gateway event exists."""
    # what it did
    models: immutables.Map[int, ModelCall] = immutables.Map()
    ordinal: int = 0
    """The last model call."""
    plans: immutables.Map[int, Plan] = immutables.Map()
    """By the ordinal of the reply they came from."""
    plan: Plan | None = None
    """The latest."""
    claims: immutables.Map[Place, Claim] = immutables.Map()
    """Open ones."""
    results: immutables.Map[Place, Result] = immutables.Map()
    keys: immutables.Map[str, KeyState] = immutables.Map()
    unknown: immutables.Map[str, tuple[str, ...]] = immutables.Map()
    """Keys whose outcome nobody knows, by contract."""
    gates: immutables.Map[Place, Gate] = immutables.Map()
    pending_gates: int = 0
    # what it used
    step: int = 0
    calls: immutables.Map[str, int] = immutables.Map()
    """Tool calls begun, by contract."""
    successes: immutables.Map[str, int] = immutables.Map()
    """Tool calls that ended ok, by contract."""
    tool_calls: int = 0
    tokens: int = 0
    spent_micro_usd: int = 0
    reserved_micro_usd: int = 0
    # what stops it
    suspended: types.Interruption | None = None
    cancelled: types.Interruption | None = None
    killed: types.Interruption | None = None
    finished: types.ExecFinished | None = None
    over_at: int = 0

    @property
    def is_over(self) -> bool:
        """Finished or killed: only closing records may follow."""
        return self.finished is not None or self.killed is not None

    @property
    def open_model_call(self) -> ModelCall | None:
        """The model call that has no reply yet."""
        last = self.models.get(self.ordinal)
        return last if last is not None and last.reply is None else None

    @property
    def is_plan_resolved(self) -> bool:
        """True where no planned call still waits for its result."""
        plan = self.plan
        return plan is None or all((plan.seq, call.index) in self.results for call in plan.steps)

    @property
    def pins(self) -> Mapping[str, types.Pin]:
        """The contracts this run may call."""
        return self.started.contracts if self.started is not None else {}

    def unknown_key_of(self, tool: str) -> str | None:
        """A key of this contract whose outcome nobody knows."""
        return next(iter(self.unknown.get(tool, ())), None)

    def step_at(self, place: Place) -> types.PlannedCall | None:
        """The planned call at a place of the latest plan."""
        plan_seq, index = place
        plan = self.plan
        if plan is None or plan.seq != plan_seq or not 0 <= index < len(plan.steps):
            return None
        return plan.steps[index]
