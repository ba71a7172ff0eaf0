"""Which call does a runner wish to be undone, by which call, and what does the verdict on that rest on?

A request names the event it is about; which contract undoes it, and with what arguments, is computed from the log and
the pinned contract. What becomes of the wish is the same for every call (`wishes`), what may be undone is decided in
`domain.undo`.
"""

from dataclasses import dataclass

from keelstep import errors
from keelstep.domain import call, canonical, cel, related, undo, unwind
from keelstep.domain.revision import Pinned
from keelstep.domain.state import State
from keelstep.events.value import MismatchError
from keelstep_gateway import answers
from keelstep_gateway.executions import Executions
from keelstep_gateway.hold import Hold
from keelstep_gateway.law import Word
from keelstep_gateway.wishes import Wish, Wishes


@dataclass(slots=True, kw_only=True)
class UndoCalls:
    """Answers the verb `undo`."""

    executions: Executions
    wishes: Wishes

    async def answer(self, hold: Hold, attempt: int, seq: int, seen: int) -> answers.Answer:
        """The answer to the wish to undo what this event recorded.

        Raises:
            errors.KeelstepError: it cannot be answered now.
        """
        place = unwind.place_of(seq)
        return await self.wishes.answer(
            hold, place, seen, lambda state: self._gather(hold, state, attempt, seq)
        )

    async def _gather(self, hold: Hold, state: State, attempt: int, seq: int) -> Wish:
        pinned = await self.executions.pinned(hold, state)
        target = next((each for each in unwind.targets(state) if each.seq == seq), None)
        made: undo.Call | None = None
        problem = ""
        if target is not None and target.is_known:
            try:
                made = await self._build(hold, state, pinned, target)
            except related.RelatedError as error:
                problem = str(error)
        tool = target.undo if target is not None else ""

        def decide(now: State, word: Word, evaluate: cel.Evaluate) -> call.Verdict:
            question = undo.Question(
                state=now,
                pinned=pinned,
                attempt=attempt,
                seq=seq,
                call=made,
                problem=problem,
                stop=word.stop,
                platform=word.platform,
                now=word.now,
                evaluate=evaluate,
            )
            return undo.decide(question)

        return Wish(
            place=unwind.place_of(seq),
            tool=tool,
            args=made.args if made is not None else {},
            contracts=pinned.contracts,
            decide=decide,
            doubted=target.tool if target is not None else "",
            undoes=seq,
        )

    async def _build(self, hold: Hold, state: State, pinned: Pinned, target: unwind.Target) -> undo.Call:
        """The call that undoes it; its arguments are kept before an event names them.

        Raises:
            related.RelatedError: it cannot be computed.
            errors.KeelstepError: what it follows from cannot be read now.
        """
        sealed, output, key = undo.source(state, target)
        args, unreadable = await self.executions.arguments(hold, sealed)
        if unreadable:
            raise related.RelatedError(f"the arguments of the call cannot be used: {unreadable}")
        try:
            payload = await self.executions.objects.open(hold.tenant, hold.xid, output)
        except (errors.PayloadMissingError, MismatchError) as error:
            raise related.RelatedError("the output of the call is not in the object store") from error
        made = undo.build(pinned.contracts[target.tool], sealed, args, key, canonical.loads(payload))
        if made.planned.args.ref is not None:
            await self.executions.objects.put(hold.tenant, hold.xid, made.planned.args, made.payload)
        return made
