"""How is a contract checked, kept as a revision, and stopped? And how does it show whether its tool works?"""

import pydantic

from keelstep import errors, kinds, kube
from keelstep.domain.circuit import Circuit
from keelstep.events import clock
from keelstep.kinds.contract import ToolContract, ToolContractSpec
from keelstep.log import subjects
from keelstep_operator.context import Context
from keelstep_operator.decide import condition, conformance, definition, health
from keelstep_operator.decide import kill as kills
from keelstep_operator.decide.condition import Finding
from keelstep_operator.queue import Key
from keelstep_operator.reconcile import drift, kill, revisions
from keelstep_operator.status import Told


async def reconcile(ctx: Context, key: Key) -> None:
    """Bring one contract's status, revision and kill switch to where they should be."""
    found = ctx.cache.get(key)
    if found is None:
        return
    try:
        contract = ctx.cache.model(ToolContract, key.namespace, key.name)
    except pydantic.ValidationError as error:
        await revisions.show_invalid(ctx, ToolContract, found, error)
        return
    assert contract is not None
    switch = contract.spec.kill_switch
    wish = kills.Wish(
        scope="Tool",
        namespace=key.namespace,
        name=key.name,
        is_engaged=switch.engaged,
        reason=switch.reason,
    )
    latched = await kill.settle(ctx, key, wish, found)
    findings = [definition.check_contract(contract.spec)]
    shown: dict[str, object] = {}
    if findings[0].status == "True":
        try:
            shown["revision"] = await revisions.keep(ctx, found, contract.spec)
            stated = conformance.read(contract.metadata.annotations, str(shown["revision"]))
            shown["conformance"] = stated.wire() if stated is not None else None
        except errors.Stalled as error:
            findings = [condition.fails("Accepted", error.reason, error.message)]
    if latched is not None:
        shown["killSwitch"] = latched.shown
        findings.append(latched.finding)
    ready = condition.ready(findings)
    health = await _health(ctx, key, contract.spec)
    drifted = drift.findings(ctx, key.namespace, contract.spec)
    seen = [*findings, ready, *health, *drifted]
    await ctx.statuses.write(kinds.ToolContract, found, shown, seen, told(ready))
    for each in drifted:
        await drift.tell(ctx, found, each)
    for each in health:
        await _tell_health(ctx, found, each)
    if latched is not None and latched.gate:
        ctx.queue.wake(Key("ApprovalGate", key.namespace, latched.gate))


async def _health(ctx: Context, key: Key, spec: ToolContractSpec) -> list[Finding]:
    """Where its breaker stands, if it has one."""
    if spec.breaker is None:
        return []
    entry = await ctx.board.read(subjects.breaker(key.namespace, key.name), Circuit)
    return [health.check(entry.record)]


async def _tell_health(ctx: Context, found: kube.Object, now: Finding) -> None:
    """An Event where it is another than it was; of a breaker that never opened none."""
    conditions = (found.get("status") or {}).get("conditions") or []
    before = next((each for each in conditions if each["type"] == health.TYPE), None)
    if (before["reason"] if before is not None else "BreakerClosed") == now.reason:
        return
    await ctx.recorder.tell(
        found,
        kind="Normal" if now.status == "True" else "Warning",
        reason=now.reason,
        note=now.message or "it works again",
        action="Break",
        once=f"{now.reason}\x1f{ctx.now() // clock.SECOND}",
    )


def told(ready: condition.Finding) -> Told:
    """The Event that goes with a summary."""
    is_bad = ready.status == "False"
    return Told(kind="Warning" if is_bad else "Normal", reason=ready.reason, note=ready.message)


KIND = kube.CONTRACTS
