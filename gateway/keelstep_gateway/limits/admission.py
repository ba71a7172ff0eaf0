"""May a call that the law allows begin now, as far as limits and the tenant's day go? Asked before anything is claimed.

What is admitted is either performed, which ends and settles it, or given back.
"""

from dataclasses import dataclass

from keelstep.domain import call, retry
from keelstep.domain.state import State
from keelstep.events import clock
from keelstep_gateway.hold import Hold
from keelstep_gateway.limits.limiter import Asked, Limiter, Pass, Shut, Unwanted
from keelstep_gateway.limits.purse import Purses, Reserved


@dataclass(slots=True, kw_only=True)
class Admitted:
    """A call that may begin, or why not."""

    turn: Pass | None = None
    """The right to send it once."""
    money: Reserved | None = None
    denied: call.Deny | None = None

    def leave(self) -> None:
        """Its turn is over; idempotent."""
        if self.turn is not None:
            self.turn.leave()

    def settle(self, spent_micro_usd: int) -> None:
        """It cost this, and that is stored; 0 where it did not begin."""
        if self.money is not None:
            self.money.settle(spent_micro_usd)


@dataclass(slots=True, kw_only=True)
class Admissions:
    """Admits calls."""

    limiter: Limiter
    purses: Purses

    async def ask(self, hold: Hold, verdict: call.Perform, asked: Asked, *, is_undo: bool) -> Admitted | None:
        """An answer once there is one; None where the call is not to be made any more.

        Raises:
            errors.KeelstepError: not now; ask again.
        """
        found = await self.limiter.enter(asked)
        if isinstance(found, Unwanted):
            return None
        if isinstance(found, Shut):
            return Admitted(
                denied=call.Deny(reason="BreakerOpen", message=found.message, policy=verdict.policy)
            )
        try:
            # what undoes is metered, and outside of every budget
            estimate = 0 if is_undo else verdict.estimate_micro_usd
            money = await self.purses.reserve(hold.tenant, estimate)
        except BaseException:
            found.leave()
            raise
        if money is None:
            found.leave()
            message = f"what {hold.tenant} may spend today does not cover this call"
            return Admitted(
                denied=call.Deny(reason="TenantBudgetExceeded", message=message, policy=verdict.policy)
            )
        return Admitted(turn=found, money=money)


def deadline(state: State, verdict: call.Perform, now: int) -> int:
    """Until when a call waits for its turn: as long as it may take itself, within the run's time. Boot-time nanoseconds."""
    most = retry.budget_seconds(verdict.spec) * clock.SECOND
    left = clock.parse(state.started.deadline) - now if state.started is not None else 0
    return clock.boot() + max(0, min(most, left))
