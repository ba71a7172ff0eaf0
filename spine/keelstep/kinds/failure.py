"""What does a failure of a tool mean, and what follows from it? A contract's `failurePolicy`.

Only data: what it means for one answer is asked in `domain.outcome`, whether to try again in `domain.retry`.
"""

from enum import StrEnum
from typing import Annotated

import pydantic

from keelstep.kinds import resource
from keelstep.kinds.resource import Model
from keelstep.kinds.transport import Expression


class ErrorClass(StrEnum):
    """Normalised classes of failure a contract may call retryable."""

    TIMEOUT = "Timeout"
    RATE_LIMITED = "RateLimited"
    UNAVAILABLE = "Unavailable"
    CONNECTION_FAILED = "ConnectionFailed"


Query = Annotated[str, pydantic.Field(min_length=1, max_length=2048)]
"""JMESPath."""


class Reconcile(Model):
    """A read that finds out what came of a call whose outcome nobody knows."""

    contract: resource.Name
    """The ToolContract that reads: ReadOnly, tier 0, free, and listed by every strategy that lists this one.
    Example: `credits.find`."""
    arguments: Query
    """JMESPath over `args` and `key` (the idempotency key) of the call that yields the read's arguments.
    Example: `{order_id: args.order_id, reference: key}`."""
    performed: Expression
    """CEL over `output` (the read's), `args` and `key` that says whether the call happened. One that fails says nothing.
    Example: `size(output.credits) > 0`."""
    output: Query
    """JMESPath over the same that yields the call's own output where it happened; it must match `schema.output`.
    Example: `output.credits[0].{credit_id: id}`."""
    settle_seconds: Annotated[int, pydantic.Field(ge=0, le=600)] = 5
    """How long after a call was sent its effect may still appear: a read that does not find it sooner proves nothing, and
    is made again then. Unit: seconds. Default: 5."""


class Compensation(Model):
    """The call that undoes this one, made after a run has failed or was cancelled."""

    contract: resource.Name
    """The ToolContract that undoes it, listed by every strategy that lists this one. Its own tier, schema, rules and
    failure policy hold; it costs outside the run's budget. Example: `credit.revoke`."""
    arguments: Query
    """JMESPath over `args`, `key` (the idempotency key) and `output` of the call that yields the arguments.
    Example: `{credit_id: output.credit_id}`."""


class OnExhaust(StrEnum):
    """What follows where a call came to nothing."""

    FAIL = "Fail"
    ESCALATE = "Escalate"
    COMPENSATE = "Compensate"


class FailurePolicy(Model):
    """What a failure means and whether trying again can help."""

    retryable: Annotated[list[ErrorClass], pydantic.Field(max_length=8)] | None = None
    """Classes worth another attempt, with the same key. After the first byte a call that is not idempotent is tried
    again only where the answer proves that nothing happened. Default: RateLimited, Unavailable and ConnectionFailed
    where the call may be repeated (ReadOnly, or idempotency Keyed or PerCall), none otherwise. Example: `[Timeout]`."""
    retryable_statuses: (
        Annotated[
            list[Annotated[int, pydantic.Field(ge=100, le=599)]], pydantic.Field(min_length=1, max_length=32)
        ]
        | None
    ) = None
    """HTTP statuses worth another attempt, whatever their class. Default: none. Example: `[409, 425]`."""
    retry_when: Expression | None = None
    """CEL over the answer that says whether it is worth another attempt: of HTTP `status` and `body` (null where it is
    not JSON), of MCP `structured`, `text`, `content` and `isError`. An answer for which it holds is no success, whatever
    its status. An expression that fails on an answer does not hold. Default: none.
    Example: `status == 202 || body.error == "busy"`."""
    max_attempts: Annotated[int, pydantic.Field(ge=1, le=10)] = 3
    """Attempts altogether, within `timeoutSeconds` each. Default: 3."""
    backoff_seconds: Annotated[int, pydantic.Field(ge=0, le=60)] = 1
    """Wait before the second attempt; every wait is longer by up to a half, so that callers do not come together.
    Unit: seconds. Default: 1."""
    backoff_factor: Annotated[int, pydantic.Field(ge=1, le=10)] = 2
    """How many times longer each further wait is. Default: 2."""
    max_backoff_seconds: Annotated[int, pydantic.Field(ge=1, le=600)] = 60
    """The longest wait; only a tool that says `Retry-After` is waited for longer. Unit: seconds. Default: 60."""
    total_seconds: Annotated[int, pydantic.Field(ge=1, le=3600)] | None = None
    """Time for all attempts and the waits between. A tool that says `Retry-After`, in seconds or as a date, is waited for
    as long as it says, or not tried again where that is beyond this time. Unit: seconds.
    Default: as long as the attempts and the longest waits between them can take."""
    not_performed: Annotated[
        list[Annotated[int, pydantic.Field(ge=400, le=599)]], pydantic.Field(max_length=32)
    ] = []
    """HTTP statuses that prove nothing happened: the result is then `failed`, any other error `unknown`.
    Default: none. Example: `[400, 404, 422]`."""
    not_performed_when: Expression | None = None
    """CEL over the answer, as `retryWhen`, that says whether it proves that nothing happened, whatever its status.
    An expression that fails on an answer proves nothing. Default: none. Example: `status == 200 && !body.ok`."""
    reconcile: Reconcile | None = None
    """A read that finds out what came of a call whose outcome is unknown. Default: none, so that a person must."""
    on_exhaust: OnExhaust = OnExhaust.FAIL
    """What follows where a call has failed, or is unknown, after its last attempt. `Fail`: the model is told. `Escalate`:
    a person is asked; approved, it is called again with the same key, else it stays as it is. `Compensate`: the run ends
    failed, and what it did is undone. Default: Fail."""
