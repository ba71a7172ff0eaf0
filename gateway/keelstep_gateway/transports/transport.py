"""What must a transport offer? One call, and an honest account of whether its first byte left.

It is given what the contract says, the arguments, the key and the secrets, and a time; it knows nothing of policy, of
trying again, of claims or of the log.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from keelstep.domain import outcome
from keelstep.domain.outcome import NoAnswer, Seen
from keelstep.kinds.contract import ToolContractSpec
from keelstep.kinds.failure import ErrorClass
from keelstep_gateway.evaluator import Evaluator
from keelstep_gateway.transports.redaction import Redaction


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call to make."""

    tenant: str
    spec: ToolContractSpec
    args: Mapping[str, Any]
    key: str
    """The idempotency key."""
    timeout_seconds: float
    """From now to the last byte."""
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    """What the tenant's Secret holds under each key that the contract names."""
    evaluator: Evaluator | None = field(default=None, repr=False)
    """Where the contract's expression for the body is evaluated; None is at once, however long it takes."""
    redaction: Redaction = field(default_factory=Redaction, repr=False)
    """What must not come back in an answer; a transport adds the tokens it was given."""


class Transport(Protocol):
    """A way to reach tools."""

    async def call(self, call: Call) -> Seen:
        """Make one call; never raises for what the other side does."""
        ...

    async def close(self) -> None:
        """Let go of every connection."""
        ...


class CallError(Exception):
    """A call that has no answer; carries what was seen instead, in words without any of the other side's."""

    def __init__(
        self,
        reason: str,
        message: str,
        error_class: str = outcome.INVALID,
        *,
        status: int | None = None,
        retry_after: str = "",
    ) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.error_class = error_class
        self.status = status
        self.retry_after = retry_after

    def seen(self, *, was_sent: bool) -> NoAnswer:
        """The same, as an outcome."""
        return NoAnswer(
            reason=self.reason,
            message=self.message,
            error_class=self.error_class,
            was_sent=was_sent,
            status=self.status,
            retry_after=self.retry_after,
        )


@dataclass(slots=True)
class Sent:
    """Whether the first byte of anything that counts may have left."""

    was_sent: bool = False


async def make(call: Call, ask: Callable[[Call, Sent], Awaitable[Seen]]) -> Seen:
    """Make one call within its time; what went wrong is told as what was seen."""
    sent = Sent()
    try:
        async with asyncio.timeout(call.timeout_seconds):
            return await ask(call, sent)
    except TimeoutError:
        return timed_out(call.timeout_seconds).seen(was_sent=sent.was_sent)
    except CallError as error:
        return error.seen(was_sent=sent.was_sent)


def timed_out(timeout_seconds: float) -> CallError:
    """No answer in time."""
    message = f"the tool did not answer within {round(timeout_seconds, 1):g} s"
    return CallError("Timeout", message, ErrorClass.TIMEOUT)


def disconnected(error: BaseException | None, *, was_sent: bool) -> CallError:
    """No connection, or none any more."""
    what = "broke before the tool answered" if was_sent else "could not be made"
    kind = f" ({type(error).__name__})" if error is not None else ""
    return CallError("ConnectionFailed", f"the connection {what}{kind}", ErrorClass.CONNECTION_FAILED)


def too_large() -> CallError:
    """More than is read of any answer."""
    return CallError("ResponseTooLarge", "the tool's answer is larger than allowed")


def answered(status: int, retry_after: str = "") -> CallError:
    """A status that is no success, where there is nothing else to judge by."""
    error_class = outcome.class_of(status)
    message = f"the tool answered {status}"
    return CallError(error_class, message, error_class, status=status, retry_after=retry_after)
