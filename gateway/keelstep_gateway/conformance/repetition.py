"""What if a call is made again? Effects are counted by a read, before and after, and must be one.

    Repeated      same key twice, one after the other
    AtOnce        same key several times at the same moment
    AfterCut      same key again after the connection was cut behind the tool's back
    Retryable/…   each class of failure and status the contract calls retryable: it is recognised, and sending again helps

Nothing passes that was not counted: without a count an answer proves nothing about what happened.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from keelstep.domain import contract as terms
from keelstep.kinds.failure import ErrorClass
from keelstep_gateway.conformance import behaviour, caller
from keelstep_gateway.conformance.caller import Caller, Observed
from keelstep_gateway.conformance.cases import Case, CaseError, Contract, Related
from keelstep_gateway.conformance.proxy import Fault, Proxy
from keelstep_gateway.conformance.report import Checks

AT_ONCE = 5
SETTLE_SECONDS = 5.0
"""How long an effect may take to show."""
_PAUSE_SECONDS = 0.05
_FAULTS: Mapping[ErrorClass, Fault | int] = {
    ErrorClass.TIMEOUT: Fault.HANG_AFTER,
    ErrorClass.RATE_LIMITED: 429,
    ErrorClass.UNAVAILABLE: 503,
    ErrorClass.CONNECTION_FAILED: Fault.CUT_AFTER,
}

Failure = ErrorClass | int
"""A class of failure, or a status."""
Attempt = Callable[[str], Awaitable[str]]
"""Makes calls under one key; says why they came to nothing, or nothing where one succeeded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Counter:
    """Counts the effects of one contract by a read of another."""

    caller: Caller
    reader: Contract
    related: Related
    args: Mapping[str, Any]

    async def count(self, key: str) -> int:
        """How many there are.

        Raises:
            CaseError: they cannot be counted.
        """
        values = {"args": dict(self.args), "key": key}
        found = await self.caller.call(self.reader, self.related.made(values))
        if not found.is_ok:
            raise CaseError(f"{self.reader.name} does not answer: {found.told}")
        return self.related.counted({**values, "output": found.output})

    async def until(self, key: str, least: int) -> int:
        """How many there are once there are so many, or after a while."""
        return await self._settled(key, lambda found: found >= least)

    async def until_at_most(self, key: str, most: int) -> int:
        """How many there are once there are no more than so many, or after a while."""
        return await self._settled(key, lambda found: found <= most)

    async def _settled(self, key: str, is_enough: Callable[[int], bool]) -> int:
        clock = asyncio.get_running_loop()
        deadline = clock.time() + SETTLE_SECONDS
        while True:
            found = await self.count(key)
            if is_enough(found) or clock.time() >= deadline:
                return found
            await asyncio.sleep(_PAUSE_SECONDS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Repetition:
    """The questions about one contract."""

    contract: Contract
    case: Case
    caller: Caller
    proxy: Proxy | None
    counter: Counter | None
    checks: Checks

    async def idempotency(self, may_act: bool) -> None:
        """Is a repeated call one effect?"""
        spec = self.contract.spec
        if terms.is_free_read(spec) or spec.side_effect == "ReadOnly":
            self.checks.skipped("Idempotency", "it only reads")
            return
        if spec.idempotency.mode == "None":
            self.checks.skipped("Idempotency", "the contract promises none: a call is sent at most once")
            return
        why = self._why_not(may_act)
        for name, attempt in (
            ("Repeated", self._twice),
            ("AtOnce", self._at_once),
            ("AfterCut", self._after_cut),
        ):
            if name == "AfterCut" and self.proxy is None:
                why = why or "the tool is not reached by HTTP, so nothing can be cut in between"
            if why:
                self.checks.not_proven(f"Idempotency/{name}", why)
            else:
                await self._proven(f"Idempotency/{name}", attempt)

    async def retryable(self, may_act: bool, args: Mapping[str, Any] | None) -> None:
        """Is each class and status that is called retryable one where sending again helps?"""
        spec = self.contract.spec
        policy = spec.failure_policy
        declared: list[Failure] = [*(policy.retryable or ()), *(policy.retryable_statuses or ())]
        if not declared:
            self.checks.skipped("Retryable", "the contract names no class or status of its own")
            return
        reads_only = spec.side_effect == "ReadOnly"
        if not terms.is_repeatable(spec):
            self.checks.skipped(
                "Retryable", "no call is sent again, for the contract promises no idempotency"
            )
            return
        if policy.max_attempts == 1:
            self.checks.skipped("Retryable", "no call is sent again: failurePolicy.maxAttempts is 1")
            return
        why = "" if reads_only else self._why_not(may_act)
        if not why and self.proxy is None:
            why = "the tool is not reached by HTTP, so nothing can go wrong in between"
        if not why and args is None:
            why = "no arguments are known that succeed"
        for failure in declared:
            name = f"Retryable/{failure}"
            if why:
                self.checks.not_proven(name, why)
            elif reads_only:
                assert args is not None
                problem = await self._again(failure, args, caller.fresh_key())
                if problem:
                    self.checks.failed(name, problem)
                else:
                    self.checks.passed(name, "recognised, and sending again helped")
            else:
                await self._proven(name, self._failing(failure))

    def _why_not(self, may_act: bool) -> str:
        """Why effects cannot be counted."""
        if not may_act:
            return "it acts, and --allow-effects was not given"
        if self.case.arguments is None:
            return "no arguments to act with: give examples in schema.input, or a case"
        if self.counter is None:
            return "nothing counts effects: give a case with effects"
        if not self.counter.related.count:
            return "failurePolicy.reconcile says whether, not how often: give a case with effects.count"
        return ""

    async def _proven(self, name: str, attempt: Attempt) -> None:
        """One effect, counted."""
        assert self.counter is not None
        key = caller.fresh_key()
        try:
            before = await self.counter.count(key)
            problem = await attempt(key)
            effects = await self.counter.until(key, before + 1) - before
        except CaseError as error:
            self.checks.not_proven(name, str(error))
            return
        if effects > 1:
            self.checks.failed(name, f"{effects} effects under one key")
        elif effects < 1:
            self.checks.not_proven(name, f"no effect was seen{f': {problem}' if problem else ''}")
        elif problem:
            self.checks.failed(name, f"one effect, but {problem}")
        else:
            self.checks.passed(name, "one effect, counted")

    async def _twice(self, key: str) -> str:
        first = await self._call(key)
        if not first.is_ok:
            return f"the first call did not succeed: {first.told}"
        again = await self._call(key)
        return "" if again.is_ok else f"the repeated call has no result: {again.told}"

    async def _at_once(self, key: str) -> str:
        found = await asyncio.gather(*(self._call(key) for _ in range(AT_ONCE)))
        return (
            "" if any(each.is_ok for each in found) else f"none of {AT_ONCE} calls succeeded: {found[0].told}"
        )

    async def _after_cut(self, key: str) -> str:
        assert self.case.arguments is not None
        return await self._again(ErrorClass.CONNECTION_FAILED, self.case.arguments, key)

    def _failing(self, failure: Failure) -> Attempt:
        async def attempt(key: str) -> str:
            assert self.case.arguments is not None
            return await self._again(failure, self.case.arguments, key)

        return attempt

    async def _again(self, failure: Failure, args: Mapping[str, Any], key: str) -> str:
        """Let a call fail so, and make it again with the same key; what is wrong with the two."""
        assert self.proxy is not None
        # the library sends a read once more by itself where a kept connection breaks
        self.proxy.faults.extend([_FAULTS[failure] if isinstance(failure, ErrorClass) else failure] * 2)
        waited = min(float(self.contract.spec.timeout_seconds), behaviour.HANG_SECONDS)
        through = self.proxy.before(self.contract.spec)
        found = await self.caller.call(
            self.contract,
            args,
            key=key,
            spec=through,
            timeout_seconds=waited if failure == ErrorClass.TIMEOUT else 0.0,
        )
        self.caller.observed.remove(found)
        self.proxy.faults.clear()
        if failure not in behaviour.refusals(found):
            return f"a call that ended in {failure} was taken for {found.told}"
        again = await self.caller.call(self.contract, args, key=key)
        return "" if again.is_ok else f"sending it again did not help: {again.told}"

    async def _call(self, key: str) -> Observed:
        assert self.case.arguments is not None
        return await self.caller.call(self.contract, self.case.arguments, key=key)
