"""How does a contract show that its tool is not the one that was reviewed? As the gateways noted it."""

from keelstep import kube
from keelstep.domain import drift as domain
from keelstep.events import clock
from keelstep.kinds.contract import ToolContract, ToolContractSpec
from keelstep_operator.context import Context
from keelstep_operator.decide import drift
from keelstep_operator.decide.condition import Finding
from keelstep_operator.queue import Key


def findings(ctx: Context, namespace: str, spec: ToolContractSpec) -> list[Finding]:
    """The condition, where a gateway has met its tool otherwise than it was reviewed."""
    mcp = spec.transport.mcp
    if mcp is None or mcp.pinned is None:
        return []
    found = drift.check(ctx.drifts.note(namespace, mcp))
    return [found] if found is not None else []


async def tell(ctx: Context, found: kube.Object, now: Finding) -> None:
    """An Event where that is another than it was."""
    if not drift.is_news(now, (found.get("status") or {}).get("conditions") or []):
        return
    await ctx.recorder.tell(
        found,
        kind="Warning" if now.status == "True" else "Normal",
        reason=now.reason,
        note=now.message,
        action="Compare",
        once=f"{now.reason}\x1f{ctx.now() // clock.SECOND}",
    )


def noted(ctx: Context, tenant: str, key: str) -> None:
    """A gateway noted something of a tool: whoever calls it looks again."""
    for contract in ctx.cache.models(ToolContract, tenant):
        mcp = contract.spec.transport.mcp
        if mcp is not None and mcp.pinned is not None and domain.key(mcp) == key:
            ctx.queue.wake(Key("ToolContract", tenant, contract.metadata.name))
