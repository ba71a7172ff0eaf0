"""The agent's loop: read, decide, act, again.

Resuming is nothing special: a new attempt reads the same log and decides from the same fold. The process keeps no
state but what it has read, and may die between any two lines.

    refresh ──► load pinned revisions and payloads ──► turn.decide ──► act ─┐
       ▲                                                                    │
       └────────────────────────────────────────────────────────────────────┘
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import assert_never

import structlog
from msgspec import structs

from keelstep import errors
from keelstep.domain import revision, turn, unwind
from keelstep.domain.state import State
from keelstep.events import envelope, registry, types, value
from keelstep.log import ask, subjects
from keelstep.log.objects import Objects
from keelstep.log.spine import Log, Proposal
from keelstep_runner import builtins
from keelstep_runner.ask import Gateway
from keelstep_runner.payloads import Payloads

log = structlog.get_logger(__name__)

INLINE_BUDGET_BYTES = 16 * 1024
"""Payloads that stand inside one event; beyond it they go to the object store. With the most calls of a reply, each
with its own digests and names, the event still fits the stream."""
BEGIN_SECONDS = 10.0
"""How long a log that does not show this attempt yet is read again: a follower may be behind."""
BEGIN_PAUSE_SECONDS = 0.1
MOST_PAUSE_SECONDS = 8.0
"""The longest wait before a model call after failed ones."""


@dataclass(slots=True, kw_only=True)
class Loop:
    """One attempt at one execution."""

    spine: Log
    gateway: Gateway
    objects: Objects
    attempt: int
    payloads: Payloads = field(init=False)
    _pinned: revision.Pinned | None = None

    def __post_init__(self) -> None:
        self.payloads = Payloads(gateway=self.gateway, objects=self.objects)

    async def run(self) -> str:
        """Go on until this attempt is done; returns why.

        Raises:
            errors.UndecidableError: the log holds an event this version does not know.
            errors.BrokerClosedError: the identity was revoked or the broker is gone for good.
        """
        await self._begin()
        while True:
            state = self.spine.state
            if state.undecidable:
                raise errors.UndecidableError(state.xid, state.undecidable)
            if state.started is None:
                return "NotStarted"
            if self._pinned is None:
                self._pinned = await self._load_revisions(state)
            payloads = await self.payloads.load(state) if turn.needs_payloads(state) else {}
            action = turn.decide(state, self._pinned, payloads, self.attempt)
            log.debug("decided", action=type(action).__name__, seq=state.seq)
            try:
                stopped = await self._act(action, self._pinned)
            except errors.FencedError as fenced:
                return fenced.why
            if stopped:
                return stopped

    async def _begin(self) -> None:
        """Read the log until it shows this attempt, or something newer, or for long enough."""
        until = time.monotonic() + BEGIN_SECONDS
        while True:
            state = await self.spine.refresh()
            if state.attempt >= self.attempt or state.undecidable or time.monotonic() > until:
                return
            await asyncio.sleep(BEGIN_PAUSE_SECONDS)

    async def _load_revisions(self, state: State) -> revision.Pinned:
        started = state.started
        assert started is not None
        try:
            pins = started.contracts
            digests = [started.strategy_digest, *(pin.digest for pin in pins.values())]
            # at once: the first event waits for all of them
            first, *others = await asyncio.gather(*map(self._revision, digests))
            name, strategy = revision.load_strategy(first)
            contracts = {
                contract: revision.load_contract(payload)[1]
                for contract, payload in zip(pins, others, strict=True)
            }
        except revision.RevisionError as error:
            raise errors.Stalled("RevisionInvalid", str(error)) from error
        return revision.Pinned(
            strategy_name=name,
            strategy_digest=started.strategy_digest,
            strategy=strategy,
            contracts=contracts,
        )

    async def _revision(self, digest: str) -> bytes:
        payload = await self.gateway.object(digest, is_revision=True)
        if envelope.digest(payload) != digest:
            raise errors.PayloadMissingError(f"revision {digest[:12]}… is not what its digest says")
        return payload

    async def _act(self, action: turn.Action, pinned: revision.Pinned) -> str:
        """Do it; returns why the attempt is done, or nothing where it goes on."""
        match action:
            case turn.Stop():
                return action.reason
            case turn.AskModel():
                return await self._ask_model(action, pinned)
            case turn.Propose():
                await self._propose(action)
            case turn.AskTool():
                await self._ask_tool(action)
            case turn.Evaluate():
                await self._evaluate(action, pinned)
            case turn.AskGates():
                await self._ask_gates(action.questions)
            case turn.Finish():
                await self._finish(action)
            case turn.Unwind():
                await self._unwind(action)
            case turn.AskUndo():
                await self._ask_undo(action)
            case _:
                assert_never(action)
        return ""

    async def _ask_model(self, action: turn.AskModel, pinned: revision.Pinned) -> str:
        if action.failures:
            await asyncio.sleep(min(MOST_PAUSE_SECONDS, 2.0 ** (action.failures - 1)))
        request = await self.payloads.seal(action.messages, value.JSON, value.INLINE_LIMIT_BYTES)
        answer = await self.gateway.model(
            ask.AskModel(
                ordinal=action.ordinal,
                request=request,
                after=self.spine.read_position,
                seen=self.spine.state.position,
            )
        )
        await self.spine.refresh()
        if answer.refusal is not None:
            return await self._refused(answer.refusal, pinned)
        return ""

    async def _refused(self, refusal: ask.Refusal, pinned: revision.Pinned) -> str:
        """A model call refused for good: the run ends with that reason, where it is still ours to end."""
        action = turn.after_refusal(self.spine.state, self.attempt, refusal.reason, refusal.message)
        return await self._act(action, pinned)

    async def _ask_tool(self, action: turn.AskTool) -> None:
        answer = await self.gateway.tool(
            ask.AskTool(
                plan_seq=action.plan_seq,
                index=action.index,
                after=self.spine.read_position,
                seen=self.spine.state.position,
            )
        )
        await self.spine.refresh()
        if answer.gate is not None:
            question = turn.Question(plan_seq=action.plan_seq, index=action.index, tier=answer.gate.tier)
            await self._ask_gates([question])
        elif answer.refusal is not None:
            stop = turn.must_stop(self.spine.state, self.attempt)
            raise errors.FencedError(stop or answer.refusal.reason)

    async def _ask_undo(self, action: turn.AskUndo) -> None:
        answer = await self.gateway.undo(
            ask.AskUndo(undo=action.seq, after=self.spine.read_position, seen=self.spine.state.position)
        )
        state = await self.spine.refresh()
        target = unwind.next_target(state)
        if target is None or target.seq != action.seq:
            return  # that is settled, whatever was answered
        if answer.gate is not None:
            plan_seq, index = target.undo_place
            question = turn.Question(plan_seq=plan_seq, index=index, tier=answer.gate.tier, undoes=target.seq)
            await self._ask_gates([question])
        elif answer.refusal is not None:
            stop = turn.must_stop_undoing(state, self.attempt)
            raise errors.FencedError(stop or answer.refusal.reason)

    async def _unwind(self, action: turn.Unwind) -> None:
        unwinding = action.unwinding
        if action.output is not None:
            output = await self.payloads.seal(action.output, value.JSON, value.INLINE_LIMIT_BYTES)
            unwinding = structs.replace(unwinding, output=output)
        await self._append(unwinding, lambda now: True)

    async def _evaluate(self, action: turn.Evaluate, pinned: revision.Pinned) -> None:
        state, place = self.spine.state, (action.plan_seq, action.index)
        planned = state.step_at(place)
        assert planned is not None
        args, problem = await self.payloads.arguments(planned.args)
        call = builtins.Call(
            pinned=pinned,
            attempt=self.attempt,
            place=place,
            args=args,
            args_problem=problem,
            now=self.spine.read_at,
        )
        verdict = call.decide(state)
        if verdict is None:
            return
        judged = call.judge(verdict, await self.payloads.earlier(state, pinned, call.reads(verdict)))
        output, shown = None, None
        if judged is not None and judged.output is not None:
            output = await self.payloads.seal(judged.output, value.JSON, value.INLINE_LIMIT_BYTES)
            shown = await self.payloads.show(pinned.contracts[planned.tool], judged.output)
        data = call.result(state, verdict, judged, output, shown)
        await self._append(data, call.still(verdict, state), begins=1)

    async def _propose(self, action: turn.Propose) -> None:
        state = self.spine.state
        model = state.models[action.ordinal]
        share = INLINE_BUDGET_BYTES // (len(action.calls) + 1)
        steps = [
            types.PlannedCall(
                index=index,
                call_id=call.call_id,
                tool=call.tool,
                args=await self.payloads.seal(call.args, value.JSON, min(share, value.INLINE_LIMIT_BYTES)),
            )
            for index, call in enumerate(action.calls)
        ]
        summary = None
        if action.summary:
            limit = min(share, value.INLINE_LIMIT_BYTES)
            summary = await self.payloads.seal(action.summary.encode(), value.TEXT, limit)
        plan = types.PlanProposed(
            ordinal=action.ordinal,
            steps=steps,
            summary=summary,
            model=model.reply.model if model.reply is not None else "",
            prompt_version=state.started.strategy_digest if state.started is not None else "",
            prompt=model.request_digest,
            policy_checks=list(action.policy_checks),
        )
        await self._append(
            plan, lambda now: action.ordinal == now.ordinal and action.ordinal not in now.plans
        )

    async def _ask_gates(self, questions: Sequence[turn.Question]) -> None:
        for question in questions:
            asked = types.GateRequested(
                plan_seq=question.plan_seq,
                index=question.index,
                consequence_tier=question.tier,
                kind=question.kind,
                undoes=question.undoes,
            )
            await self._append(asked, _unasked(question), is_undoing=question.undoes is not None)

    async def _finish(self, action: turn.Finish) -> None:
        finished = action.finished
        if action.output is not None:
            output = await self.payloads.seal(action.output, value.JSON, value.INLINE_LIMIT_BYTES)
            finished = structs.replace(finished, output=output)
        await self._append(finished, lambda now: True)

    async def _append(
        self,
        data: types.Data,
        still_wanted: Callable[[State], bool],
        *,
        begins: int = 0,
        is_undoing: bool = False,
    ) -> None:
        """Append an event of ours while it is still wanted and we may still write; `begins` counts the steps it begins.

        Raises:
            errors.FencedError: a newer attempt, the end, a suspension or a cancellation came first.
        """
        name = registry.NAMES[type(data)]

        def propose(state: State) -> Proposal | None:
            must_stop = turn.must_stop_undoing if is_undoing else turn.must_stop
            why = must_stop(state, self.attempt)
            if why:
                raise errors.FencedError(why)
            if not still_wanted(state):
                return None
            return Proposal(
                type=name,
                data=data,
                id=envelope.identifier(state.xid, name, self.attempt, state.seq + 1),
                actor=f"runner/{subjects.attempt(self.attempt)}",
                attempt=self.attempt,
                step=state.step + begins,
            )

        await self.spine.append(propose)


def _unasked(question: turn.Question) -> Callable[[State], bool]:
    return lambda now: turn.is_to_ask(now, question)
