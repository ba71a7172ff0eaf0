"""Does a tool work, as far as its circuit breaker shows? The condition Healthy of a contract.

It is no part of Ready: what stands in the contract is right, whatever the tool does just now.
"""

from keelstep.domain.circuit import Circuit
from keelstep.events import clock
from keelstep_operator.decide import condition
from keelstep_operator.decide.condition import Finding

TYPE = "Healthy"


def check(found: Circuit) -> Finding:
    """`Healthy` of a contract that has a breaker."""
    match found.state:
        case "closed":
            return condition.holds(TYPE, "BreakerClosed")
        case "open":
            until = clock.whole(found.until)
            return condition.fails(
                TYPE, "BreakerOpen", f"it keeps failing ({found.reason}) and is left alone until {until}"
            )
        case "half-open":
            return condition.unknown(
                TYPE, "BreakerHalfOpen", f"it kept failing ({found.reason}) and is being tried"
            )
