"""How is a whole tenant stopped, and what may it spend in a day? Both stand on its Namespace, and from there in CONTROL.

A label stops it; the latch's gate lies in the namespace. An annotation says what it may spend: whoever may change the
Namespace, which its tenants may not. An amount that is none changes nothing.
"""

import structlog

from keelstep import kube
from keelstep.domain import money
from keelstep.kinds import names
from keelstep_operator.context import Context
from keelstep_operator.decide import kill as kills
from keelstep_operator.queue import Key
from keelstep_operator.reconcile import kill

log = structlog.get_logger(__name__)

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
    await _say_budget(ctx, found)
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


async def _say_budget(ctx: Context, found: kube.Object) -> None:
    """Tell the gateways what the tenant may spend in a day."""
    name = found["metadata"]["name"]
    said = found["metadata"].get("annotations", {}).get(names.ANNOTATION_DAILY_BUDGET, "").strip()
    try:
        amount = money.usd(money.micro_usd(said)) if said else ""
    except ValueError:
        await ctx.recorder.tell(
            found,
            kind="Warning",
            reason="BudgetInvalid",
            note=f"{names.ANNOTATION_DAILY_BUDGET}: expected US dollars such as 25 or 0.50, got {said[:40]!r};"
            " what held before still holds",
            action="Publish",
        )
        return
    if await ctx.control.rule(name, amount, by=f"Namespace {name}", scope="budget"):
        log.info("budget_published", namespace=name, usd=amount or "any")
        note = (
            f"{amount} US dollars may be spent here each day (UTC)" if amount else "no daily budget any more"
        )
        await ctx.recorder.tell(
            found,
            kind="Normal",
            reason="BudgetInForce",
            note=note,
            action="Publish",
            once=f"{amount}\x1f{found['metadata']['resourceVersion']}",
        )
