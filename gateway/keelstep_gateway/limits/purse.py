"""May a tenant spend this much today? Slices of the day's budget, taken for all gateways to see and spent here.

    reserve ──► enough in the purse? ─ no ─► take a slice, by compare and set ─ none left ─► refused
       │ before the claim is stored, so that no prefix of the logs holds more than was taken
    settle ──► what the call did not cost goes back into the purse, after its result is stored

A purse that nobody used for a while, and that of a gateway which ends, is given back; that of one which died is spent. A
call that cost more than was set aside leaves a debt, which the next slice pays, or the day when the purse is given back.
"""

import asyncio
from dataclasses import dataclass, field

import structlog

from keelstep import errors
from keelstep.domain import daily, money
from keelstep.domain.daily import Day
from keelstep.events import clock
from keelstep.log import subjects
from keelstep.log.limits import Board
from keelstep.log.view import View
from keelstep_gateway.metrics import Metrics

log = structlog.get_logger(__name__)

IDLE_SECONDS = 5.0
"""So long without a call, and a purse is given back: others may need it."""


@dataclass(slots=True)
class _Purse:
    """What this gateway may still spend of one tenant's day."""

    micro_usd: int = 0
    used_at: int = 0
    """Boot-time nanoseconds."""
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


@dataclass(slots=True)
class Reserved:
    """Money set aside for one call; `settle` it once its end is stored."""

    purse: _Purse | None
    """None where the tenant may spend what it likes."""
    micro_usd: int

    def settle(self, spent_micro_usd: int) -> None:
        """It cost this, 0 where it was not made; what it cost beyond the estimate is missing from the purse."""
        if self.purse is not None:
            self.purse.micro_usd += self.micro_usd - spent_micro_usd
            self.purse = None


@dataclass(slots=True, kw_only=True)
class Purses:
    """The purses of this gateway, by tenant and day."""

    board: Board
    view: View
    metrics: Metrics
    _of: dict[tuple[str, str], _Purse] = field(default_factory=dict)

    async def reserve(self, tenant: str, micro_usd: int) -> Reserved | None:
        """Set this much aside; None where the tenant's day does not cover it.

        Raises:
            errors.BrokerError: nobody can say.
        """
        said = self.view.budget(tenant)
        if not said or not micro_usd:
            return Reserved(None, micro_usd)
        cap, day = money.micro_usd(said), daily.name(self.board.now())
        purse = self._of.setdefault((tenant, day), _Purse())
        async with purse.lock:
            purse.used_at = clock.boot()
            missing = micro_usd - purse.micro_usd
            if missing > 0:
                taken = await self._take(tenant, day, cap, missing)
                if not taken:
                    return None
                purse.micro_usd += taken
            purse.micro_usd -= micro_usd
        return Reserved(purse, micro_usd)

    async def run(self) -> None:
        """Give back what lies idle, and show what is taken; returns only when cancelled."""
        while True:
            await asyncio.sleep(IDLE_SECONDS)
            await self.give_back(IDLE_SECONDS)
            self.metrics.days(self._shares())

    async def give_back(self, idle_seconds: float = 0) -> None:
        """Give back what is left in every purse that was not used for so long; what calls cost beyond it is taken then."""
        for (tenant, day), purse in list(self._of.items()):
            async with purse.lock:
                if clock.boot() - purse.used_at < idle_seconds * clock.SECOND or not purse.micro_usd:
                    continue
                left, purse.micro_usd = purse.micro_usd, 0
                try:
                    await self._put(tenant, day, left)
                except errors.BrokerError as error:
                    # nobody knows whether it was given back, so it is not spent either; a debt is told again
                    purse.micro_usd += min(0, left)
                    log.warning("purse_not_given_back", tenant=tenant, micro_usd=left, why=error.message)
        today = daily.name(self.board.now())
        for key in [key for key, purse in self._of.items() if key[1] < today and not purse.micro_usd]:
            del self._of[key]

    def _shares(self) -> dict[str, float]:
        """By tenant, what all gateways have taken of today's budget, as a share of it."""
        found, today = {}, daily.name(self.board.now())
        for subject, record in self.board.every(Day).items():
            _, _, tenant, day = subject.split(".")
            said = self.view.budget(tenant)
            if said and day == today:
                cap = money.micro_usd(said)
                found[tenant] = record.taken_micro_usd / cap if cap else 1.0
        return found

    async def _take(self, tenant: str, day: str, cap: int, missing: int) -> int:
        taken = 0

        def decide(found: Day, now: int) -> Day | None:
            nonlocal taken
            taken = daily.slice_micro_usd(found, cap, missing)
            return daily.taken(found, taken) if taken else None

        return taken if await self.board.change(subjects.money(tenant, day), Day, decide) is not None else 0

    async def _put(self, tenant: str, day: str, micro_usd: int) -> None:
        await self.board.change(
            subjects.money(tenant, day), Day, lambda found, _: daily.taken(found, -micro_usd)
        )
