"""What can a decision ask to be done? Data only; `reconcile.execution` carries it out.

Every action is idempotent: done twice, it changes nothing the second time.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from keelstep.events import types
from keelstep.events.value import Value
from keelstep_operator.decide.facts import Gate, Pod


@dataclass(frozen=True, slots=True, kw_only=True)
class Append:
    """An event to append to the log."""

    type: str
    data: types.Data
    id: str
    trace_id: str = ""
    payloads: Sequence[tuple[Value, bytes]] = ()
    attempt: int | None = None
    """The attempt it belongs to, where that is not the current one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunAttempt:
    """Make sure that this attempt's Secret and Pod exist and are ours."""

    attempt: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EndPod:
    """Delete a Pod; at once where the run was killed."""

    pod: Pod
    is_immediate: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Revoke:
    """Revoke the identities of these attempts."""

    attempts: Sequence[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class DropSecrets:
    """Delete the Secrets of these attempts' identities."""

    attempts: Sequence[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenGate:
    """Create the ApprovalGate."""

    gate: Gate


@dataclass(frozen=True, slots=True, kw_only=True)
class EngageKill:
    """Stop this run in CONTROL, so that gateways refuse from the moment they see it."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseName:
    """Free the name: its resource was seen deleted and the run is over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteResource:
    """Delete the Execution: its time after the end is up. The log stays."""


Action = RunAttempt | EndPod | Revoke | DropSecrets | OpenGate | EngageKill | ReleaseName | DeleteResource
