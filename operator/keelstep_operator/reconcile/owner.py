"""Which log does a resource stand for, and what does the end of the resource end?

A name has one log at a time, and the names' record says which. A deletion that was seen ends the log that its resource
stood for, and no other that has the name by now. Nothing is changed here but what this process remembers.
"""

from keelstep import kube
from keelstep.domain.state import State
from keelstep.log.names import Binding
from keelstep_operator.context import Context
from keelstep_operator.decide import execution as decisions
from keelstep_operator.queue import Key


async def find(ctx: Context, key: Key) -> kube.Object | None:
    """The resource, unless a deletion of its name still has to be acted on."""
    if key in ctx.runs.deletions:
        return None
    found = ctx.cache.get(key)
    if found is None:
        # missing in the cache proves nothing: it may not be filled yet
        found = await ctx.kube.find(kube.EXECUTIONS, key.namespace, key.name)
        if found is not None and ctx.cache.put(found):
            return found
        if found is not None and ctx.cache.is_dead(found["metadata"]["uid"]):
            return None
    return found


async def is_late(ctx: Context, key: Key, binding: Binding) -> bool:
    """A deletion was seen, but by now the name belongs to another run: that one is left alone.

    The API server is asked after the record was read: whoever gave the name to a resource saw it there.
    """
    meant = ctx.runs.deletions.get(key)
    if meant is None:
        return False
    if binding.xid not in meant:
        return True
    found = await ctx.kube.find(kube.EXECUTIONS, key.namespace, key.name)
    return found is not None and found["metadata"]["uid"] == binding.xid


async def recorded(ctx: Context, key: Key) -> Binding | None:
    """The log of a name whose resource is gone."""
    entry = await ctx.names.lookup(key.namespace, key.name)
    if entry is None or entry.record.state != "bound":
        return None
    record = entry.record
    binding = Binding(xid=record.xid, shard=record.shard, is_adopted=True, position=entry.position)
    ctx.runs.bind(key, "", binding)
    return binding


async def half_deleted(ctx: Context, key: Key) -> str:
    """The log of which an operator before us saw the deletion, wrote it down, and died before it freed the name."""
    entry = await ctx.names.lookup(key.namespace, key.name)
    if entry is None or entry.record.state != "bound":
        return ""
    state = await ctx.logs.hold(key.namespace, entry.record.xid, entry.record.shard).log.refresh()
    return entry.record.xid if _says_deleted(state) else ""


def is_deleted(ctx: Context, key: Key, state: State) -> bool:
    """Its deletion was observed: by this process, or by one before that wrote it down."""
    return key in ctx.runs.deletions or _says_deleted(state)


def _says_deleted(state: State) -> bool:
    is_sealed = state.started is None and state.is_over
    return is_sealed or (state.cancelled is not None and state.cancelled.reason == decisions.DELETED)
