"""On which facts does a decision about one execution rest?

Frozen values, gathered by `reconcile.execution` from the API server, the log and CONTROL. Nothing here decides.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from keelstep.domain.state import State
from keelstep.events import types
from keelstep.events.value import Value
from keelstep.kinds.execution import Execution


@dataclass(frozen=True, slots=True, kw_only=True)
class Pod:
    """One attempt's Pod as the API server knows it."""

    name: str
    uid: str
    attempt: int
    phase: str
    """Kubernetes' own: Pending, Running, Succeeded, Failed, Unknown."""
    is_forged: bool = False
    """It has the name, but it is not this execution's."""
    is_terminating: bool = False
    is_evicted: bool = False
    """The node or the scheduler ended it, not the runner itself."""
    reason: str = ""
    """Why it cannot start, or how it ended; Kubernetes' own word."""
    message: str = ""
    created_at: int = 0
    """Nanoseconds since 1970."""

    @property
    def is_ended(self) -> bool:
        """Its process is gone."""
        return self.phase in ("Succeeded", "Failed")

    @property
    def is_live(self) -> bool:
        """Its runner may still work."""
        return not self.is_ended and not self.is_terminating


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """A kill in force, as CONTROL says."""

    scope: str
    """tenant, strategy or execution."""
    reason: str
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """One person's answer on a gate."""

    approver: str
    is_approval: bool
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """A pending question of the log, and what became of it among people."""

    request_seq: int
    name: str
    spec: Mapping[str, Any]
    """The ApprovalGate's spec as we compute it; empty where the call cannot be asked about."""
    refusal: str = ""
    """Why nobody can be asked (CamelCase), or nothing."""
    args_digest: str
    contract_digest: str
    required: int = 1
    deadline: int = 0
    """Nanoseconds since 1970."""
    valid_for_seconds: int = 0
    problem: str = ""
    """Why it cannot be computed at all; then nothing is asked or decided, and a person must act."""
    is_of_undo: bool = False
    """It is about undoing a call, asked while the run unwinds."""
    exists: bool = False
    is_forged: bool = False
    decisions: Sequence[Decision] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """Everything a start needs is there."""

    data: types.ExecStarted
    trace_id: str
    payloads: Sequence[tuple[Value, bytes]] = ()
    """What must be stored before the event that names it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NotReady:
    """The run cannot start, or not yet."""

    condition: str
    """Which condition is not true: Accepted or ResolvedRefs."""
    reason: str
    message: str
    is_pending: bool = False
    """It is being checked; nobody must act."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Everything a decision about an execution rests on."""

    now: int
    """Nanoseconds since 1970."""
    name: str
    state: State
    execution: Execution | None
    """None where the resource is gone."""
    is_deleted: bool = False
    """Its deletion was observed; a resource that is merely missing was not deleted."""
    stop: Stop | None = None
    start: Ready | NotReady | None = None
    """None once the log has begun."""
    pods: Mapping[int, Pod] = field(default_factory=dict)
    """By attempt."""
    gates: Sequence[Gate] = ()
    """The pending ones."""
    resumed_seq: int = 0
    """The last `exec.resumed`."""
    is_revoked: bool = False
    """The current attempt's identity was revoked: by a resource that was missing and came back."""
    is_unmade: bool = False
    """The current attempt's Pod was refused so far: a quota, a webhook that is down. It is none that was lost."""
    attempt_limit: int = 5

    @property
    def is_orphaned(self) -> bool:
        """The resource is missing, and nobody saw it deleted."""
        return self.execution is None and not self.is_deleted

    @property
    def wants_kill(self) -> bool:
        """A person engaged its own kill switch, whether or not that is in CONTROL yet."""
        return self.execution is not None and self.execution.spec.kill_switch.engaged

    @property
    def may_have_pods(self) -> bool:
        """The resource that owns them is there to stay; of one that is being deleted they are collected."""
        return self.execution is not None and self.execution.metadata.deletion_timestamp is None

    @property
    def pod(self) -> Pod | None:
        """The current attempt's Pod."""
        return self.pods.get(self.state.attempt)
