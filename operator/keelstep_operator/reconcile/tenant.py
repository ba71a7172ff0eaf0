"""How is a whole tenant stopped? By a label on its Namespace; the latch lies in CONTROL, its gate in the namespace."""

from keelstep.kinds import names
from keelstep_operator.context import Context
from keelstep_operator.decide import kill as kills
from keelstep_operator.queue import Key
from keelstep_operator.reconcile import kill

ENGAGED = "engaged"


async def reconcile(ctx: Context, key: Key) -> None:
    """Bring one tenant's kill switch to where it should be."""
    found = ctx.cache.get(key)
    namespaces = ctx.settings.namespaces
    if namespaces and key.name not in namespaces:
        return
    if found is None or found.get("status", {}).get("phase") == "Terminating":
        return
    metadata = found["metadata"]
    wish = kills.Wish(
        scope="Tenant",
        namespace=key.name,
        name=key.name,
        is_engaged=metadata.get("labels", {}).get(names.LABEL_KILL_SWITCH) == ENGAGED,
        reason=metadata.get("annotations", {}).get(names.ANNOTATION_KILL_REASON, ""),
    )
    latched = await kill.settle(ctx, key, wish, None)
    if latched is None:
        return
    await ctx.recorder.tell(
        found,
        kind="Warning",
        reason=latched.finding.reason,
        note=f"{latched.finding.message}{f' (lifted by ApprovalGate {latched.gate})' if latched.gate else ''}",
        action="Kill",
    )
    if latched.gate:
        ctx.queue.wake(Key("ApprovalGate", key.name, latched.gate))
