"""How is a contract checked, kept as a revision, and stopped?"""

import pydantic

from keelstep import errors, kinds, kube
from keelstep.kinds.contract import ToolContract
from keelstep_operator.context import Context
from keelstep_operator.decide import condition, definition
from keelstep_operator.decide import kill as kills
from keelstep_operator.queue import Key
from keelstep_operator.reconcile import kill, revisions
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
            shown["revision"] = await revisions.keep(ctx, found, contract.spec.wire())
        except errors.Stalled as error:
            findings = [condition.fails("Accepted", error.reason, error.message)]
    if latched is not None:
        shown["killSwitch"] = latched.shown
        findings.append(latched.finding)
    ready = condition.ready(findings)
    await ctx.statuses.write(kinds.ToolContract, found, shown, [*findings, ready], told(ready))
    if latched is not None and latched.gate:
        ctx.queue.wake(Key("ApprovalGate", key.namespace, latched.gate))


def told(ready: condition.Finding) -> Told:
    """The Event that goes with a summary."""
    is_bad = ready.status == "False"
    return Told(kind="Warning" if is_bad else "Normal", reason=ready.reason, note=ready.message)


KIND = kube.CONTRACTS
