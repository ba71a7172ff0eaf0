"""What is true about an execution now? Its resource, its log, what is stopped, its Pods and its gates.

From the cache where being late does no harm, from the API server where it would. Nothing is changed here but the
record of which log a name belongs to.
"""

import asyncio
import dataclasses
import secrets
from dataclasses import dataclass
from typing import Any

import structlog

from keelstep import errors, kinds, kube, points
from keelstep.domain import canonical
from keelstep.domain import state as states
from keelstep.events import clock, types
from keelstep.events.value import MismatchError
from keelstep.kinds import names
from keelstep.kinds.contract import ToolContract
from keelstep.kinds.execution import Execution
from keelstep.kinds.strategy import AgentStrategy
from keelstep.log.names import Binding
from keelstep_operator import identity, pods
from keelstep_operator.context import Context
from keelstep_operator.decide import facts, gate, restored, share, start
from keelstep_operator.logs import Held
from keelstep_operator.queue import Key
from keelstep_operator.reconcile import cutting, owner, undoing

log = structlog.get_logger(__name__)

_REPLACED_SECONDS = 1.0
"""A resource that replaced another of its name waits so long for the old one's deletion to be heard of."""

_VANISHED_SECONDS = 0.2
"""Its deletion may be on its way to us."""
_MOST_SUMMARY_BYTES = 64 * 1024
"""Of the model's words in one step that are read for a person, who is shown a few thousand characters."""
_MOST_CALLS = 1000
"""Characters of what it asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """The facts, and what they were gathered from."""

    key: Key
    held: Held
    found: kube.Object | None
    """The resource; None where it is gone."""
    binding: Binding
    facts: facts.Facts

    @property
    def tenant(self) -> str:
        """The namespace."""
        return self.key.namespace

    @property
    def xid(self) -> str:
        """The identity of the log."""
        return self.binding.xid

    @property
    def uid(self) -> str:
        """The resource's UID: the owner of every child; empty where it is gone."""
        return str(self.found["metadata"]["uid"]) if self.found is not None else ""


async def gather(ctx: Context, key: Key) -> Situation | None:
    """The facts about one execution; None where there is no such execution and none is recorded.

    Raises:
        errors.NameInUseError: the name belongs to another run.
        errors.NameUnreadableError: nobody can tell which run the name belongs to.
        errors.ControlUnavailableError: nobody knows what is stopped.
        errors.KeelstepError: a server could not be asked.
    """
    found = await owner.find(ctx, key)
    if found is None:
        binding = await owner.recorded(ctx, key)
        if binding is not None and await owner.is_late(ctx, key, binding):
            log.info("deletion_late", execution=binding.xid)
            del ctx.runs.deletions[key]
            return await gather(ctx, key)
        if binding is None:
            ctx.runs.forget(key)
            ctx.statuses.forget(key)
            if ctx.cache.get(key) is not None:
                ctx.queue.wake(key)  # the name was free already; now the resource that has it counts
            return None
        return await _facts(ctx, key, None, None, binding)
    wait = ctx.cache.replaced_for(key, _REPLACED_SECONDS)
    if wait > 0:
        raise errors.Waiting("Replaced", "the deletion of the resource before it may be on its way", wait)
    execution = ctx.cache.model(kinds.Execution, key.namespace, key.name)
    if execution is None:
        return None
    known = ctx.runs.by_key.get(key)
    if known is not None and known[0] == execution.metadata.uid:
        binding = known[1]
    elif half_deleted := await owner.half_deleted(ctx, key):
        ctx.runs.deletions.setdefault(key, set()).add(half_deleted)
        return await gather(ctx, key)
    else:
        points.reached("operator.before.name")
        binding = await ctx.names.bind(
            key.namespace,
            key.name,
            execution.metadata.uid,
            start.spec_digest(execution.spec),
            shard=ctx.settings.shard,
        )
        points.reached("operator.after.name")
        ctx.runs.bind(key, execution.metadata.uid, binding)
        if binding.is_adopted:
            log.info("execution_adopted", execution=binding.xid)
    ctx.runs.orphans.discard(key)
    return await _facts(ctx, key, found, execution, binding)


async def refresh(ctx: Context, before: Situation, *, is_new: bool = False) -> Situation:
    """The facts again, after an event was appended; `is_new` where that was the current attempt, by us.

    Raises:
        errors.KeelstepError: a server could not be asked.
    """
    execution = before.facts.execution
    return await _facts(ctx, before.key, before.found, execution, before.binding, is_new=is_new)


async def _facts(
    ctx: Context,
    key: Key,
    found: kube.Object | None,
    execution: Execution | None,
    binding: Binding,
    *,
    is_new: bool = False,
) -> Situation:
    held = ctx.logs.hold(key.namespace, binding.xid, binding.shard)
    ahead = cutting.ahead(ctx, key, found, execution, binding, held.state)
    state, _ = await asyncio.gather(held.log.refresh(), ahead)
    strategy = state.started.strategy if state.started else None
    if strategy is None and execution is not None:
        strategy = execution.spec.strategy_ref.name
    record = ctx.view.check(key.namespace, strategy or "-", "-", binding.xid)
    stop = None
    if record is not None:
        stop = facts.Stop(scope=record.scope, reason=record.reason, by=record.by)
    uid = str(found["metadata"]["uid"]) if found is not None else ""
    gates = [] if state.is_over else await _gates(ctx, key, held, uid)
    known = facts.Facts(
        now=ctx.now(),
        name=key.name,
        state=state,
        execution=execution,
        is_deleted=execution is None and owner.is_deleted(ctx, key, state),
        stop=stop,
        start=_start(ctx, execution) if state.started is None and execution is not None else None,
        pods=await _pods(ctx, key, state, uid, is_new=is_new),
        gates=gates,
        resumed_seq=held.resumed_seq,
        is_revoked=_is_revoked(ctx, state),
        is_unmade=ctx.runs.done(state.xid).unmade == state.attempt,
        attempt_limit=ctx.settings.attempt_limit,
    )
    return Situation(
        key=key,
        held=held,
        found=found,
        binding=binding,
        facts=known,
    )


def _is_revoked(ctx: Context, state: states.State) -> bool:
    if not state.attempt or state.is_over:
        return False
    done = ctx.runs.done(state.xid)
    own = ctx.identities.key(state.xid, state.attempt).public
    ctx.tally.note(state.tenant, own, identity.expires_at(state))
    return state.attempt in done.revoked or state.attempt in done.cut_off or own in ctx.revoked


def _start(ctx: Context, execution: Execution) -> facts.Ready | facts.NotReady:
    lost = restored.lost(execution, ctx.restored_at)
    if lost is not None:
        return lost
    namespace = execution.metadata.namespace
    problem = ctx.rules_problem.get(namespace, "")
    if problem:
        return facts.NotReady(
            condition="ResolvedRefs",
            reason="PolicyInvalid",
            message=f"ConfigMap {names.POLICY_CONFIG_MAP}: {problem}",
        )
    now = ctx.now()
    if crowded := share.problem(ctx.tally.held(namespace, now), ctx.unexpired_identities(now)):
        return facts.NotReady(condition="Accepted", reason=share.REASON, message=crowded)
    strategy = ctx.cache.model(AgentStrategy, namespace, execution.spec.strategy_ref.name)
    contracts: dict[str, ToolContract] = {}
    for grant in strategy.spec.tools if strategy is not None else ():
        tool = ctx.cache.model(ToolContract, namespace, grant.contract)
        if tool is not None:
            contracts[grant.contract] = tool
    chance = start.Chance(
        trace_id=secrets.token_hex(16),
        goal_salt=secrets.token_hex(16),
        inputs_salt=secrets.token_hex(16),
    )
    return start.decide(
        execution,
        strategy,
        contracts,
        policy=_rules(ctx, namespace),
        now=now,
        shard=ctx.settings.shard,
        chance=chance,
    )


def _rules(ctx: Context, namespace: str) -> str:
    """The digest of the platform's rules in force; empty where there are none."""
    rules = ctx.view.rules(namespace)
    return canonical.digest(rules.encode()) if rules else ""


async def _pods(
    ctx: Context, key: Key, state: states.State, uid: str, *, is_new: bool
) -> dict[int, facts.Pod]:
    found: dict[int, facts.Pod] = {}
    for pod in ctx.cache.pods(key.namespace, key.name):
        number = pods.number(key.name, pod)
        if number and not is_left_over(ctx, pod, uid):
            found[number] = pods.read(pod, uid=uid, xid=state.xid, number=number)
    current = state.attempt
    # of an attempt that has just begun nobody can have made the Pod yet: whatever has its name, its creation meets
    if current and current not in found and not state.is_over and not is_new:
        # an attempt is given up only for a Pod that is certainly gone
        pod_name = names.pod(key.name, current)
        there = await ctx.kube.find(kube.PODS, key.namespace, pod_name)
        if there is not None and not is_left_over(ctx, there, uid):
            found[current] = pods.read(there, uid=uid, xid=state.xid, number=current)
        elif uid:
            await _still_there(ctx, key, uid)
    return found


async def _still_there(ctx: Context, key: Key, uid: str) -> None:
    """A Pod is missing: is its owner? Children of an owner that is gone are collected as fast as they are made.

    Raises:
        errors.Waiting: the resource is gone, or another one has its name; look again.
    """
    owner = await ctx.kube.find(kube.EXECUTIONS, key.namespace, key.name)
    if owner is not None and owner["metadata"]["uid"] == uid:
        return
    if owner is None:
        ctx.cache.drop(key)
    else:
        ctx.cache.put(owner)
    raise errors.Waiting("Vanished", f"execution {key.name} is not what it was", _VANISHED_SECONDS)


def is_left_over(ctx: Context, child: kube.Object, uid: str) -> bool:
    """A child of an earlier resource of this name, which was seen deleted: it is being collected."""
    owners = [reference.get("uid", "") for reference in child["metadata"].get("ownerReferences", [])]
    return uid not in owners and any(ctx.cache.is_dead(owner) for owner in owners)


async def _gates(ctx: Context, key: Key, held: Held, uid: str) -> list[facts.Gate]:
    """Every pending question, as we would ask it, and what is there of it."""
    asked: list[facts.Gate] = []
    pending = [known for known in held.state.gates.values() if known.decided is None]
    for known in sorted(pending, key=lambda one: one.request_seq):
        ours = await question(ctx, key.name, held, known)
        there = ctx.cache.get(Key("ApprovalGate", key.namespace, ours.name))
        if there is not None and not is_left_over(ctx, there, uid):
            ours = _met(ours, there, uid)
        asked.append(ours)
    return asked


def _met(ours: facts.Gate, there: kube.Object, uid: str) -> facts.Gate:
    """The question together with the ApprovalGate that has its name."""
    is_ours = (not uid or pods.is_owned(there, uid)) and gate.is_same_question(there["spec"], ours.spec)
    decisions_given = [
        facts.Decision(
            approver=given["approver"],
            is_approval=given["verdict"] == "Approved",
            reason=given.get("reason", ""),
        )
        for given in there["spec"].get("decisions", [])
    ]
    return dataclasses.replace(
        ours, exists=True, is_forged=not is_ours, decisions=decisions_given if is_ours else ()
    )


async def question(ctx: Context, execution: str, held: Held, known: states.Gate) -> facts.Gate:
    """The question of one `gate.requested`, computed once."""
    state = held.state
    questions = ctx.runs.done(state.xid).questions
    if known.request_seq not in questions:
        try:
            material = await _material(ctx, execution, held, known)
        except (errors.Stalled, errors.PayloadMissingError) as error:
            # not remembered: a person may mend it; nothing else about the run may wait for that
            return facts.Gate(
                request_seq=known.request_seq,
                name=names.gate(execution, known.request_seq),
                spec={},
                problem=error.message,
                args_digest="",
                contract_digest="",
                is_of_undo=known.undoes is not None,
            )
        questions[known.request_seq] = gate.build(state, known, material)
    return questions[known.request_seq]


async def _material(ctx: Context, execution: str, held: Held, known: states.Gate) -> gate.Material:
    state = held.state
    started = state.started
    assert started is not None
    planned, payload = await _call(ctx, held, known)
    goal = await _goal(ctx, state)
    pin = started.contracts.get(planned.tool)
    strategy = await ctx.revisions.strategy(state.tenant, started.strategy_digest)
    plans = sorted(state.plans.items())[-gate.MOST_REASONING :]
    return gate.Material(
        execution=execution,
        args=_object(payload),
        args_bytes=planned.args.size,
        goal=goal,
        reasoning=[await _said(ctx, held, plan) for _, plan in plans],
        spec=await ctx.revisions.contract(state.tenant, pin.digest) if pin is not None else None,
        max_tier=strategy.autonomy.max_tier,
        planned=planned,
    )


async def _call(ctx: Context, held: Held, known: states.Gate) -> tuple[types.PlannedCall, bytes]:
    """The call in question and its arguments."""
    if known.undoes is not None:
        return await undoing.planned(ctx, held, known)
    state = held.state
    planned = state.step_at(known.place)
    assert planned is not None
    if planned.args.size > gate.MAX_ARGS_BYTES:
        return planned, b""
    try:
        return planned, await ctx.objects.open(state.tenant, state.xid, planned.args)
    except (errors.PayloadMissingError, MismatchError):
        return planned, b""  # the runner named arguments that nobody has: there is nothing to ask about


async def _goal(ctx: Context, state: states.State) -> str:
    assert state.started is not None
    try:
        payload = await ctx.objects.open(state.tenant, state.xid, state.started.goal)
    except (errors.PayloadMissingError, MismatchError):
        return "(the goal is not readable any more)"
    return payload.decode(errors="replace")


async def _said(ctx: Context, held: Held, plan: states.Plan) -> str:
    """One step that led here, marked as the model's own words."""
    calls = ", ".join(call.tool for call in plan.steps)[:_MOST_CALLS]
    summary = held.summaries.get(plan.ordinal)
    if summary is None:
        return f"the model asked for {calls}"
    if summary.size > _MOST_SUMMARY_BYTES:
        return f"the model asked for {calls} (its words are {summary.size} bytes, too many to show)"
    try:
        text = await ctx.objects.open(held.state.tenant, held.state.xid, summary)
    except (errors.PayloadMissingError, MismatchError):
        return f"the model asked for {calls} (its words are not readable)"
    return f"the model said: {text.decode(errors='replace')} (and asked for {calls})"[: gate.MOST_TEXT]


def _object(payload: bytes) -> dict[str, Any] | None:
    try:
        document = canonical.loads(payload)
    except ValueError:
        return None
    return document if isinstance(document, dict) else None


def seconds_until(moment: int, now: int) -> int:
    """Whole seconds from now, at least 0."""
    return max(0, (moment - now) // clock.SECOND)
