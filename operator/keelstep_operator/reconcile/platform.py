"""How do a platform team's rules come into force? From their ConfigMap into CONTROL, for every gateway at once.

    ConfigMap keelstep-policy ─► usable? ─► kept as a revision ─► control.policy.<tenant>: these hold from now on
                                    │ no
                                    └► what held before still holds, nothing new starts, and an Event says why

Rules go only when their ConfigMap was seen to be deleted: one that is merely missing changes nothing.
"""

import structlog

from keelstep import kube
from keelstep.domain import platform
from keelstep.kinds import names
from keelstep.kinds.execution import Execution
from keelstep_operator.context import Context
from keelstep_operator.queue import Key

log = structlog.get_logger(__name__)

BY = f"ConfigMap {names.POLICY_CONFIG_MAP}"


async def reconcile(ctx: Context, key: Key) -> None:
    """Bring the rules in force to what the platform team wants."""
    if key.name != names.POLICY_CONFIG_MAP:
        return
    found = ctx.cache.get(key)
    if found is None:
        if key in ctx.rules_deleted:
            _note(ctx, key.namespace, "")
            await ctx.control.rule(key.namespace, "", by=BY)
            log.info("rules_lifted", namespace=key.namespace)
            ctx.rules_deleted.discard(key)
        return
    ctx.rules_deleted.discard(key)
    read = platform.read(found.get("data") or {})
    if isinstance(read, str):
        _note(ctx, key.namespace, read)
        await _tell(
            ctx, found, "PolicyInvalid", f"{read}; what held before still holds, and nothing new starts"
        )
        return
    digest = await ctx.objects.put_revision(key.namespace, read.revision.payload)
    if await ctx.control.rule(key.namespace, read.revision.payload.decode(), by=BY):
        log.info("rules_published", namespace=key.namespace, rules=len(read.rules), digest=digest)
        await _tell(
            ctx,
            found,
            "PolicyInForce",
            f"{len(read.rules)} rules hold for every call from now on ({digest[:12]})",
        )
    _note(ctx, key.namespace, "")


def _note(ctx: Context, namespace: str, problem: str) -> None:
    """Remember what is wrong; where that changes, whoever waits to start looks again."""
    if ctx.rules_problem.get(namespace, "") == problem:
        return
    ctx.rules_problem[namespace] = problem
    for found in ctx.cache.models(Execution, namespace):
        if not found.status.started_at:
            ctx.queue.wake(Key("Execution", namespace, found.metadata.name))


async def _tell(ctx: Context, found: kube.Object, reason: str, note: str) -> None:
    await ctx.recorder.tell(
        found,
        kind="Warning" if reason == "PolicyInvalid" else "Normal",
        reason=reason,
        note=note,
        action="Publish",
        once=f"{found['metadata']['resourceVersion']}",
    )
