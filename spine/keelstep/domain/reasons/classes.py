"""How do calls fail? The classes of failure: who must act, and whether trying again can help.

Every error in `tool.result` and `model.replied` has one class beside its reason: the reason says what happened, the class
what can be done about it. Four of them a contract may name in `failurePolicy.retryable`. Data only.
"""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorClass:
    """One class."""

    name: str
    """CamelCase; in events, in metrics, and, of four, in contracts."""
    meaning: str
    acts: str
    """Who, and to do what."""
    retry: str
    """Can another attempt help?"""


TIMEOUT, RATE_LIMITED, UNAVAILABLE, CONNECTION = "Timeout", "RateLimited", "Unavailable", "ConnectionFailed"
REFUSED, INVALID, DENIED, NOT_SENT, LOST = "Refused", "Invalid", "Denied", "NotSent", "Lost"

CLASSES: tuple[ErrorClass, ...] = (
    ErrorClass(
        name=TIMEOUT,
        meaning="It was asked, and no answer came in time.",
        acts="Nobody at first; whoever runs it, or the author, with a longer timeoutSeconds.",
        retry="Yes, with the same key; without one only a read, for it may have happened.",
    ),
    ErrorClass(
        name=RATE_LIMITED,
        meaning="It wants fewer calls (429).",
        acts="Nobody at first; the author, with a lower rate, or whoever grants the limit.",
        retry="Yes, later; Retry-After says when.",
    ),
    ErrorClass(
        name=UNAVAILABLE,
        meaning="It answered that it cannot now (5xx), or what stands before it did.",
        acts="Nobody at first; whoever runs it.",
        retry="Yes, with the same key; without one only a read.",
    ),
    ErrorClass(
        name=CONNECTION,
        meaning="No connection could be made, or it broke before the answer.",
        acts="Nobody at first; whoever runs it, or the network.",
        retry="Yes: always where nothing was sent, else with the same key.",
    ),
    ErrorClass(
        name=REFUSED,
        meaning="It answered no: to these arguments, to this identity, or to such a request at all.",
        acts="The author, or whoever grants the identity its rights.",
        retry="No; the same call gets the same answer. The model may ask differently.",
    ),
    ErrorClass(
        name=INVALID,
        meaning="What was asked, or what was answered, does not fit the contract.",
        acts="The author.",
        retry="No. The model may ask differently.",
    ),
    ErrorClass(
        name=DENIED,
        meaning="The law says no: allow-list, limit, schema, rule, person, budget, kill. Nothing was sent.",
        acts="Whom the reason names: the author, an approver, the requester.",
        retry="No; the refusal is recorded as the call's result. The model goes on without it.",
    ),
    ErrorClass(
        name=NOT_SENT,
        meaning="It was allowed and could not be sent: a credential, the time, or a stop just before.",
        acts="Whom the reason names; mostly the platform team.",
        retry="Yes, once what the reason names is mended; nothing happened.",
    ),
    ErrorClass(
        name=LOST,
        meaning="The gateway died during the call, and nobody else knows what came of it.",
        acts="A person, where the outcome stays unknown: find out at the tool.",
        retry="Only with the same key, and that was done before it is said.",
    ),
)
"""In the order in which a call meets them."""

NAMES = frozenset(each.name for each in CLASSES)

OF: Mapping[str, tuple[str, ...]] = {
    # tools and models
    "Timeout": (TIMEOUT,),
    "ModelTimeout": (TIMEOUT,),
    "RateLimited": (RATE_LIMITED,),
    "ModelRateLimited": (RATE_LIMITED,),
    "Unavailable": (UNAVAILABLE,),
    "ModelUnavailable": (UNAVAILABLE,),
    "TokenUnavailable": (TIMEOUT, RATE_LIMITED, UNAVAILABLE, CONNECTION),
    "Busy": (UNAVAILABLE,),
    "ConnectionFailed": (CONNECTION,),
    "ModelUnreachable": (CONNECTION,),
    "TlsFailed": (CONNECTION, INVALID),
    "Refused": (REFUSED,),
    "ModelRefused": (REFUSED,),
    "ModelNotConfigured": (REFUSED,),
    "TokenRefused": (REFUSED,),
    "ToolFailed": (REFUSED, UNAVAILABLE),
    "NotHappened": (REFUSED,),
    "InputRequired": (REFUSED, INVALID),
    # what does not fit
    "AddressInvalid": (INVALID,),
    "Drifted": (INVALID,),
    "EgressRefused": (INVALID,),
    "RedirectRefused": (INVALID,),
    "CommandRefused": (INVALID,),
    "CertificateInvalid": (INVALID,),
    "RequestInvalid": (INVALID,),
    "OutputInvalid": (INVALID,),
    "ResponseTooLarge": (INVALID,),
    "ModelReplyInvalid": (INVALID,),
    "DivisionByZero": (INVALID,),
    "NumberTooLarge": (INVALID,),
    "TimeInvalid": (INVALID,),
    "DurationInvalid": (INVALID,),
    "PatternInvalid": (INVALID,),
    "QueryInvalid": (INVALID,),
    "QueryFailed": (INVALID,),
    "QueryTooCostly": (INVALID,),
    "ResultMissing": (INVALID,),
    "OffsetTooLarge": (INVALID,),
    "ResultTooLarge": (INVALID,),
    "ArgumentsInvalid": (DENIED, INVALID),
    # the law
    "ArgumentsUnreadable": (DENIED,),
    "ToolNotAllowed": (DENIED,),
    "ToolKilled": (DENIED, NOT_SENT),
    "ToolCallsExceeded": (DENIED,),
    "StepsExceeded": (DENIED,),
    "BudgetExceeded": (DENIED,),
    "TenantBudgetExceeded": (DENIED,),
    "BreakerOpen": (DENIED, NOT_SENT),
    "PolicyDenied": (DENIED,),
    "PolicyUnmatched": (DENIED,),
    "PolicyFailed": (DENIED,),
    "OutcomeUnknown": (DENIED,),
    "GateExpired": (DENIED,),
    "GateRejected": (DENIED,),
    "GateWithdrawn": (DENIED,),
    "ApprovalUsed": (DENIED,),
    "ApprovalMismatch": (DENIED,),
    "ApprovalLapsed": (DENIED, NOT_SENT),
    # decided, and not sent
    "DeadlineExceeded": (DENIED, NOT_SENT),
    "LimitReached": (NOT_SENT,),
    "Killed": (NOT_SENT,),
    "RunEnded": (NOT_SENT,),
    "ControlUnavailable": (NOT_SENT,),
    "BrokerUnavailable": (NOT_SENT,),
    "CredentialsMissing": (NOT_SENT,),
    "CredentialsUnavailable": (NOT_SENT,),
    # nobody knows
    "OwnerLost": (LOST,),
}
"""Which classes a reason of `tool.result` or `model.replied` comes with."""
