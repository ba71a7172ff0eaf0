"""How are a run's identities ended at the broker? Before anything that the run itself could hold up.

A runner that writes without pause keeps its whole shard from being read. So what is stopped is cut off by what is known
without its log; what the log says beyond that is done once it can be read.
"""

from collections.abc import Sequence

import structlog

from keelstep import errors, kube, points
from keelstep.domain.state import State
from keelstep.events import clock
from keelstep.kinds.execution import TERMINAL_PHASES, Execution
from keelstep.log.names import Binding
from keelstep_operator import identity, pods
from keelstep_operator.context import Context
from keelstep_operator.queue import Key

log = structlog.get_logger(__name__)

_UNREAD_SECONDS = 86_400
"""An identity whose expiry is in a log that was not read yet is held revoked so long at first."""


async def revoke(ctx: Context, state: State, numbers: Sequence[int]) -> None:
    """End the identities of these attempts at the broker.

    Raises:
        errors.BrokerError: they may still be valid; do it again.
    """
    done = ctx.runs.done(state.xid)
    todo = [number for number in numbers if number not in done.revoked]
    if not todo or state.started is None:
        return
    await _end(ctx, state.tenant, state.xid, todo, identity.expires_at(state))
    done.revoked.update(todo)


async def ahead(
    ctx: Context,
    key: Key,
    found: kube.Object | None,
    execution: Execution | None,
    binding: Binding,
    state: State,
) -> None:
    """End the identities of a run that is stopped, by its log as far as it was read, its status and its Pods.

    Whatever fails is told and done again: when the kill is appended, and at every look before.
    """
    shown = (found or {}).get("status", {})
    if shown.get("phase") in TERMINAL_PHASES or not _is_stopped(ctx, key, execution, binding, state):
        return
    there = {pods.number(key.name, pod) for pod in ctx.cache.pods(key.namespace, key.name)} - {0}
    numbers = sorted(there.union(range(1, max(state.attempt, shown.get("attempt", 0)) + 1)))
    try:
        if state.started is not None:
            await revoke(ctx, state, numbers)
            return
        done = ctx.runs.done(binding.xid)
        todo = [number for number in numbers if number not in done.cut_off]
        if todo:
            await _end(ctx, key.namespace, binding.xid, todo, ctx.now() + _UNREAD_SECONDS * clock.SECOND)
            done.cut_off.update(todo)
    except (errors.BrokerError, errors.Stalled) as error:
        log.warning("not_cut_off_yet", why=error.message)


def _is_stopped(ctx: Context, key: Key, execution: Execution | None, binding: Binding, state: State) -> bool:
    if execution is not None and execution.spec.kill_switch.engaged:
        return True
    if state.started is not None:
        strategy = state.started.strategy
    else:
        strategy = execution.spec.strategy_ref.name if execution is not None else "-"
    return ctx.view.stopped(key.namespace, strategy, "-", binding.xid) is not None


async def _end(ctx: Context, tenant: str, xid: str, numbers: Sequence[int], expiry: int) -> None:
    keys = [ctx.identities.key(xid, number).public for number in numbers]
    for public in keys:
        ctx.tally.note(tenant, public, expiry)
    if expiry > ctx.now() and not ctx.revoked.issuperset(keys):
        points.reached("operator.before.revoke")
        await ctx.revoker.revoke_many(dict.fromkeys(keys, expiry))
        points.reached("operator.after.revoke")
