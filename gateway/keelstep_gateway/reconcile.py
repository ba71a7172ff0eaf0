"""Did a call happen whose outcome nobody knows? Asked of the read that its contract names.

    a call ended in doubt          before `unknown` is recorded, by whoever made it
    its owner is gone              before `unknown` is recorded, by whoever settles it
    it is unknown already          before the next call of that contract, or its undoing: `tool.reconciled`

The read is one of the run's own contracts, free, and asked for at most twice: at once, and once an effect can no longer
be on its way. What it says is judged in `domain.reconcile`.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import structlog

from keelstep import errors
from keelstep.domain import reconcile
from keelstep.domain.outcome import Judged
from keelstep.domain.state import State
from keelstep.events import clock
from keelstep.kinds.contract import ToolContractSpec
from keelstep.kinds.failure import Reconcile
from keelstep.log.spine import Proposal
from keelstep_gateway.executions import Executions
from keelstep_gateway.hold import Hold
from keelstep_gateway.law import Law
from keelstep_gateway.records import Scribe
from keelstep_gateway.send import Sender

log = structlog.get_logger(__name__)


@dataclass(slots=True, kw_only=True)
class Reconciler:
    """Finds out."""

    scribe: Scribe
    executions: Executions
    law: Law
    sender: Sender

    async def find_out(
        self, hold: Hold, spec: ToolContractSpec, args: Mapping[str, Any], key: str, *, last_sent: int
    ) -> Judged | None:
        """What came of a call that was sent at that boot time at the latest; None where nobody can tell."""
        rule = spec.failure_policy.reconcile
        if rule is None:
            return None
        settled_at = last_sent + rule.settle_seconds * clock.SECOND
        begun = clock.boot()
        found = await self._once(hold, spec, rule, args, key)
        if begun < settled_at and (found is None or found.output is None):
            await asyncio.sleep(max(0, settled_at - clock.boot()) / clock.SECOND)
            begun = clock.boot()
            found = await self._once(hold, spec, rule, args, key)
        if found is None:
            return None
        return reconcile.judged(found, rule, (clock.boot() - begun) // 1_000_000)

    async def settle_unknown(self, hold: Hold, tool: str) -> bool:
        """Find out about every call of a contract whose outcome is unknown; true where one is known now.

        Raises:
            errors.KeelstepError: the run's revisions or the calls' arguments cannot be read now.
        """
        state = hold.log.state
        spec = (await self.executions.pinned(hold, state)).contracts.get(tool)
        if spec is None or spec.failure_policy.reconcile is None:
            return False
        found = [await self._settle(hold, spec, key) for key in state.unknown.get(tool, ())]
        return any(found)

    async def _settle(self, hold: Hold, spec: ToolContractSpec, key: str) -> bool:
        """Find out about one key."""
        state = hold.log.state
        known = state.keys[key]
        place = next((place for place, each in state.results.items() if each.seq == known.seq), None)
        planned = state.planned_at(place) if place is not None else None
        if place is None or planned is None:
            return False
        args, problem = await self.executions.arguments(hold, planned.args)
        if problem:
            return False
        # its result is stored, so it was sent long enough ago for a first look, if not for a no
        since = clock.boot() - max(0, self.law.now() - hold.log.state.stored_at)
        judged = await self.find_out(hold, spec, args, key, last_sent=since)
        if judged is None:
            return False
        output, shown = await self.executions.keep(hold, spec, judged.output)

        def propose(now: State) -> Proposal | None:
            if now.is_over or now.keys.get(key) != known:
                return None
            return self.scribe.reconciled(now, place, known, judged, output, shown)

        event = await hold.append(propose)
        log.info("call_reconciled", execution=hold.xid, tool=known.tool, status=judged.status)
        return event is not None or hold.log.state.keys.get(key) != known

    async def _once(
        self, hold: Hold, spec: ToolContractSpec, rule: Reconcile, args: Mapping[str, Any], key: str
    ) -> reconcile.Said | None:
        """One read; None where it says nothing."""
        state = hold.log.state
        try:
            reading = (await self.executions.pinned(hold, state)).contracts.get(rule.contract)
            stop = self.law.standing(state, rule.contract)
            if reading is None or stop is not None or state.killed is not None:
                return None
            secrets = await self.sender.secrets(hold.tenant, reading)
            if isinstance(secrets, Judged):
                return None
            wanted = reconcile.arguments(rule, args, key)
            seconds = float(reading.timeout_seconds)
            read = await self.sender.send(hold.tenant, reading, wanted, "", secrets, seconds)
            if read.output is None:
                return None
            evaluator = self.sender.evaluator
            return await evaluator.apart(
                reconcile.read, spec, rule, read.output, args, key, evaluator.evaluate
            )
        except (reconcile.UnclearError, errors.BrokerUnavailableError) as error:
            log.warning("read_unclear", execution=hold.xid, contract=rule.contract, why=str(error))
            return None
