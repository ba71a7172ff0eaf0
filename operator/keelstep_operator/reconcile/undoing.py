"""Which call is a person asked about, where it is to undo another? The one that the gateway makes, computed again.

From the log and the pinned contract, as the gateway does it: neither tells the other.
"""

from typing import Any

from keelstep import errors
from keelstep.domain import canonical, related, undo, unwind
from keelstep.domain import state as states
from keelstep.events import types, value
from keelstep_operator.context import Context
from keelstep_operator.logs import Held


async def planned(ctx: Context, held: Held, asked: states.Gate) -> tuple[types.PlannedCall, bytes]:
    """The call and its arguments; no arguments where they cannot be computed: then only a person can undo it.

    Raises:
        errors.Stalled: a pinned revision is not what it must be.
        errors.BrokerError: the broker could not be asked.
    """
    state = held.state
    target = next(each for each in unwind.targets(state) if each.seq == asked.undoes)
    try:
        made = await _build(ctx, state, target)
    except (related.RelatedError, errors.PayloadMissingError, value.MismatchError, ValueError):
        nothing = value.seal(b"{}", media_type=value.JSON, salt=state.xid)
        return types.PlannedCall(index=0, call_id="undo", tool=target.undo, args=nothing), b"{}"
    return made.planned, made.payload


async def _build(ctx: Context, state: states.State, target: unwind.Target) -> undo.Call:
    sealed, said, key = undo.source(state, target)
    args: Any = canonical.loads(await ctx.objects.open(state.tenant, state.xid, sealed))
    output = canonical.loads(await ctx.objects.open(state.tenant, state.xid, said))
    spec = await ctx.revisions.contract(state.tenant, state.pins[target.tool].digest)
    return undo.build(spec, sealed, args, key, output)
