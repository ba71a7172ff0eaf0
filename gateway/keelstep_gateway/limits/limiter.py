"""What stands between a call that may be made and its first byte? Its contract's limits, and a tool that is left alone.

    breaker open? ──► told at once; what a person has approved, and what undoes, waits instead
       │ no
       ▼
    the namespace's line ──► the tool's line ──► breaker half-open? one of the few that try it ──► sent
                                                                                                    │
    its places are given back, the breaker is told, a tool that wants fewer calls (429) is left alone by all ◄──┘

Before a claim where nothing is claimed yet, so that who waits can be cancelled, and holds up nobody who takes calls over.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

import structlog

from keelstep import errors
from keelstep.domain import limits, retry
from keelstep.domain.limits import Usage
from keelstep.domain.outcome import Judged
from keelstep.domain.reasons import classes
from keelstep.domain.state import State
from keelstep.events import clock
from keelstep.kinds.contract import ToolContractSpec
from keelstep.log import subjects
from keelstep.log.limits import Board
from keelstep_gateway.hold import Hold
from keelstep_gateway.limits.breakers import Breakers
from keelstep_gateway.limits.line import Line, Ticket
from keelstep_gateway.metrics import Metrics

log = structlog.get_logger(__name__)

_LOOK_SECONDS = 0.25
"""So often is asked whether the call is still wanted."""
_TELL_SECONDS = 1.0
_SHORT_NS = 10_000_000
"""A turn that comes sooner was not waited for."""
_WORTH_NS = 50_000_000
"""A pause that is longer by less is not told."""


@dataclass(frozen=True, slots=True)
class Shut:
    """The tool is left alone; the call is not made."""

    message: str


@dataclass(frozen=True, slots=True)
class Unwanted:
    """The call is not to be made any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A call that is about to be sent."""

    hold: Hold
    tool: str
    spec: ToolContractSpec
    boot_deadline: int
    """Boot-time nanoseconds: it waits until then."""
    is_patient: bool = False
    """True where it waits for a tool that is left alone, too."""
    is_begun: bool = False
    """True where it is claimed: then it is finished even by a gateway that is going down."""
    heir_of: str = ""
    """The lost gateway from which it is taken over: what that had in flight still counts, and this call is one of it."""
    is_wanted: Callable[[State], bool] = lambda _: True
    """Is it still to be made, as the log is now?"""


@dataclass(slots=True, eq=False)
class Pass:
    """A call that may be sent once; `end` it in any case."""

    limiter: "Limiter"
    asked: Asked
    waited_ms: int = 0
    waited_for: str = ""
    """rate, concurrency, pause or breaker; empty where it did not wait."""
    is_probe: bool = False
    _tickets: list[tuple[Line, Ticket]] = field(default_factory=list)

    def leave(self) -> None:
        """Nothing is in flight any more."""
        while self._tickets:
            line, ticket = self._tickets.pop()
            line.leave(ticket)

    async def end(self, judged: Judged | None) -> None:
        """The call is over, and came to this; None where it was not sent."""
        self.leave()
        if judged is not None:
            await self.limiter.learn(self, judged)


class _Late(Exception):
    """It has waited as long as it may."""


class _Gone(Exception):
    """Nobody wants it any more."""


@dataclass(slots=True, kw_only=True)
class Limiter:
    """Keeps calls to their limits."""

    board: Board
    breakers: Breakers
    metrics: Metrics
    _lines: dict[str, Line] = field(default_factory=dict)
    _is_closed: bool = False
    _telling: set["asyncio.Task[None]"] = field(default_factory=set)

    @property
    def waiting(self) -> int:
        """Calls that wait for their turn."""
        return sum(line.waiting for line in self._lines.values())

    async def enter(self, asked: Asked) -> Pass | Shut | Unwanted:
        """A pass for one attempt, once it may be sent.

        Raises:
            errors.Waiting: not in its time (`LimitReached`); ask again.
            errors.BrokerError: nobody can say what the limits are used for.
        """
        found = Pass(self, asked)
        if self._is_free(asked):
            return found
        begun = clock.boot()
        try:
            shut = await self._stand(found)
        except _Late:
            found.leave()
            why = found.waited_for or "breaker"
            self.metrics.waited(asked.tool, why, begun)
            message = f"{asked.tool} has waited for its turn ({why}) as long as it may"
            raise errors.Waiting("LimitReached", message, 1.0) from None
        except _Gone:
            found.leave()
            return Unwanted()
        except BaseException:
            found.leave()
            raise
        if shut is not None:
            found.leave()
            return shut
        if found.waited_for:
            found.waited_ms = (clock.boot() - begun) // 1_000_000
            self.metrics.waited(asked.tool, found.waited_for, begun)
        return found

    def _is_free(self, asked: Asked) -> bool:
        """Does neither its contract nor its tool say anything of when it may begin?"""
        if asked.spec.breaker is not None or not limits.are_none(asked.spec):
            return False
        subject = subjects.paced(asked.hold.tenant, asked.tool)
        return subject not in self._lines and not self.board.has(subject)

    async def learn(self, done: Pass, judged: Judged) -> None:
        """What a call came to, for those after it; its own result does not wait long for that."""
        if done.asked.spec.breaker is None and not _wants_fewer(judged):
            return
        telling = asyncio.create_task(self._tell(done, judged))
        self._telling.add(telling)
        telling.add_done_callback(self._telling.discard)
        await asyncio.wait({telling}, timeout=_TELL_SECONDS)

    async def _tell(self, done: Pass, judged: Judged) -> None:
        """What cannot be told now is forgotten: the next call may tell it."""
        asked = done.asked
        try:
            if _wants_fewer(judged):
                await self._pause(asked, judged)
            await self.breakers.learn(
                asked.hold.tenant, asked.tool, asked.spec, judged, is_probe=done.is_probe
            )
        except errors.BrokerError as failure:
            log.warning("limit_not_told", tool=asked.tool, why=failure.message)

    def close(self) -> None:
        """Nothing that has not begun waits any more: this gateway is going down, another one is asked."""
        self._is_closed = True

    async def _stand(self, found: Pass) -> Shut | None:
        asked = found.asked
        tenant, spec = asked.hold.tenant, asked.spec
        while True:
            is_shut = self.breakers.is_shut(tenant, asked.tool, spec)
            if not is_shut and (left_alone := await self._leave_alone(found)) is not None:
                return left_alone
            await self._in_line(found, subjects.paced(tenant, asked.tool), limits.of_tenant(spec))
            shared = limits.of_tool(spec)
            if not shared.is_none:
                key = limits.tool_key(asked.tool, spec)
                await self._in_line(found, subjects.paced_tool(key), shared)
            if self.breakers.is_shut(tenant, asked.tool, spec):
                return None
            if await self.breakers.is_tried(tenant, asked.tool, spec):
                found.is_probe = True
                return None
            found.leave()  # while it waited, the breaker opened, or others came first

    async def _leave_alone(self, found: Pass) -> Shut | None:
        """None once the tool may be tried."""
        asked = found.asked
        wait, reason = self.breakers.wait_ns(asked.hold.tenant, asked.tool, asked.spec)
        if wait and not asked.is_patient:
            self.metrics.left_alone(asked.tool)
            seconds = max(1, round(wait / clock.SECOND))
            return Shut(f"{asked.tool} keeps failing ({reason}) and is left alone for {seconds} s more")
        while wait:
            pause = asyncio.ensure_future(asyncio.sleep(min(wait / clock.SECOND, _LOOK_SECONDS)))
            await self._wait(found, pause, lambda: "breaker")
            wait, _ = self.breakers.wait_ns(asked.hold.tenant, asked.tool, asked.spec)
        return None

    async def _in_line(self, found: Pass, subject: str, terms: limits.Terms) -> None:
        line = self._lines.get(subject)
        if line is None:
            line = Line(self.board, subject)
            if line.is_open(terms):
                return
            self._lines[subject] = line
        elif line.is_open(terms):
            return
        ticket = line.enter(found.asked.hold.tenant, terms, found.asked.heir_of)
        found._tickets.append((line, ticket))
        await self._wait(found, ticket.granted, lambda: line.why)

    async def _wait(self, found: Pass, waited: "asyncio.Future[None]", why: Callable[[], str]) -> None:
        """Until this is done, letting others fly meanwhile."""
        asked, begun = found.asked, clock.boot()
        hold, seen = asked.hold, asked.hold.heard
        async with hold.aside(why):
            while not waited.done():
                if self._is_closed and not asked.is_begun:
                    raise errors.Waiting("Busy", "this gateway is going down", 0.1)
                left = (asked.boot_deadline - clock.boot()) / clock.SECOND
                if left <= 0:
                    raise _Late
                await asyncio.wait({waited}, timeout=min(left, _LOOK_SECONDS))
                if clock.boot() - begun > _SHORT_NS:
                    found.waited_for = why() or found.waited_for
                if hold.heard != seen:
                    seen = hold.heard
                    if not asked.is_wanted(await hold.read_up_to()):
                        raise _Gone
            waited.result()

    async def _pause(self, asked: Asked, judged: Judged) -> None:
        """The tool wants fewer calls: all gateways leave it alone for as long as it says, or as the contract would wait."""
        said = retry.after_ms(judged.retry_after, clock.now())
        wait_ms = said or asked.spec.failure_policy.backoff_seconds * 1000
        if not wait_ms:
            return

        def decide(usage: Usage, now: int) -> Usage | None:
            wanted = limits.paused(usage, now, wait_ms)
            return wanted if wanted.paused_until - usage.paused_until > _WORTH_NS else None

        if await self.board.change(subjects.paced(asked.hold.tenant, asked.tool), Usage, decide) is not None:
            self.metrics.paused(asked.tool)
            log.info("tool_paused", tool=asked.tool, tenant=asked.hold.tenant, wait_ms=wait_ms)


def _wants_fewer(judged: Judged) -> bool:
    """Does the tool ask for fewer calls?"""
    return judged.error is not None and judged.error.error_class == classes.RATE_LIMITED
