"""How is a scope killed, and let go on? What strategies, contracts and tenants have in common.

engaged? ─► CONTROL ─► gateways refuse; `View.on_change` wakes every execution of the scope, each of which appends
                       `exec.killed`, revokes and deletes; here only the latch, its gate and what is left are seen to
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import structlog

from keelstep import errors, kinds, kube
from keelstep.domain.state import State
from keelstep.events import clock
from keelstep.kinds import names
from keelstep.log import control, view
from keelstep.log import names as names_log
from keelstep_operator import gateways, pods
from keelstep_operator.context import Context
from keelstep_operator.decide import condition, gate
from keelstep_operator.decide import kill as decisions
from keelstep_operator.decide.condition import Finding
from keelstep_operator.decide.facts import Decision
from keelstep_operator.queue import Key

log = structlog.get_logger(__name__)

_ROUNDS = 6
_LOOK_AGAIN_SECONDS = 0.25
_OLD_SECONDS = view.MAX_AGE_SECONDS + 1.0
"""After the record, which is dated by the second: a gateway that did not say that it has it refuses everything by then."""
_MOST_NAMED = 10
"""Runs named in a message."""
_REFUSED_SECONDS = 10.0
"""A gate that the API server refuses is asked for again so often."""
_SCOPES: Mapping[str, control.Scope] = {"Tenant": "tenant", "Strategy": "strategy", "Tool": "tool"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Latched:
    """A kill in force, as a status shows it."""

    shown: Mapping[str, Any]
    finding: Finding

    @property
    def gate(self) -> str:
        """The gate that may lift it; empty where it cannot be asked."""
        return str(self.shown.get("gate", ""))


async def settle(ctx: Context, key: Key, wish: decisions.Wish, owner: kube.Object | None) -> Latched | None:
    """Bring a scope's kill switch to where it should be; None where nothing is killed.

    Raises:
        errors.KeelstepError: a server could not be asked.
    """
    scope = _SCOPES[wish.scope]
    target = "" if scope == "tenant" else wish.name
    for _ in range(_ROUNDS):
        entry = await ctx.control.lookup(scope, wish.namespace, target)
        if entry is not None and entry.record is None:
            # not signed by us: nobody can know what it was, so it is a stop until people say otherwise
            await _engage(ctx, wish, scope, target, "a control record did not verify")
            continue
        latch = _latch(entry)
        gates = _gates(ctx, wish, latch) if latch is not None else []
        verdict = decisions.decide(wish, latch, gates)
        match verdict:
            case None:
                return None
            case decisions.Engage():
                await _engage(ctx, wish, scope, target, verdict.reason)
            case decisions.Ask():
                assert latch is not None
                try:
                    await _ask(ctx, wish, latch, verdict.ask, owner)
                except (errors.ForbiddenError, errors.InvalidObjectError) as error:
                    ctx.queue.wake(key, _REFUSED_SECONDS)
                    return _unasked(latch, error)
            case decisions.Lift():
                assert latch is not None
                try:
                    await _lift(ctx, wish, scope, target, latch, verdict)
                except errors.ControlConflictError as error:
                    log.info("kill_changed_meanwhile", reason=error.reason, why=error.message)
            case decisions.Hold():
                assert latch is not None
                held = await _hold(ctx, key, wish, latch, verdict.gate)
                return _forged(held, verdict.gate) if verdict.is_forged else held
    raise errors.Waiting("Unsettled", f"the kill switch of {wish.name} keeps changing", _LOOK_AGAIN_SECONDS)


async def _engage(ctx: Context, wish: decisions.Wish, scope: control.Scope, target: str, reason: str) -> None:
    position = await ctx.control.engage(
        scope, wish.namespace, target, reason=reason, by=f"{wish.scope.lower()}.killSwitch"
    )
    log.warning(
        "kill_engaged", scope=scope, tenant=wish.namespace, target=target, position=position, reason=reason
    )


async def _lift(
    ctx: Context,
    wish: decisions.Wish,
    scope: control.Scope,
    target: str,
    latch: decisions.Latch,
    verdict: decisions.Lift,
) -> None:
    await ctx.control.lift(
        scope,
        wish.namespace,
        target,
        engaged_at=latch.position,
        reason=verdict.reason,
        by=verdict.by,
    )
    log.warning("kill_lifted", scope=scope, tenant=wish.namespace, target=target, by=verdict.by)


async def _ask(
    ctx: Context, wish: decisions.Wish, latch: decisions.Latch, ask: int, owner: kube.Object | None
) -> None:
    name = gate_name(wish, latch, ask)
    metadata: dict[str, Any] = {"name": name, "namespace": wish.namespace}
    if owner is not None:
        metadata["ownerReferences"] = [
            pods.owner(owner["kind"], owner["metadata"]["name"], owner["metadata"]["uid"])
        ]
    deadline = ctx.now() + decisions.GATE_DAYS * 86_400 * clock.SECOND
    manifest = {
        "apiVersion": kinds.API_VERSION,
        "kind": "ApprovalGate",
        "metadata": metadata,
        "spec": {
            **_question(wish, latch),
            "requestedBy": "",
            "requestSeq": 0,
            "tier": 3,
            "evidence": {"policy": [f"killed: {latch.reason}"[:512]], "costUSD": "0"},
            "required": decisions.REQUIRED,
            "deadline": clock.whole(deadline),
            "message": _how_to_decide(name, wish),
            "decisions": [],
        },
    }
    found, is_new = await ctx.kube.create_or_get(kube.GATES, wish.namespace, manifest)
    ctx.keep(found)
    if is_new:
        log.info("recovery_asked", gate=name, tenant=wish.namespace)


def gate_name(wish: decisions.Wish, latch: decisions.Latch, ask: int) -> str:
    """The recovery gate of one latch; asked again after a no, it has a number."""
    name = names.recovery_gate(wish.scope, wish.name, latch.position)
    return name if ask == 1 else f"{name}-{ask}"


def _question(wish: decisions.Wish, latch: decisions.Latch) -> dict[str, Any]:
    return {"recovery": {"scope": wish.scope, "name": wish.name, "since": latch.since}}


def _how_to_decide(name: str, wish: decisions.Wish) -> str:
    first = gate.how_to_decide(name, wish.namespace)
    return f"Lifts the kill of {wish.scope.lower()} {wish.name} once its kill switch is taken back. {first}"


def _latch(entry: control.Entry | None) -> decisions.Latch | None:
    if entry is None or entry.record is None or not entry.record.engaged:
        return None
    since = clock.whole(clock.parse(entry.record.at))
    return decisions.Latch(position=entry.position, since=since, reason=entry.record.reason)


def _gates(ctx: Context, wish: decisions.Wish, latch: decisions.Latch) -> list[decisions.Gate]:
    found: list[decisions.Gate] = []
    while True:
        ask = len(found) + 1
        name = gate_name(wish, latch, ask)
        there = ctx.cache.get(Key("ApprovalGate", wish.namespace, name))
        if there is None:
            return found
        spec = there["spec"]
        found.append(
            decisions.Gate(
                name=name,
                ask=ask,
                is_forged=spec.get("recovery") != _question(wish, latch)["recovery"],
                is_expired=ctx.now() > clock.parse(spec["deadline"]),
                decisions=answers(there),
            )
        )


def answers(found: kube.Object) -> list[Decision]:
    """What people said on a gate."""
    return [
        Decision(
            approver=given["approver"],
            is_approval=given["verdict"] == "Approved",
            reason=given.get("reason", ""),
        )
        for given in found["spec"].get("decisions", [])
    ]


async def _hold(
    ctx: Context, key: Key, wish: decisions.Wish, latch: decisions.Latch, asked: decisions.Gate
) -> Latched:
    shown = {**_shown(latch), "gate": asked.name}
    if wish.scope == "Tool":
        finding = await _acknowledgement(ctx, key, latch)
    else:
        finding = await _ending(ctx, key, wish, latch)
    return Latched(shown=shown, finding=finding)


def _shown(latch: decisions.Latch) -> dict[str, Any]:
    return {"engaged": True, "since": latch.since, "reason": latch.reason[:256]}


def _unasked(latch: decisions.Latch, error: errors.KubeError) -> Latched:
    """The kill stands, and nobody can be asked to lift it: a quota, a policy, or the namespace's end is in the way."""
    message = f"killed: {latch.reason}; the ApprovalGate that may lift it is refused: {error.message}"
    return Latched(shown=_shown(latch), finding=condition.holds("Killed", "ChildRefused", message))


def _forged(held: Latched, found: decisions.Gate) -> Latched:
    """The kill stands, and a person must remove what stands in the way of ever lifting it."""
    message = f"{held.finding.message}; ApprovalGate {found.name} exists and is not ours: delete it in the operator's name"
    return Latched(shown=held.shown, finding=condition.holds("Killed", "ChildForged", message))


async def _acknowledgement(ctx: Context, key: Key, latch: decisions.Latch) -> Finding:
    """Has every gateway seen it? A tool's kill ends no run, so there is nothing else to wait for."""
    behind = (await gateways.behind(ctx.nc, latch.position)).gateways
    since = (ctx.now() - clock.parse(latch.since)) / clock.SECOND
    if not behind and since >= _OLD_SECONDS:
        return condition.holds("Killed", "Killed", f"killed: {latch.reason}; every gateway refuses it")
    is_recent = since < gateways.PATIENCE_SECONDS
    ctx.queue.wake(key, _LOOK_AGAIN_SECONDS if is_recent else gateways.PATIENCE_SECONDS)
    who = (
        f"not yet confirmed by {', '.join(behind)}"
        if behind
        else "every gateway that answers refuses it already"
    )
    return condition.holds(
        "Killed", "KillSpreading" if is_recent else "GatewaysSilent", f"killed: {latch.reason}; {who}"
    )


async def _ending(ctx: Context, key: Key, wish: decisions.Wish, latch: decisions.Latch) -> Finding:
    """Is a run of this scope left that is not over? Woken again until there is none."""
    # those that we hold cost nothing to ask; only once none of them is left, everything that was ever named is asked
    left = _known_left(ctx, wish) or await _left(ctx, wish)
    if left:
        for run in left:
            ctx.queue.wake(run)
        ctx.queue.wake(key, _LOOK_AGAIN_SECONDS)
        named = ", ".join(sorted(run.name for run in left)[:_MOST_NAMED])
        message = f"killed: {latch.reason}; still to end: {named}"
        return condition.holds("Killed", "KillSpreading", message)
    in_flight = sum(len(state.claims) for _, state in _states(ctx, wish))
    claims = f"; {in_flight} calls in flight, their gateways still record the outcome" if in_flight else ""
    return condition.holds("Killed", "Killed", f"killed: {latch.reason}; every run has ended{claims}")


def _known_left(ctx: Context, wish: decisions.Wish) -> list[Key]:
    """The runs of this scope that we hold and that are not over."""
    return [run for run, state in _states(ctx, wish) if not state.is_over]


async def _left(ctx: Context, wish: decisions.Wish) -> list[Key]:
    """The runs of this scope that are not known to be over.

    Asked of the names' own record, not of what this process has met: it may have just started. A run that is recorded
    later meets the latch before its first attempt.
    """
    left: list[Key] = []
    for (tenant, name), records in (await ctx.names.listed(wish.namespace)).items():
        run = Key("Execution", tenant, name)
        try:
            record = await _record(ctx, run, records)
        except errors.NameUnreadableError:
            left.append(run)  # nobody can tell which log it has; its own status says so
            continue
        if record is None or record.xid in ctx.logs.over:
            continue
        state = ctx.logs.peek(record.xid)
        if state is None or not state.seq:
            state = await ctx.logs.hold(tenant, record.xid, record.shard).log.refresh()
        if _is_meant(wish, state) and not state.is_over:
            left.append(run)
    return left


async def _record(ctx: Context, run: Key, records: int) -> names_log.Record | None:
    """Which log the name has; None where it is free. Asked again only where there is another record."""
    known = ctx.runs.recorded.get(run)
    if known is None or known[0] != records:
        entry = await ctx.names.lookup(run.namespace, run.name)
        is_bound = entry is not None and entry.record.state == "bound"
        known = records, entry.record if entry is not None and is_bound else None
        ctx.runs.recorded[run] = known
    return known[1]


def _is_meant(wish: decisions.Wish, state: State) -> bool:
    """A run that has not begun meets the latch before it begins."""
    if state.started is None:
        return False
    return wish.scope == "Tenant" or state.started.strategy == wish.name


def _states(ctx: Context, wish: decisions.Wish) -> Iterator[tuple[Key, State]]:
    """The runs of this scope that we hold."""
    for run, (_, binding) in ctx.runs.by_key.items():
        state = ctx.logs.peek(binding.xid)
        if run.namespace == wish.namespace and state is not None and _is_meant(wish, state):
            yield run, state


def owner_key(found: kube.Object) -> Key | None:
    """Whose kill a recovery gate is about."""
    recovery = found["spec"].get("recovery")
    if not recovery:
        return None
    kind = {"Tenant": "Namespace", "Strategy": "AgentStrategy", "Tool": "ToolContract"}[recovery["scope"]]
    namespace = "" if kind == "Namespace" else found["metadata"]["namespace"]
    return Key(kind, namespace, recovery["name"])
