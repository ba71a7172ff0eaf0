"""Where do the circuit breakers stand? Of every contract that has one, for all gateways together.

What a closed breaker costs is a look into memory; only failures, and the first success after them, are written.
"""

from dataclasses import dataclass

import structlog

from keelstep.domain import circuit
from keelstep.domain.circuit import Circuit
from keelstep.domain.outcome import Judged
from keelstep.kinds.contract import ToolContractSpec
from keelstep.log import subjects
from keelstep.log.limits import Board

log = structlog.get_logger(__name__)


@dataclass(slots=True, kw_only=True)
class Breakers:
    """The breakers of all contracts."""

    board: Board

    @property
    def opened(self) -> int:
        """Breakers that are not shut."""
        return sum(not circuit.is_shut(each) for each in self.board.every(Circuit).values())

    def is_shut(self, tenant: str, tool: str, spec: ToolContractSpec) -> bool:
        """May the tool be called as if there were none?"""
        if spec.breaker is None:
            return True
        return circuit.is_shut(self.board.known(subjects.breaker(tenant, tool), Circuit).record)

    def wait_ns(self, tenant: str, tool: str, spec: ToolContractSpec) -> tuple[int, str]:
        """How long the tool is left alone, and what its last failure was; 0 where it may be called or tried."""
        assert spec.breaker is not None
        found = self.board.known(subjects.breaker(tenant, tool), Circuit).record
        return circuit.wait_ns(found, spec.breaker, self.board.now()), found.reason

    async def is_tried(self, tenant: str, tool: str, spec: ToolContractSpec) -> bool:
        """Let one call through to try the tool; false where others came first.

        Raises:
            errors.BrokerError: nobody can say.
        """
        terms = spec.breaker
        assert terms is not None

        def decide(found: Circuit, now: int) -> Circuit | None:
            if circuit.is_shut(found) or circuit.wait_ns(found, terms, now):
                return None
            return circuit.tried(found, now)

        return await self.board.change(subjects.breaker(tenant, tool), Circuit, decide) is not None

    async def learn(
        self, tenant: str, tool: str, spec: ToolContractSpec, judged: Judged, *, is_probe: bool
    ) -> None:
        """A call came to this.

        Raises:
            errors.BrokerError: it could not be told.
        """
        terms = spec.breaker
        if terms is None:
            return

        def decide(found: Circuit, now: int) -> Circuit | None:
            after = circuit.ended(found, terms, judged, now, is_probe=is_probe)
            return after if after is not found and after != found else None

        after = await self.board.change(subjects.breaker(tenant, tool), Circuit, decide)
        if after is not None and after.state == "open":
            log.warning(
                "breaker_opened", tool=tool, tenant=tenant, reason=after.reason, failures=after.failures
            )
