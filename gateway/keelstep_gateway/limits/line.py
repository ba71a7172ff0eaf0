"""Whose call may begin next? One line before each limit: tenants take turns, a tenant's own calls keep their order.

    ticket ──► in line ──► as many at once as the shared record has room for ──► may begin ──► over
                              compare and set: another gateway came first? look again

What is taken is taken for calls that wait here; the more wait, the fewer writes each of them costs. Of several gateways
each serves its own line, and whoever comes first takes: over time each gets its share.
"""

import asyncio
from collections import OrderedDict, deque
from collections.abc import Iterator
from dataclasses import dataclass, field

import structlog

from keelstep import errors
from keelstep.domain import limits
from keelstep.domain.limits import Terms, Usage
from keelstep.events import clock
from keelstep.log.limits import Board

log = structlog.get_logger(__name__)

MOST_AT_ONCE = 256
"""Tickets that one record serves."""
_LOOK_SECONDS = 1.0
"""A line is looked at again after so long, if nothing was heard."""
_AGAIN_SECONDS = 0.5


@dataclass(slots=True, eq=False)
class Ticket:
    """One call that waits."""

    tenant: str
    terms: Terms
    granted: "asyncio.Future[None]"
    """Done once the call may begin; fails where nobody can say."""
    heir_of: str = ""
    """The lost gateway whose place it has."""


@dataclass(slots=True)
class Turns:
    """Tickets, in an order in which every tenant has its turn."""

    _of: OrderedDict[str, deque[Ticket]] = field(default_factory=OrderedDict)

    def put(self, ticket: Ticket) -> None:
        """At the end of its tenant's own; before everybody where it has a place already, for which nobody need wait."""
        mine = self._of.setdefault(ticket.tenant, deque())
        if ticket.heir_of:
            mine.appendleft(ticket)
            self._of.move_to_end(ticket.tenant, last=False)
        else:
            mine.append(ticket)

    def remove(self, ticket: Ticket) -> None:
        """Out of line, if it is there."""
        mine = self._of.get(ticket.tenant)
        if mine is not None and ticket in mine:
            mine.remove(ticket)
            if not mine:
                del self._of[ticket.tenant]

    def pop(self) -> Ticket:
        """The next one; its tenant goes to the end."""
        tenant, mine = next(iter(self._of.items()))
        ticket = mine.popleft()
        if mine:
            self._of.move_to_end(tenant)
        else:
            del self._of[tenant]
        return ticket

    def __iter__(self) -> Iterator[Ticket]:
        """In the order of `pop`."""
        rest = [iter(mine) for mine in self._of.values()]
        while rest:
            found = [(each, next(each, None)) for each in rest]
            yield from (ticket for _, ticket in found if ticket is not None)
            rest = [each for each, ticket in found if ticket is not None]

    def __len__(self) -> int:
        return sum(map(len, self._of.values()))


@dataclass(slots=True, eq=False)
class Line:
    """The line before one limit."""

    board: Board
    subject: str
    why: str = ""
    """What those in line wait for, or did last: rate, concurrency or pause."""
    _turns: Turns = field(default_factory=Turns)
    _held: int = 0
    """Calls in flight that count, of this gateway."""
    _terms: Terms = field(default_factory=Terms)
    """The last with a concurrency."""
    _pump: "asyncio.Task[None] | None" = None

    @property
    def waiting(self) -> int:
        """Calls in line."""
        return len(self._turns)

    def is_open(self, terms: Terms) -> bool:
        """May a call begin without standing in line? Where there is no limit, and the tool did not ask to be left alone."""
        if not terms.is_none or self._turns:
            return False
        return self.board.known(self.subject, Usage).record.paused_until <= self.board.now()

    def enter(self, tenant: str, terms: Terms, heir_of: str = "") -> Ticket:
        """Stand in line; `leave` in any case, then or later."""
        ticket = Ticket(tenant, terms, asyncio.get_running_loop().create_future(), heir_of)
        self._turns.put(ticket)
        self._look()
        return ticket

    def leave(self, ticket: Ticket) -> None:
        """The call is over, or does not want to begin any more."""
        if not ticket.granted.done():
            self._turns.remove(ticket)
            ticket.granted.cancel()
        elif not ticket.granted.cancelled() and ticket.granted.exception() is None:
            self._held -= ticket.terms.concurrency is not None
        self._look()

    def close(self, error: Exception) -> None:
        """Nobody in line may begin any more."""
        while self._turns:
            ticket = self._turns.pop()
            if not ticket.granted.done():
                ticket.granted.set_exception(error)

    def _look(self) -> None:
        if self._pump is None or self._pump.done():  # its callback may come later
            self._pump = asyncio.create_task(self._serve())
            self._pump.add_done_callback(self._ended)
        self.board.wake(self.subject)

    def _ended(self, pump: "asyncio.Task[None]") -> None:
        if self._pump is pump:
            self._pump = None
        if not pump.cancelled() and (fault := pump.exception()) is not None:
            log.error("line_failed", subject=self.subject, kind=type(fault).__name__)
            self.close(errors.Waiting("Fault", "the gateway met a fault of its own", _AGAIN_SECONDS))

    async def _serve(self) -> None:
        """Until nobody waits and all that is in flight is over, and said to be."""
        while True:
            try:
                wait = await self._once()
            except errors.BrokerError as error:
                log.warning("limit_unknown", subject=self.subject, why=error.message)
                self.close(error)
                wait = _AGAIN_SECONDS
            if wait is None:
                return
            if wait:
                await self.board.wait(self.subject, wait)

    async def _once(self) -> float | None:
        """Let begin who may; how many seconds until it is worth another look, None where nothing is left to do."""
        board, now = self.board, self.board.now()
        entry = board.known(self.subject, Usage) if board.is_known else await board.read(self.subject, Usage)
        terms, wanted, heir_of = self._next()
        taken = limits.take(
            entry.record, terms, board.owner, held=self._held, wanted=wanted, now=now, heir_of=heir_of
        )
        if taken.count:
            if terms.is_none or await board.swap(self.subject, taken.usage, entry.position):
                self._grant(taken.count)
            return 0
        if limits.is_due(entry.record, board.owner, self._held, now):
            await board.swap(self.subject, taken.usage, entry.position)
            return 0
        self.why = taken.why or self.why
        if wanted:
            return min(_LOOK_SECONDS, taken.wait_ns / clock.SECOND) if taken.wait_ns else _LOOK_SECONDS
        return _LOOK_SECONDS if self._held else None

    def _next(self) -> tuple[Terms, int, str]:
        """What the contract of the next one says, how many wait in a row of which the same is said, and whose heir it is."""
        count, terms = 0, self._terms
        for ticket in self._turns:
            if ticket.heir_of and not count:
                return ticket.terms, 1, ticket.heir_of
            if count and (ticket.terms != terms or ticket.heir_of or count == MOST_AT_ONCE):
                break
            count, terms = count + 1, ticket.terms
        return terms, count, ""

    def _grant(self, count: int) -> None:
        """Let the next so many begin; who left meanwhile has left what was taken for them unused."""
        while count and self._turns:
            ticket = self._turns.pop()
            count -= 1
            if ticket.terms.concurrency is not None:
                self._held += 1
                self._terms = ticket.terms
            ticket.granted.set_result(None)
