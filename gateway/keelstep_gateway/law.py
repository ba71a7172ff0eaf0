"""May anything begin at this moment? What is stopped, which rules hold, and whether this gateway can know.

Its answers go into the decisions of `keelstep.domain.call`; nothing is decided here. Who does not know says so: a
gateway that lost the broker, fell behind the control records, or has a wrong clock begins nothing.
"""

from dataclasses import dataclass

from keelstep import errors
from keelstep.domain import call, policy
from keelstep.domain.state import State
from keelstep.events import clock
from keelstep.log.view import View


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """What the law says of one call at one moment."""

    stop: call.Standing
    platform: policy.Platform | None
    now: int
    """The wall clock, nanoseconds since 1970."""
    at: int
    """The same moment, boot-time nanoseconds: what follows may be long after it, where the process stood still."""


@dataclass(slots=True)
class Law:
    """What is stopped, as this gateway knows it."""

    view: View
    clock_problem: str = ""
    """Why this machine's clock cannot be used; empty where it can."""

    def standing(self, state: State, tool: str = "") -> call.Standing:
        """What stops this run, or this tool, or nothing; or that nobody knows."""
        if self.clock_problem:
            return call.Unknowable(reason="ClockSkew", message=self.clock_problem)
        strategy = state.started.strategy if state.started is not None else ""
        try:
            record = self.view.check(state.tenant, strategy, tool, state.xid)
        except errors.ControlUnavailableError as error:
            return call.Unknowable(reason=error.reason, message=error.message)
        return call.Stop(scope=record.scope, reason=record.reason) if record is not None else None

    def word(self, state: State, tool: str) -> Word:
        """Everything it says of a call of this tool."""
        return Word(
            stop=self.standing(state, tool),
            platform=self.platform(state.tenant),
            now=self.now(),
            at=clock.boot(),
        )

    def platform(self, tenant: str) -> policy.Platform | None:
        """The platform's rules for a tenant, as of the same moment as `standing`."""
        rules = self.view.rules(tenant)
        return policy.load(rules) if rules else None

    async def wait_known(self, within_seconds: float) -> None:
        """Return once it is known what is stopped, or after so long."""
        if self.view.is_current:
            return
        try:
            await self.view.wait_current(max(0.0, within_seconds))
        except errors.ControlUnavailableError:
            return

    def now(self) -> int:
        """The wall clock, nanoseconds since 1970."""
        return clock.now()
