"""How is an execution brought to where it should be?

    gather facts ─► decide ─┬─ an event is wanted ─► append (decided again in the state it extends) ─► gather again
                            └─ none ─► do what is to be done ─► show it in the status ─► look again when time says so

Everything may be done twice; a crash between any two lines is healed by the next look.
"""

import asyncio
import dataclasses

import pydantic
import structlog

from keelstep import errors, kinds, logs
from keelstep.domain.state import State
from keelstep.events import clock
from keelstep.events.envelope import Event
from keelstep.kinds import names
from keelstep.kinds.execution import TERMINAL_PHASES, Phase
from keelstep.kinds.gate import GatePhase
from keelstep.log import spine
from keelstep_operator.context import Context
from keelstep_operator.decide import actions, condition, phase, restored
from keelstep_operator.decide import execution as decisions
from keelstep_operator.decide.facts import NotReady
from keelstep_operator.queue import Key
from keelstep_operator.reconcile import apply, cutting, gather, revisions
from keelstep_operator.reconcile.gather import Situation
from keelstep_operator.status import Told

log = structlog.get_logger(__name__)

MOST_APPENDS = 8
"""In one look; more would mean that two questions undo each other."""
_STALLED_SECONDS = 10.0
"""What a person must mend is looked at again so often, beside every change that we see."""
_BAD_PHASES = frozenset({Phase.FAILED, Phase.KILLED})


async def reconcile(ctx: Context, key: Key) -> None:
    """Bring one execution to where it should be."""
    try:
        situation = await gather.gather(ctx, key)
    except (errors.NameInUseError, errors.NameUnreadableError) as error:
        await _refuse(ctx, key, error)
        return
    except errors.LogArchivedError as error:
        await _show_archived(ctx, key, error)
        return
    except pydantic.ValidationError as error:
        found = ctx.cache.get(key)
        if found is not None:
            await revisions.show_invalid(ctx, kinds.Execution, found, error)
        return
    if situation is None:
        return
    logs.concern(situation.xid, situation.facts.state.trace_id)
    for _ in range(MOST_APPENDS):
        wanted = decisions.decide(situation.facts).append
        if wanted is None:
            break
        if wanted.type == "exec.killed":
            # a kill concerns many: each is cut off at the broker before any is tidied up
            await _kill(ctx, situation, wanted)
            ctx.queue.wake(key)
            return
        stored = await _append(ctx, situation, wanted)
        is_new = stored is not None and stored.type == "exec.attempt"
        situation = await gather.refresh(ctx, situation, is_new=is_new)
        logs.concern(situation.xid, situation.facts.state.trace_id)
    outcome = decisions.decide(situation.facts)
    stalled = await apply.apply(ctx, situation, outcome.todo) or outcome.stalled
    await _show(ctx, situation, stalled)
    _wake(ctx, situation, outcome, is_stalled=stalled is not None)


async def _kill(ctx: Context, situation: Situation, wanted: actions.Append) -> None:
    """End its identities while the end is appended: a runner that writes without pause could keep us from appending."""
    both = (_append(ctx, situation, wanted), apply.cut_off(ctx, situation))
    for outcome in await asyncio.gather(*both, return_exceptions=True):
        if isinstance(outcome, BaseException):
            raise outcome


async def _append(ctx: Context, situation: Situation, wanted: actions.Append) -> Event | None:
    """Append the event, if in the state that it extends it is still wanted; None where it is not."""
    for value, payload in wanted.payloads:
        await ctx.objects.put(situation.tenant, situation.xid, value, payload)

    def propose(state: State) -> spine.Proposal | None:
        again = decisions.wanted_event(dataclasses.replace(situation.facts, state=state))
        if again is None or again.type != wanted.type:
            return None
        return spine.Proposal(
            type=again.type,
            data=again.data,
            id=again.id,
            actor="operator",
            attempt=state.attempt if again.attempt is None else again.attempt,
            step=state.step,
            trace_id=again.trace_id,
        )

    stored = await situation.held.log.append(propose)
    if stored is not None:
        ctx.metrics.events.labels(stored.type).inc()
        log.info(
            "event_appended",
            type=stored.type,
            seq=stored.seq,
            trace_id=stored.envelope.trace_id,
        )
    return stored


async def _show(ctx: Context, situation: Situation, stalled: tuple[str, str] | None) -> None:
    found = situation.found
    if found is None or ctx.cache.is_dead(found["metadata"]["uid"]):
        return
    start = situation.facts.start
    is_lost = isinstance(start, NotReady) and start.reason == restored.REASON
    if is_lost and found.get("status", {}).get("phase") in TERMINAL_PHASES:
        return  # how it ended is all that is left of it
    shown, findings = phase.status(situation.facts, stalled)
    stands = phase.standing(situation.facts, stalled)
    is_refused = isinstance(start, NotReady) and not start.is_pending
    is_bad = stands.phase in _BAD_PHASES or stalled is not None or is_refused
    told = Told(
        kind="Warning" if is_bad else "Normal",
        reason=stands.reason,
        note=f"{stands.phase.value}: {stands.message}" if stands.message else stands.phase.value,
    )
    said = " ".join(each.get("message", "") for each in found.get("status", {}).get("conditions", []))
    for caveat in phase.caveats(situation.facts.state):
        if caveat.note not in said:
            await ctx.recorder.tell(
                found, kind="Warning", reason=caveat.reason, note=caveat.note, action="Reconcile"
            )
    await ctx.statuses.write(kinds.Execution, found, shown, findings, told)
    _wake_gates(ctx, situation)


def _wake_gates(ctx: Context, situation: Situation) -> None:
    """A gate that does not show what the log says must look again."""
    state = situation.facts.state
    for asked in state.questions:
        key = Key("ApprovalGate", situation.tenant, names.gate(situation.key.name, asked.request_seq))
        found = ctx.cache.get(key)
        if found is None:
            continue
        is_pending = asked.decided is None and not state.is_over
        shown = found.get("status", {}).get("phase", "")
        if not shown or (shown == GatePhase.PENDING.value) != is_pending:
            ctx.queue.wake(key)


def _wake(ctx: Context, situation: Situation, outcome: decisions.Outcome, *, is_stalled: bool) -> None:
    facts = situation.facts
    moments = [outcome.wake_at, phase.worth_a_word_at(facts.pod)]
    for moment in moments:
        if moment is not None and moment > facts.now:
            ctx.queue.wake(situation.key, (moment - facts.now) / clock.SECOND + 0.01)
    if is_stalled:
        ctx.queue.wake(situation.key, _STALLED_SECONDS)


async def _cut_off(ctx: Context, key: Key, xid: str) -> None:
    """Its resource vanished before an operator tidied up: a run that is over keeps no identity."""
    entry = await ctx.names.lookup(key.namespace, key.name)
    if entry is None or entry.record.xid != xid:
        return
    state = await ctx.logs.hold(key.namespace, xid, entry.record.shard).log.refresh()
    if state.is_over:
        await cutting.revoke(ctx, state, range(1, state.attempt + 1))


async def _show_archived(ctx: Context, key: Key, error: errors.LogArchivedError) -> None:
    """It was done, and its log lies in an archive: how it ended is shown, and nothing is done again."""
    found = ctx.cache.get(key)
    if found is None:
        return
    succeeded = condition.holds if error.phase == Phase.SUCCEEDED else condition.fails
    await ctx.statuses.write(
        kinds.Execution,
        found,
        {
            "phase": error.phase,
            "reason": error.reason,
            "executionID": error.xid,
            "finishedAt": error.ended_at,
            "outcome": error.message,
        },
        [
            condition.holds("Accepted", error.reason, error.message),
            succeeded("Succeeded", error.reason, error.message),
            condition.fails("Stalled", error.reason),
        ],
        Told(kind="Normal", reason=error.reason, note=error.message),
    )


async def _refuse(ctx: Context, key: Key, error: errors.Stalled) -> None:
    """Nobody knows a log of this resource's under the name: nothing happens but that this is said."""
    found = ctx.cache.get(key)
    if found is None:
        return
    message = error.message
    if isinstance(error, errors.NameInUseError):
        await _cut_off(ctx, key, error.xid)
        ctx.runs.refused[found["metadata"]["uid"]] = error.xid
        message += ". Deleting this Execution while the operator runs ends that run and frees the name"
    await ctx.statuses.write(
        kinds.Execution,
        found,
        {"phase": Phase.PENDING.value, "reason": error.reason},
        [
            condition.fails("Accepted", error.reason, message),
            condition.unknown("Succeeded", error.reason, message),
            condition.holds("Stalled", error.reason, message),
        ],
        Told(kind="Warning", reason=error.reason, note=message),
    )
