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
    event_id: str = ""
    """The id of its `tool.called`."""
    is_doubtful: bool = False
    """True once an earlier performance may have happened: it can never end `failed`."""
    args: Value | None = None
    undoes: int | None = None
    """The result whose call it undoes."""

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


class Reconciled(Part, frozen=True, gc=False):
    """What was found out about a call later."""

    seq: int
    data: types.ToolReconciled


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
    kind: types.GateKind = "approval"
    undoes: int | None = None
    """The result whose undoing it is about."""

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
    voids_since: int = 0
    """Those after the last valid event."""
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
    doubted: immutables.Map[Place, Result] = immutables.Map()
    """Calls that may have happened, and that a person let be made again: how they had ended, until they end again."""
    reconciled: immutables.Map[Place, Reconciled] = immutables.Map()
    """Calls whose outcome was unknown until a read found out."""
    undoable: tuple[tuple[int, Place], ...] = ()
    """Calls that happened, or may have, and that a contract undoes: their results, oldest first, and places."""
    keys: immutables.Map[str, KeyState] = immutables.Map()
    unknown: immutables.Map[str, tuple[str, ...]] = immutables.Map()
    """Keys whose outcome nobody knows, by contract."""
    gates: immutables.Map[Place, Gate] = immutables.Map()
    """The last question about each call."""
    former_gates: immutables.Map[int, Gate] = immutables.Map()
    """Answered ones before it, by the event that asked."""
    pending_gates: int = 0
    policies: immutables.Map[Place, types.PolicyVerdict] = immutables.Map()
    """What the rules said about calls that need a person."""
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
    unwinding: types.Unwinding | None = None
    """It has failed, and what it did is undone."""
    unwinding_seq: int = 0
    """The event from which on it is being undone: a failure or a cancellation."""
    unwinding_at: int = 0
    """When that was, or what was in flight last ended, or a person last answered about an undoing."""
    is_unwound_by_runner: bool = False
    """Its runner said so itself, and goes on with it."""
    finished: types.ExecFinished | None = None
    over_at: int = 0
    over_seq: int = 0
    """The event that ended it."""
    discarded: types.Feedback | None = None
    """A person said that what ended badly waits for nobody any more."""

    @property
    def is_over(self) -> bool:
        """Finished or killed: only closing records may follow."""
        return self.finished is not None or self.killed is not None

    @property
    def is_unwinding(self) -> bool:
        """Failed or cancelled: nothing may begin any more but undoing what was done."""
        return self.unwinding is not None or self.cancelled is not None

    @property
    def open_model_call(self) -> ModelCall | None:
        """The model call that has no reply yet."""
        last = self.models.get(self.ordinal)
        return last if last is not None and last.reply is None else None

    @property
    def is_plan_resolved(self) -> bool:
        """True where no planned call still waits for its result."""
        plan = self.plan
        if plan is None:
            return True
        # from the last one on: calls are made in order, so that of a plan under way the first look tells
        return all((plan.seq, call.index) in self.results for call in reversed(plan.steps))

    @property
    def questions(self) -> tuple[Gate, ...]:
        """Everything that people were asked."""
        return (*self.former_gates.values(), *self.gates.values())

    @property
    def pins(self) -> Mapping[str, types.Pin]:
        """The contracts this run may call."""
        return self.started.contracts if self.started is not None else {}

    def unknown_key_of(self, tool: str) -> str | None:
        """A key of this contract whose outcome nobody knows."""
        return next(iter(self.unknown.get(tool, ())), None)

    def is_escalated(self, place: Place) -> bool:
        """Has a rule on record asked for a person?"""
        verdict = self.policies.get(place)
        return verdict is not None and verdict.effect == "escalate"

    def end_of(self, place: Place) -> Result | None:
        """How a call ended, also where a person has let it be made again since, and it may have happened."""
        return self.results.get(place) or self.doubted.get(place)

    def answer_of(self, seq: int) -> types.ToolResult | types.ToolReconciled | None:
        """What an event says of a call that ended."""
        ended = (*self.results.values(), *self.reconciled.values())
        return next((known.data for known in ended if known.seq == seq), None)

    def came_to_nothing(self, place: Place) -> bool:
        """Has this call failed, or does nobody know, after its last attempt?"""
        result = self.results.get(place)
        return (
            result is not None
            and result.data.status in ("failed", "unknown")
            and place not in self.reconciled
        )

    def may_appeal(self, place: Place) -> bool:
        """Did this call of the latest plan come to nothing, and has nobody been asked about that?"""
        result, gate, planned = self.results.get(place), self.gates.get(place), self.step_at(place)
        pin = self.pins.get(planned.tool) if planned is not None else None
        return (
            result is not None
            and self.came_to_nothing(place)
            and pin is not None
            and not pin.builtin
            and (gate is None or gate.request_seq < result.seq)
        )

    def planned_at(self, place: Place) -> types.PlannedCall | None:
        """The planned call at a place of any plan."""
        plan_seq, index = place
        plan = next((plan for plan in self.plans.values() if plan.seq == plan_seq), None)
        return plan.steps[index] if plan is not None and 0 <= index < len(plan.steps) else None

    def step_at(self, place: Place) -> types.PlannedCall | None:
        """The planned call at a place of the latest plan."""
        plan_seq, index = place
        plan = self.plan
        if plan is None or plan.seq != plan_seq or not 0 <= index < len(plan.steps):
            return None
        return plan.steps[index]
