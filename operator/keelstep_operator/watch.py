"""What changed in Kubernetes? Every event only puts keys on the queue; the object goes to the cache.

The only module with kopf's decorators. No handler decides, compares, or returns anything: kopf writes nothing to any
object. A deletion counts only where it is seen here: kopf makes up none for what vanished while nobody watched.
"""

import asyncio
import itertools
from collections.abc import Iterator
from typing import Any

import kopf
import structlog

from keelstep import kube
from keelstep.kinds import names
from keelstep_operator import cache as caches
from keelstep_operator.context import Context
from keelstep_operator.reconcile import route

log = structlog.get_logger(__name__)

WATCHED = (
    kube.STRATEGIES,
    kube.CONTRACTS,
    kube.EXECUTIONS,
    kube.GATES,
    kube.PODS,
    kube.NAMESPACES,
    kube.CONFIG_MAPS,
)
SELECTORS = {
    kube.PODS: f"{names.LABEL_COMPONENT}={names.COMPONENT_RUNNER}",
    kube.CONFIG_MAPS: f"{names.LABEL_POLICY}={names.POLICY_PLATFORM}",
}
"""Of these kinds only what has these labels."""


class _Patience:
    """How long kopf waits between attempts, for ever.

    A tenant's namespace that we may not read must not end us: its watch waits until we may, and every other goes on.
    """

    def __iter__(self) -> Iterator[float]:
        return itertools.chain((1, 2, 5), itertools.repeat(10))


_IDENTITY: Any = "keelstep-operator"
"""What kopf calls itself where nobody listens. Else it takes the user's name, and in a Pod users have none."""


def build_registry() -> kopf.OperatorRegistry:
    """The handlers: one for each kind we watch, and how kopf logs in."""
    registry = kopf.OperatorRegistry()
    for kind in WATCHED:
        # registers `seen` for this kind
        kopf.on.event(kind.group, kind.version, kind.plural, registry=registry, id="seen")(seen)
    kopf.on.login(registry=registry, id="login")(login)
    return registry


def build_settings() -> kopf.OperatorSettings:
    """kopf as a watcher and nothing else."""
    settings = kopf.OperatorSettings()
    settings.posting.enabled = False
    settings.scanning.disabled = True  # our kinds are there before it starts
    settings.peering.standalone = True
    settings.networking.error_backoffs = _Patience()
    for kind, labels in SELECTORS.items():
        settings.watching.label_selectors[kind.group, kind.version, kind.plural] = labels
    return settings


async def run(ctx: Context, stop: asyncio.Event, ready: asyncio.Event) -> None:
    """Watch until `stop` is set, or the process is told to end."""
    namespaces = ctx.settings.namespaces
    try:
        await kopf.operator(
            registry=build_registry(),
            settings=build_settings(),
            memo=ctx,
            standalone=True,
            identity=_IDENTITY,
            clusterwide=not namespaces,
            namespaces=namespaces,
            stop_flag=stop,
            ready_flag=ready,
        )
    finally:
        stop.set()


async def login(memo: Context, **_: Any) -> kopf.ConnectionInfo:
    """The same user as all our own requests."""
    access = await memo.kube.access()
    return kopf.ConnectionInfo(
        server=access.server,
        ca_path=access.ca_file,
        insecure=not access.is_verified,
        scheme="Bearer" if access.token else None,
        token=access.token,
        certificate_path=access.certificate_file,
        private_key_path=access.key_file,
    )


async def seen(type: str | None, event: Any, memo: Context, **_: Any) -> None:
    """An object was listed, added, changed or deleted."""
    found: kube.Object = dict(event["object"])
    memo.watched.add(found["kind"])
    memo.heard.set()
    note(memo, found, is_deleted=type == "DELETED")


def note(ctx: Context, found: kube.Object, *, is_deleted: bool) -> None:
    """Keep or forget the object, and wake whom it concerns."""
    if is_deleted:
        ctx.cache.remove(found)
        if found["kind"] == kube.EXECUTIONS.name:
            _note_deletion(ctx, found)
        elif found["kind"] == kube.CONFIG_MAPS.name:
            ctx.rules_deleted.add(caches.key_of(found))
    elif not ctx.cache.put(found):
        return  # our own write, or an old one
    for key in route.concerned(ctx, found):
        ctx.queue.wake(key, is_patient=route.has_ended(found))


def _note_deletion(ctx: Context, found: kube.Object) -> None:
    """A run whose deletion was seen is cancelled and its name freed, unless another resource has taken the name over."""
    key, uid = caches.key_of(found), found["metadata"]["uid"]
    now = ctx.cache.get(key)
    known = ctx.runs.by_key.get(key)
    if now is not None and known is not None and known[0] == now["metadata"]["uid"] != uid:
        log.info("deletion_late", name=key.name, tenant=key.namespace)
        return
    ctx.runs.note_deletion(key, found, ctx.now())
