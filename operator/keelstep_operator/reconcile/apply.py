"""How is what was decided about an execution carried out? Every action may be done twice.

A child that already has the name is used only where it is ours; else a person must act (`ChildForged`), unless it is
left over from an earlier resource of the name and on its way out.
"""

from collections.abc import Sequence
from typing import assert_never

import structlog

from keelstep import errors, kinds, kube, points
from keelstep.kinds import names
from keelstep_operator import identity, pods
from keelstep_operator.context import Context
from keelstep_operator.decide import actions, gate
from keelstep_operator.reconcile import cutting, gather
from keelstep_operator.reconcile.gather import Situation

log = structlog.get_logger(__name__)

_BUSY_SECONDS = 1.0
"""A name that an old child still has is tried again so often."""


async def apply(ctx: Context, situation: Situation, todo: Sequence[actions.Action]) -> tuple[str, str] | None:
    """Do all of it; reason and message of what a person must act on, or None.

    Raises:
        errors.KeelstepError: a server refused or could not be asked; do it again.
    """
    stalled: tuple[str, str] | None = None
    for action in todo:
        try:
            await _do(ctx, situation, action)
        except (errors.Stalled, errors.PayloadMissingError) as error:
            stalled = stalled or (error.reason, error.message)
    _note_orphan(ctx, situation)
    return stalled


async def cut_off(ctx: Context, situation: Situation) -> None:
    """End the identity of every attempt at the broker, at once.

    Raises:
        errors.BrokerError: they may still be valid; do it again.
    """
    await cutting.revoke(ctx, situation.facts.state, range(1, situation.facts.state.attempt + 1))


async def _do(ctx: Context, situation: Situation, action: actions.Action) -> None:
    match action:
        case actions.RunAttempt():
            await _run_attempt(ctx, situation, action.attempt)
        case actions.EndPod():
            await _end_pod(ctx, situation, action)
        case actions.Revoke():
            await cutting.revoke(ctx, situation.facts.state, action.attempts)
        case actions.DropSecrets():
            await _drop_secrets(ctx, situation, action.attempts)
        case actions.OpenGate():
            await _open_gate(ctx, situation, action)
        case actions.EngageKill():
            await ctx.control.engage(
                "execution", situation.tenant, situation.xid, reason=action.reason, by="spec.killSwitch"
            )
        case actions.ReleaseName():
            await _release(ctx, situation)
        case actions.DeleteResource():
            ctx.runs.expired.add(situation.key)
            await ctx.kube.delete(kube.EXECUTIONS, situation.tenant, situation.key.name, uid=situation.uid)
        case _:
            assert_never(action)


async def _run_attempt(ctx: Context, situation: Situation, number: int) -> None:
    """The Secret first: a Pod without it would wait for it."""
    state = situation.facts.state
    started = state.started
    assert started is not None
    whose = pods.Attempt(
        namespace=situation.tenant,
        execution=situation.key.name,
        uid=situation.uid,
        xid=situation.xid,
        trace_id=state.trace_id,
        strategy=started.strategy,
        number=number,
    )
    now = ctx.now()
    done = ctx.runs.done(situation.xid)
    done.unmade = number
    credentials = ctx.identities.mint(state, number, now)
    ctx.tally.note(situation.tenant, credentials.public_key, identity.expires_at(state))
    secret = pods.build_secret(whose, credentials.text(), ctx.keyring, ctx.authority)
    found = await _own_child(ctx, situation, kube.SECRETS, secret)
    if not ctx.identities.is_own(pods.secret_credentials(found), situation.xid, number):
        raise _forged("Secret", found)
    done.secrets[number] = found["metadata"]["uid"]
    strategy = await ctx.revisions.strategy(situation.tenant, started.strategy_digest)
    settings = ctx.settings
    runtime = pods.Runtime(
        image=strategy.runner.image or settings.runner_image,
        pull_policy=settings.runner_pull_policy,
        command=settings.runner_command,
        resources=strategy.runner.resources,
        nats_url=settings.url_for_runners,
        shard=started.shard,
        seconds_left=gather.seconds_until(identity.expires_at(state), now),
        extra_env=settings.runner_env,
        requests=settings.runner_requests,
        priority_class=settings.runner_priority_class,
        pull_secrets=settings.runner_pull_secrets,
        has_authority=bool(ctx.authority),
    )
    pod = await _own_child(ctx, situation, kube.PODS, pods.build_pod(whose, runtime))
    if pods.read(pod, uid=situation.uid, xid=situation.xid, number=number).is_forged:
        raise _forged("Pod", pod)
    ctx.keep(pod)
    done.unmade = 0


async def _own_child(
    ctx: Context, situation: Situation, kind: kube.Kind, manifest: kube.Object
) -> kube.Object:
    """The child of this name, made now or before; ours."""
    try:
        found, is_new = await ctx.kube.create_or_get(kind, situation.tenant, manifest)
    except errors.NotFoundError as error:
        raise errors.Waiting("Vanished", f"{manifest['metadata']['name']} has just gone", 0.1) from error
    except (errors.ForbiddenError, errors.InvalidObjectError) as error:
        # a quota, Pod Security, resources that make no sense, the namespace's end: a person must change it
        raise errors.Stalled("ChildRefused", error.message) from error
    if is_new:
        log.info("child_created", child=f"{kind.name} {manifest['metadata']['name']}")
        return found
    if gather.is_left_over(ctx, found, situation.uid) or "deletionTimestamp" in found["metadata"]:
        name = manifest["metadata"]["name"]
        raise errors.Waiting("NameBusy", f"{kind.name} {name} of an earlier run is going", _BUSY_SECONDS)
    if not pods.is_owned(found, situation.uid):
        raise _forged(kind.name, found)
    return found


def _forged(kind: str, found: kube.Object) -> errors.Stalled:
    name = found["metadata"]["name"]
    return errors.Stalled("ChildForged", f"{kind} {name} exists and is not ours; delete it")


async def _end_pod(ctx: Context, situation: Situation, action: actions.EndPod) -> None:
    grace = 0 if action.is_immediate else None
    try:
        await ctx.kube.delete(
            kube.PODS, situation.tenant, action.pod.name, uid=action.pod.uid, grace_seconds=grace
        )
    except errors.ConflictError:
        log.info("pod_replaced", pod=action.pod.name)


async def _drop_secrets(ctx: Context, situation: Situation, numbers: Sequence[int]) -> None:
    done = ctx.runs.done(situation.xid)
    for number in numbers:
        if number in done.dropped:
            continue
        if not _was_tidied(ctx, situation, number):
            name = names.identity_secret(situation.key.name, number)
            await _drop_secret(ctx, situation, name, done.secrets.get(number, ""))
        done.dropped.add(number)


async def _drop_secret(ctx: Context, situation: Situation, name: str, uid: str) -> None:
    """Delete this run's Secret: whoever names a run chooses its children's names, and may mean somebody else's Secret."""
    if not uid:
        found = await ctx.kube.find(kube.SECRETS, situation.tenant, name)
        if found is None:
            return
        if found["metadata"].get("labels", {}).get(names.LABEL_EXECUTION_ID) != situation.xid:
            log.warning("secret_not_ours", secret=name)
            return
        uid = found["metadata"]["uid"]
    try:
        await ctx.kube.delete(kube.SECRETS, situation.tenant, name, uid=uid)
    except errors.ConflictError:
        log.info("secret_replaced", secret=name)


def _was_tidied(ctx: Context, situation: Situation, number: int) -> bool:
    """An operator before us revoked the identity and showed the end: thousands of ended runs cost nothing at a start."""
    shown = (situation.found or {}).get("status", {})
    is_revoked = ctx.identities.key(situation.xid, number).public in ctx.revoked
    return is_revoked and bool(shown.get("finishedAt")) and shown.get("executionID") == situation.xid


async def _open_gate(ctx: Context, situation: Situation, action: actions.OpenGate) -> None:
    asked = action.gate
    manifest = {
        "apiVersion": kinds.API_VERSION,
        "kind": "ApprovalGate",
        "metadata": {
            "name": asked.name,
            "namespace": situation.tenant,
            "labels": {
                names.LABEL_EXECUTION: situation.key.name,
                names.LABEL_EXECUTION_ID: situation.xid,
            },
            "ownerReferences": [pods.owner("Execution", situation.key.name, situation.uid)],
        },
        "spec": asked.spec,
    }
    found = await _own_child(ctx, situation, kube.GATES, manifest)
    if not gate.is_same_question(found["spec"], asked.spec):
        raise _forged("ApprovalGate", found)
    ctx.keep(found)


async def _release(ctx: Context, situation: Situation) -> None:
    points.reached("operator.before.name")
    is_expired = situation.key in ctx.runs.expired
    await ctx.names.release(
        situation.tenant, situation.key.name, situation.xid, "kubernetes", is_expired=is_expired
    )
    points.reached("operator.after.name")
    log.info("name_released")
    ctx.runs.forget(situation.key)
    ctx.statuses.forget(situation.key)
    # a resource of the same name may be waiting for it
    ctx.queue.wake(situation.key)


def _note_orphan(ctx: Context, situation: Situation) -> None:
    facts = situation.facts
    is_orphan = facts.is_orphaned and facts.state.started is not None and not facts.state.is_over
    if is_orphan and situation.key not in ctx.runs.orphans:
        ctx.runs.orphans.add(situation.key)
        log.warning("execution_orphaned", hint="apply it again to go on, or delete it then to end it")
    elif not is_orphan:
        ctx.runs.orphans.discard(situation.key)
    ctx.metrics.orphans.set(len(ctx.runs.orphans))
