"""What becomes of a claim whose owner is silent? Somebody else performs it again, or nobody ever does.

Taken over only where repeating cannot double an effect and where a new claim would be allowed now; otherwise, once
its result can no longer be on the way, it is settled as what it is: unknown.
"""

from dataclasses import dataclass

from keelstep.domain import contract as contracts
from keelstep.domain import retry
from keelstep.domain.call import Standing, Unknowable
from keelstep.domain.state import Claim, State
from keelstep.events import clock
from keelstep.kinds.contract import ToolContractSpec

GRACE_SECONDS = 5
"""After a claim's deadline its result may still be on the way for so long."""
MOST_PERFORMANCES = 10
"""A claim that lost so many owners is not tried again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """Take the claim over and perform it again, with the same key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settle:
    """Nobody can know any more: record `unknown` (`lost` for a model call)."""

    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """Its result may still come; look again then."""

    until: int
    """Nanoseconds since 1970."""


def decide(
    state: State, claim: Claim, spec: ToolContractSpec, stop: Standing, now: int
) -> Retry | Settle | Wait:
    """What to do about a claim whose owner is silent: the checks of a claim, once more."""
    is_repeatable = contracts.is_repeatable(spec) and claim.performances < MOST_PERFORMANCES
    if is_repeatable and isinstance(stop, Unknowable):
        return Wait(until=now + clock.SECOND)  # not knowing what is stopped is no reason to give the call up
    if is_repeatable and not retry.why_not(state, claim, stop, now):
        return Retry()
    rule = spec.failure_policy.reconcile
    grace = max(GRACE_SECONDS, rule.settle_seconds if rule is not None else 0)
    last = clock.parse(claim.deadline) + grace * clock.SECOND
    if now < last:
        return Wait(until=last)
    return Settle(message="its gateway died during the call; whether it happened is not known")
