"""What is a runner told? The final reply to one request, before it is bytes.

Pure: `calls` sends it. A refusal records nothing; whatever was recorded is told as events.
"""

from dataclasses import dataclass

import structlog

from keelstep import errors
from keelstep.domain import call
from keelstep.log import ask

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """The answer is in the log, at or before this stream sequence."""

    position: int
    """0 where the log itself is asked for, as the stream has it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """Not done, and nothing recorded."""

    refusal: ask.Refusal


@dataclass(frozen=True, slots=True, kw_only=True)
class NeedsGate:
    """A person must be asked first."""

    tier: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Payload:
    """The bytes that were asked for."""

    payload: bytes


Answer = Recorded | Refused | NeedsGate | Payload

_TRANSIENT = (
    errors.BrokerUnavailableError,
    errors.ControlUnavailableError,
    errors.PayloadMissingError,
    errors.ClockSkewError,  # another gateway's clock may be right
)


def refuse(reason: str, message: str, *, is_transient: bool = False) -> Refused:
    """A refusal."""
    return Refused(refusal=ask.Refusal(reason=reason, message=message, is_transient=is_transient))


def refused(verdict: call.Refuse) -> Refused:
    """A decision's refusal."""
    return refuse(verdict.reason, verdict.message, is_transient=verdict.is_transient)


def unable(error: errors.KeelstepError) -> Refused:
    """What an error of ours means to the runner that asked."""
    is_transient = isinstance(error, _TRANSIENT) or not isinstance(error, errors.Stalled)
    return refuse(error.reason, error.message, is_transient=is_transient)
