"""How is a strategy checked, kept as a revision, and stopped?"""

import pydantic

from keelstep import errors, kinds, kube
from keelstep.kinds.contract import ToolContract
from keelstep.kinds.strategy import AgentStrategy
from keelstep_operator.context import Context
from keelstep_operator.decide import condition, definition
from keelstep_operator.decide import kill as kills
from keelstep_operator.queue import Key
from keelstep_operator.reconcile import contract as contracts
from keelstep_operator.reconcile import kill, revisions


async def reconcile(ctx: Context, key: Key) -> None:
    """Bring one strategy's status, revision and kill switch to where they should be."""
    found = ctx.cache.get(key)
    if found is None:
        return
    try:
        strategy = ctx.cache.model(AgentStrategy, key.namespace, key.name)
    except pydantic.ValidationError as error:
        await revisions.show_invalid(ctx, AgentStrategy, found, error)
        return
    assert strategy is not None
    switch = strategy.spec.kill_switch
    wish = kills.Wish(
        scope="Strategy",
        namespace=key.namespace,
        name=key.name,
        is_engaged=switch.engaged,
        reason=switch.reason,
    )
    latched = await kill.settle(ctx, key, wish, found)
    accepted = definition.check_strategy(strategy.spec)
    shown: dict[str, object] = {}
    if accepted.status == "True":
        try:
            shown["revision"] = await revisions.keep(ctx, found, strategy.spec)
        except errors.Stalled as error:
            accepted = condition.fails("Accepted", error.reason, error.message)
    findings = [accepted, definition.check_refs(strategy.spec, _contracts(ctx, strategy))]
    if latched is not None:
        shown["killSwitch"] = latched.shown
        findings.append(latched.finding)
    ready = condition.ready(findings)
    await ctx.statuses.write(kinds.AgentStrategy, found, shown, [*findings, ready], contracts.told(ready))
    if latched is not None and latched.gate:
        ctx.queue.wake(Key("ApprovalGate", key.namespace, latched.gate))


def _contracts(ctx: Context, strategy: AgentStrategy) -> dict[str, ToolContract]:
    found: dict[str, ToolContract] = {}
    for grant in strategy.spec.tools:
        contract = ctx.cache.model(ToolContract, strategy.metadata.namespace, grant.contract)
        if contract is not None:
            found[grant.contract] = contract
    return found


KIND = kube.STRATEGIES
