"""What happened on the way of one MCP call? Noted by whoever carries its bytes, read when the library says no more than
that there is no answer.

The library carries a call's context to the request it makes of it, so what is noted there belongs to that call.
"""

from contextvars import ContextVar
from dataclasses import dataclass, field

from keelstep_gateway.transports.transport import Call, CallError, Sent


@dataclass(slots=True)
class Wire:
    """One call's, or one handshake's."""

    call: Call
    sent: Sent = field(default_factory=Sent)
    is_handshake: bool = False
    """True where nothing that is sent is the call itself."""
    problem: CallError | None = None
    """Why there is no answer, where the carrier knows better than the library."""
    status: int = 0
    """The HTTP status that was no success, if there was one."""
    retry_after: str = ""
    """The header Retry-After that came with it."""
    resumed: int = 0
    """How often the rest of an answer was asked for that broke off."""
    is_over: bool = False
    """True once a command says nothing any more."""


CURRENT: ContextVar[Wire] = ContextVar("wire")
