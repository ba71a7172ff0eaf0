"""Which reconcile does a key go to, and whom does a change concern?

`concerned` is the one map from an object that changed to the keys that must look again; watches and our own writes
both use it.
"""

import time
from collections.abc import Awaitable, Callable, Mapping

from keelstep import kube
from keelstep.kinds import names
from keelstep.kinds.execution import Execution
from keelstep.kinds.strategy import AgentStrategy
from keelstep_operator import cache as caches
from keelstep_operator.context import Context
from keelstep_operator.queue import Key
from keelstep_operator.reconcile import contract, execution, gate, platform, strategy, tenant

_RECONCILES: Mapping[str, Callable[[Context, Key], Awaitable[None]]] = {
    "Execution": execution.reconcile,
    "AgentStrategy": strategy.reconcile,
    "ToolContract": contract.reconcile,
    "ApprovalGate": gate.reconcile,
    "Namespace": tenant.reconcile,
    "ConfigMap": platform.reconcile,
}


def reconcile_with(ctx: Context) -> Callable[[Key], Awaitable[None]]:
    """The reconcile of any key."""

    async def reconcile(key: Key) -> None:
        begun = time.perf_counter()
        try:
            await _RECONCILES[key.kind](ctx, key)
        finally:
            ctx.metrics.reconciles.labels(key.kind).observe(time.perf_counter() - begun)

    return reconcile


def concerned(ctx: Context, found: kube.Object) -> list[Key]:
    """Everyone who must look again because this object changed."""
    key = caches.key_of(found)
    match key.kind:
        case "Pod":
            owner = found["metadata"].get("labels", {}).get(names.LABEL_EXECUTION)
            return [Key("Execution", key.namespace, owner)] if owner else []
        case "ApprovalGate":
            about = gate.subject_of(found)
            return [key] + ([about] if about is not None else [])
        case "ToolContract":
            users = _users(ctx, key)
            # of a strategy whose own status stays as it is nobody would hear
            return [key, *users, *(run for user in users for run in _unstarted(ctx, user))]
        case "AgentStrategy":
            return [key, *_unstarted(ctx, key)]
        case _:
            return [key]


def has_ended(found: kube.Object) -> bool:
    """An Execution whose end is shown: nobody waits for what is still to be done about it."""
    return found["kind"] == kube.EXECUTIONS.name and bool(found.get("status", {}).get("finishedAt"))


def _users(ctx: Context, contract_key: Key) -> list[Key]:
    return [
        Key("AgentStrategy", contract_key.namespace, found.metadata.name)
        for found in ctx.cache.models(AgentStrategy, contract_key.namespace)
        if any(grant.contract == contract_key.name for grant in found.spec.tools)
    ]


def _unstarted(ctx: Context, strategy_key: Key) -> list[Key]:
    """A run that has begun keeps what it pinned; only those that wait to begin care."""
    return [
        Key("Execution", strategy_key.namespace, found.metadata.name)
        for found in ctx.cache.models(Execution, strategy_key.namespace)
        if found.spec.strategy_ref.name == strategy_key.name and not found.status.started_at
    ]
