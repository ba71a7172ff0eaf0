"""What becomes of a runner's wish to make a planned call? Gather, decide, apply.

    the log as of now ─► is this process making that call? wait for it
       │
       ▼
    decide_tool ─► Answered ──► its recorded result
                ├► Refuse, AskGate ──► said, not recorded
                ├► Join ──► its owner is alive? wait · silent? take it over
                └► Deny, Replay, Perform ──► decided again in exactly the state that the append extends

Every branch that is no answer ends where it began: with the log as of now (`hold` says when that must be read).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, assert_never

from keelstep import errors
from keelstep.domain import call, outcome
from keelstep.domain.state import Place, State
from keelstep.events import clock
from keelstep.log.spine import Proposal
from keelstep_gateway import answers
from keelstep_gateway.executions import Executions
from keelstep_gateway.hold import Hold
from keelstep_gateway.law import Law
from keelstep_gateway.perform import Performer
from keelstep_gateway.records import Scribe, Work
from keelstep_gateway.takeover import TakeOver

Ask = Callable[[State], call.Question]
"""The question, in a given state."""


@dataclass(frozen=True, slots=True)
class _Gathered:
    """Everything a verdict rests on besides the state."""

    ask: Ask
    args: dict[str, Any]


@dataclass(slots=True, kw_only=True)
class ToolCalls:
    """Answers the verb `tool`."""

    scribe: Scribe
    executions: Executions
    law: Law
    performer: Performer
    takeover: TakeOver

    async def answer(self, hold: Hold, attempt: int, place: Place, seen: int) -> answers.Answer:
        """The answer to one wish of an asker who has seen the log up to this stream sequence.

        Raises:
            errors.KeelstepError: it cannot be answered now.
        """
        while True:
            state = await hold.read_up_to(seen)
            if await hold.landed(place):
                continue
            if state.undecidable:
                raise errors.UndecidableError(hold.xid, state.undecidable)
            if state.started is None:
                return answers.refuse("NotBegun", "there is no such run yet", is_transient=True)
            gathered = await self._gather(hold, state, attempt, place)
            verdict = call.decide_tool(gathered.ask(state))
            match verdict:
                case call.Answered():
                    return answers.Recorded(position=state.position)
                case call.Refuse():
                    return answers.refused(verdict)
                case call.AskGate():
                    return answers.NeedsGate(tier=verdict.tier)
                case call.Join():
                    await self.takeover.join_tool(hold, verdict.claim)
                case call.Perform():
                    await self.performer.prepare(hold.tenant, verdict.spec)
                    await self._begin(hold, gathered, place)
                case call.Deny() | call.Replay():
                    await self._begin(hold, gathered, place)
                case _:
                    assert_never(verdict)

    async def _gather(self, hold: Hold, state: State, attempt: int, place: Place) -> _Gathered:
        pinned = await self.executions.pinned(hold, state)
        planned = state.step_at(place)
        args: dict[str, Any] = {}
        problem = ""
        if planned is not None and place not in state.results:
            args, problem = await self.executions.arguments(hold, planned.args)
        tool = planned.tool if planned is not None else ""

        def ask(now: State) -> call.Question:
            return call.Question(
                state=now,
                pinned=pinned,
                attempt=attempt,
                place=place,
                args=args,
                args_problem=problem,
                stop=self.law.standing(now, tool),
                now=self.law.now(),
            )

        return _Gathered(ask, args)

    async def _begin(self, hold: Hold, gathered: _Gathered, place: Place) -> None:
        await hold.fly(place, lambda: self._apply(hold, gathered, place))

    async def _apply(self, hold: Hold, gathered: _Gathered, place: Place) -> None:
        """Record the verdict as of the state it is appended to, and perform the call where that is it."""
        verdict: call.Verdict | None = None

        def propose(state: State) -> Proposal | None:
            nonlocal verdict
            verdict = call.decide_tool(gathered.ask(state))
            planned = state.step_at(place)
            tool = planned.tool if planned is not None else ""
            match verdict:
                case call.Deny():
                    return self.scribe.denied(state, verdict, place, tool)
                case call.Replay():
                    return self.scribe.replayed(state, verdict, place, tool)
                case call.Perform(needs_claim=True):
                    deadline = self.law.now() + outcome.budget_seconds(verdict.spec) * clock.SECOND
                    return self.scribe.claimed(state, verdict, place, deadline)
                case _:
                    return None

        begun = clock.boot()
        event = await hold.append(propose)
        if not isinstance(verdict, call.Perform):
            return
        work = Work(
            place=place,
            tool=verdict.planned.tool,
            spec=verdict.spec,
            args=verdict.planned.args,
            key=verdict.key,
            tier=verdict.tier,
            contract_digest=hold.log.state.pins[verdict.planned.tool].digest,
            estimate_micro_usd=verdict.estimate_micro_usd,
            claim_seq=event.seq if event is not None else None,
            boot_deadline=begun + outcome.budget_seconds(verdict.spec) * clock.SECOND,
        )
        await self.performer.perform(hold, work, gathered.args)
