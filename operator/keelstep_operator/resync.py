"""What did the watches miss? Everything is listed now and then, and compared.

What is listed goes to the cache; what the cache has and the list has not is forgotten and looked at: a vanished
Execution is orphaned, never deleted. Names that belong to a log are compared too, so that this holds after a restart.
"""

import asyncio
import contextlib

import structlog

from keelstep import errors, kube
from keelstep.log import subjects, tail
from keelstep_operator import cache as caches
from keelstep_operator import watch
from keelstep_operator.context import Context
from keelstep_operator.queue import Key
from keelstep_operator.reconcile import route

log = structlog.get_logger(__name__)

_RETRY_SECONDS = 5.0
_UNREADABLE_SECONDS = 15.0
"""While a namespace cannot be read."""
_WATCHED_SECONDS = 10.0
"""The only object of its kind may have gone between our list and the watch's."""


async def run(ctx: Context, is_synced: asyncio.Event, *, pause_seconds: float) -> None:
    """Resync for ever; sets `is_synced` after the first time. Returns only when cancelled."""
    released: dict[str, int] = {}
    pause = pause_seconds
    while True:
        try:
            await once(ctx, released)
            if not is_synced.is_set():
                await _watched(ctx)
                is_synced.set()
            pause = min(_UNREADABLE_SECONDS, pause_seconds) if ctx.scopes.unreadable else pause_seconds
        except errors.BrokerClosedError:
            raise
        except errors.KeelstepError as error:
            log.warning("resync_failed", why=error.message)
            pause = min(_RETRY_SECONDS, pause_seconds)
        await asyncio.sleep(pause)


async def _watched(ctx: Context) -> None:
    """Wait until the watches have told of every kind there is: from then on no deletion goes unseen."""
    there = {kind.name for kind in watch.WATCHED if ctx.cache.keys(kind.name)}
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_WATCHED_SECONDS):
            while not there <= ctx.watched:
                ctx.heard.clear()
                await ctx.heard.wait()


async def once(ctx: Context, released: dict[str, int]) -> None:
    """List everything and wake whoever must look again.

    Raises:
        errors.KeelstepError: a server could not be asked.
    """
    for kind in watch.WATCHED:
        for scope, found, version in await _listed(ctx, kind):
            _compare(ctx, kind, scope, found, version)
    await ctx.revoker.mend()
    await _names(ctx, released)
    await _prune(ctx)


async def _listed(ctx: Context, kind: kube.Kind) -> list[tuple[str, list[kube.Object], int]]:
    """What there is, namespace by namespace where we work in some only; an empty one means all.

    What one tenant does not let us read is not there, and nothing follows from that.
    """
    labels = watch.SELECTORS.get(kind, "")
    scopes = ctx.settings.namespaces if kind.is_namespaced and ctx.settings.namespaces else ("",)
    listed: list[tuple[str, list[kube.Object], int]] = []
    for scope in scopes:
        try:
            page = await ctx.kube.list(kind, scope, labels=labels)
        except (errors.ForbiddenError, errors.NotFoundError) as error:
            if not scope:
                raise
            ctx.scopes.refused(scope, kind.name, error.message)
            continue
        ctx.scopes.read(scope, kind.name)
        listed.append((scope, page.items, int(page.resource_version)))
    return listed


def _compare(ctx: Context, kind: kube.Kind, scope: str, items: list[kube.Object], version: int) -> None:
    """Keep what is listed; forget what is not, unless it is newer than the list."""
    there: set[Key] = set()
    changed: set[Key] = set()
    for found in items:
        key = caches.key_of(found)
        there.add(key)
        if ctx.cache.put(found):
            changed.add(key)
    for key in ctx.cache.keys(kind.name):
        known = ctx.cache.get(key)
        if known is None or (scope and key.namespace != scope):
            continue
        if key in there:
            # of thousands that are over each log would be read again, for nothing
            is_done = key not in changed and route.has_ended(known) and ctx.is_over(key)
            if kind is not kube.PODS and not is_done:
                ctx.queue.wake(key, is_patient=route.has_ended(known))
            continue
        if int(known["metadata"]["resourceVersion"]) > version:
            continue
        concerned = route.concerned(ctx, known)
        ctx.cache.drop(key)
        log.info("object_vanished", kind=key.kind, namespace=key.namespace, name=key.name)
        for one in concerned:
            ctx.queue.wake(one)


async def _names(ctx: Context, released: dict[str, int]) -> None:
    """Runs whose resource is gone: the record of their name is all that is left beside the log."""
    async for last in tail.last_of_each(ctx.nc, subjects.NAMES_STREAM, "names.>"):
        if released.get(last.subject) == last.position:
            continue
        _, tenant, name = last.subject.split(".", 2)
        key = Key("Execution", tenant, name)
        if ctx.settings.namespaces and tenant not in ctx.settings.namespaces:
            continue
        if ctx.cache.get(key) is not None or ctx.scopes.lacks(tenant, key.kind):
            continue
        try:
            entry = await ctx.names.lookup(tenant, name)
        except errors.NameUnreadableError as error:
            log.error("name_unreadable", namespace=tenant, name=name, why=error.message)
            released[last.subject] = last.position  # said once; another record is looked at again
            continue
        if entry is not None and entry.record.state == "bound":
            ctx.queue.wake(key)
        else:
            released[last.subject] = last.position


async def _prune(ctx: Context) -> None:
    """Ended Pods are kept for their logs, but not without end."""
    ended = [
        pod
        for key in ctx.cache.keys("Pod")
        if (pod := ctx.cache.get(key)) is not None
        and pod.get("status", {}).get("phase") in ("Succeeded", "Failed")
    ]
    ended.sort(key=lambda pod: str(pod["metadata"]["creationTimestamp"]), reverse=True)
    for pod in ended[ctx.settings.kept_pods :]:
        metadata = pod["metadata"]
        try:
            await ctx.kube.delete(kube.PODS, metadata["namespace"], metadata["name"], uid=metadata["uid"])
        except (errors.ConflictError, errors.ForbiddenError):
            continue
