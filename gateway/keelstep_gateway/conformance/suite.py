"""Which questions is a contract asked, and in which order?

    static      Definition · Examples
    live        EdgeArguments · Answers · Timeout · Retryable/… · Idempotency/… · Compensation, and how long answers took
    recorded    Recorded · EdgeArguments · Answers · Timeout; nothing of effects

A call that acts is made only where a person allowed it; what was not asked is not proven.
"""

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from keelstep.domain import egress
from keelstep_gateway.conformance import behaviour, caller, edges, proxy, recorded, statics, undoing
from keelstep_gateway.conformance.caller import Caller, Observed
from keelstep_gateway.conformance.cases import Case, CaseError, Contract
from keelstep_gateway.conformance.proxy import Proxy
from keelstep_gateway.conformance.recorded import Line
from keelstep_gateway.conformance.repetition import Counter, Repetition
from keelstep_gateway.conformance.report import Checks, Report
from keelstep_gateway.transports import tls
from keelstep_gateway.transports.egress import Egress
from keelstep_gateway.transports.transport import CallError

SAMPLES = 20
"""Calls of a read that are timed, besides the edges."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is asked, and what may be done."""

    contracts: Mapping[str, Contract]
    """Every contract of the file: those under test and those that help."""
    cases: Mapping[str, Case]
    may_act: bool = False
    edges: int = 25
    """Arguments to try."""
    rules: egress.Rules = field(default_factory=egress.Rules)
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)


def statically(contract: Contract, case: Case) -> Report:
    """Without asking the tool."""
    checks = Checks()
    statics.check(contract, checks, case.arguments)
    return Report(contract=contract.name, revision=contract.revision, checks=checks.found, kind="static")


def by_recording(contract: Contract, case: Case, lines: Sequence[Line]) -> Report:
    """From recorded answers."""
    checks = Checks()
    observed: list[Observed] = []
    if statics.check(contract, checks, case.arguments):
        observed = recorded.check(contract, lines, checks)
        if contract.spec.idempotency.mode != "None":
            checks.not_proven("Idempotency", "effects cannot be counted in a recording")
    return Report(
        contract=contract.name,
        revision=contract.revision,
        checks=checks.found,
        latency=behaviour.latency(observed),
        kind="recorded",
    )


async def live(contract: Contract, case: Case, plan: Plan) -> tuple[Report, list[Observed]]:
    """On the tool itself; the report, and every call that was made of it."""
    checks = Checks()
    found: list[Observed] = []
    timed: list[Observed] = []
    if statics.check(contract, checks, case.arguments):
        async with contextlib.AsyncExitStack() as stack:
            calls = await stack.enter_async_context(caller.calling(plan.rules, plan.secrets))
            await calls.router.prepare(contract.spec)
            between = await _between(stack, contract, plan)
            timed = await _ask(contract, case, plan, calls, between, checks)
            found = [each for each in calls.observed if each.contract == contract.name]
    report = Report(
        contract=contract.name,
        revision=contract.revision,
        checks=checks.found,
        latency=behaviour.latency(timed),
    )
    return report, found


async def _between(stack: contextlib.AsyncExitStack, contract: Contract, plan: Plan) -> Proxy | None:
    if not proxy.can_stand_between(contract.spec):
        return None
    way_out = Egress(plan.rules)
    stack.push_async_callback(way_out.close)
    try:
        shown = tls.Contexts().of(contract.spec, plan.secrets)
    except CallError as error:
        raise CaseError(f"{contract.name}: {error.message}") from error
    return await stack.enter_async_context(proxy.between(contract.spec, way_out, shown))


async def _ask(
    contract: Contract, case: Case, plan: Plan, calls: Caller, between: Proxy | None, checks: Checks
) -> list[Observed]:
    """Ask every question; the calls that were made one at a time and by no detour, for their times."""
    reads_only = contract.spec.side_effect == "ReadOnly"
    working: Mapping[str, Any] | None = case.arguments
    if reads_only or plan.may_act:
        proposed = edges.arguments(contract.spec.schemas.input, plan.edges) if plan.edges else None
        good = await behaviour.edges(contract, calls, proposed, checks)
        working = working if working is not None else (good[0].args if good else None)
        if working is not None:
            for _ in range(SAMPLES if reads_only else 1):
                await calls.call(contract, working)
        behaviour.answers([each for each in calls.observed if each.contract == contract.name], checks)
        await behaviour.timeout(contract, calls, working, between, checks)
    else:
        for name in ("EdgeArguments", "Answers", "Timeout"):
            checks.not_proven(name, "it acts, and --allow-effects was not given")
    timed = list(calls.observed)
    counter = _counter(case, plan, calls, working)
    repetition = Repetition(
        contract=contract, case=case, caller=calls, proxy=between, counter=counter, checks=checks
    )
    await repetition.retryable(plan.may_act, working)
    await repetition.idempotency(plan.may_act)
    undo = plan.contracts.get(case.compensation.contract) if case.compensation is not None else None
    await undoing.check(contract, case, undo, counter, calls, checks, may_act=plan.may_act)
    return timed


def _counter(case: Case, plan: Plan, calls: Caller, args: Mapping[str, Any] | None) -> Counter | None:
    if case.effects is None or args is None:
        return None
    reader = plan.contracts.get(case.effects.contract)
    if reader is None or reader.spec.side_effect != "ReadOnly":
        return None
    return Counter(caller=calls, reader=reader, related=case.effects, args=args)
