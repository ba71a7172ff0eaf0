"""Which planned call does a runner wish for, and what does the verdict on that rest on?

A request names a plan and an index there; everything else is read from the log and from what the run has pinned. What
becomes of the wish is the same for every call (`wishes`), what may be made is decided in `domain.call`.
"""

from dataclasses import dataclass
from typing import Any

from keelstep.domain import call, cel
from keelstep.domain.state import Place, State
from keelstep_gateway import answers
from keelstep_gateway.executions import Executions
from keelstep_gateway.hold import Hold
from keelstep_gateway.law import Word
from keelstep_gateway.wishes import Wish, Wishes


@dataclass(slots=True, kw_only=True)
class ToolCalls:
    """Answers the verb `tool`."""

    executions: Executions
    wishes: Wishes

    async def answer(self, hold: Hold, attempt: int, place: Place, seen: int) -> answers.Answer:
        """The answer to one wish of an asker who has seen the log up to this stream sequence.

        Raises:
            errors.KeelstepError: it cannot be answered now.
        """
        return await self.wishes.answer(
            hold, place, seen, lambda state: self._gather(hold, state, attempt, place)
        )

    async def _gather(self, hold: Hold, state: State, attempt: int, place: Place) -> Wish:
        pinned = await self.executions.pinned(hold, state)
        planned = state.step_at(place)
        args: dict[str, Any] = {}
        problem = ""
        if planned is not None and place not in state.results:
            args, problem = await self.executions.arguments(hold, planned.args)
        tool = planned.tool if planned is not None else ""

        def decide(now: State, word: Word, evaluate: cel.Evaluate) -> call.Verdict:
            question = call.Question(
                state=now,
                pinned=pinned,
                attempt=attempt,
                place=place,
                args=args,
                args_problem=problem,
                stop=word.stop,
                platform=word.platform,
                now=word.now,
                evaluate=evaluate,
            )
            return call.decide_tool(question)

        return Wish(
            place=place, tool=tool, args=args, contracts=pinned.contracts, decide=decide, doubted=tool
        )
