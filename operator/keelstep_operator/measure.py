"""What is true now of the objects that we watch? Gauges, read from the cache every few seconds.

Nothing here decides or writes anything; losing it loses a few seconds of a curve.
"""

import asyncio
from collections import Counter
from typing import Any

from keelstep.events import clock
from keelstep.kinds.execution import Phase
from keelstep.kinds.gate import GatePhase
from keelstep.kube import Object
from keelstep_operator.cache import Cache
from keelstep_operator.context import Context
from keelstep_operator.metrics import KINDS, Metrics

PAUSE_SECONDS = 10.0
"""As often as Prometheus usually looks, and no oftener: every object is passed."""


async def run(ctx: Context) -> None:
    """Measure now and then; returns only when cancelled."""
    while True:
        look(ctx.cache, ctx.metrics, ctx.now())
        ctx.metrics.unreadable.set(ctx.scopes.unreadable)
        ctx.metrics.identities.set(ctx.unexpired_identities(ctx.now()))
        await asyncio.sleep(PAUSE_SECONDS)


def look(cache: Cache, metrics: Metrics, now: int) -> None:
    """Set every gauge to what the cache shows."""
    phases: Counter[str] = Counter()
    for kind in KINDS:
        found = [each for key in cache.keys(kind) if (each := cache.get(key)) is not None]
        metrics.stalled.labels(kind).set(sum(_is(each, "Stalled") for each in found))
        if kind == "Execution":
            phases = Counter(_phase(each, Phase.PENDING) for each in found)
        elif kind == "ToolContract":
            metrics.drifted.set(sum(_is(each, "Drifted") for each in found))
        elif kind == "ApprovalGate":
            waiting = [each for each in found if _phase(each, GatePhase.PENDING) == GatePhase.PENDING]
            metrics.reviews.set(len(waiting))
            metrics.oldest_review.set(max((_age_seconds(each, now) for each in waiting), default=0.0))
    for phase in Phase:
        metrics.executions.labels(phase.value).set(phases[phase.value])


def _phase(found: Object, first: str) -> str:
    return str(found.get("status", {}).get("phase") or first)


def _is(found: Object, condition: str) -> bool:
    conditions: list[Any] = found.get("status", {}).get("conditions") or []
    return any(each.get("type") == condition and each.get("status") == "True" for each in conditions)


def _age_seconds(found: Object, now: int) -> float:
    return max(0.0, (now - clock.parse(found["metadata"]["creationTimestamp"])) / clock.SECOND)
