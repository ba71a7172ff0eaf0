"""Does the compensation restore the state? One effect is made, counted, undone, and must be gone."""

from keelstep_gateway.conformance import caller
from keelstep_gateway.conformance.caller import Caller
from keelstep_gateway.conformance.cases import Case, CaseError, Contract
from keelstep_gateway.conformance.repetition import Counter
from keelstep_gateway.conformance.report import Checks

NAME = "Compensation"


async def check(
    contract: Contract,
    case: Case,
    undo: Contract | None,
    counter: Counter | None,
    calls: Caller,
    checks: Checks,
    *,
    may_act: bool,
) -> None:
    """Ask it."""
    if case.compensation is None:
        checks.skipped(NAME, "the contract names none")
        return
    if not may_act:
        checks.not_proven(NAME, "it acts, and --allow-effects was not given")
    elif undo is None:
        checks.not_proven(NAME, f"the file holds no contract {case.compensation.contract}")
    elif case.arguments is None:
        checks.not_proven(NAME, "no arguments to act with: give examples in schema.input, or a case")
    elif counter is None or not counter.related.count:
        checks.not_proven(NAME, "nothing counts effects: give a case with effects")
    else:
        try:
            await _undone(contract, case, undo, counter, calls, checks)
        except CaseError as error:
            checks.not_proven(NAME, str(error))


async def _undone(
    contract: Contract, case: Case, undo: Contract, counter: Counter, calls: Caller, checks: Checks
) -> None:
    assert case.arguments is not None
    assert case.compensation is not None
    key = caller.fresh_key()
    before = await counter.count(key)
    done = await calls.call(contract, case.arguments, key=key)
    if not done.is_ok:
        checks.not_proven(NAME, f"there is nothing to undo: the call did not succeed: {done.told}")
        return
    if await counter.until(key, before + 1) != before + 1:
        checks.not_proven(NAME, "the count does not show the effect that is to be undone")
        return
    args = case.compensation.made({"args": case.arguments, "output": done.output})
    undone = await calls.call(undo, args, key=caller.fresh_key())
    if not undone.is_ok:
        checks.failed(NAME, f"{undo.name} did not succeed: {undone.told}")
        return
    left = await counter.until_at_most(key, before) - before
    if left:
        checks.failed(NAME, f"{undo.name} succeeded, and {left} effects are left")
    else:
        checks.passed(NAME, f"{undo.name} undid the effect, counted")
