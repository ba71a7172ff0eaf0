"""What becomes of a runner's wish to make a call, a planned one or one that undoes? Gather, decide, apply.

    the log as of now ─► is this process making that call? wait for it
       │
       ▼
    decide ─► Answered ──► its recorded result
           ├► Refuse, AskGate ──► said, not recorded (but what the rules say about a call that asks)
           ├► Deny{OutcomeUnknown} ──► the contract's read may find out what came of the earlier call
           ├► Join ──► its owner is alive? wait · silent? take it over
           ├► Perform ──► a result of another run answers it, or it waits for its turn (`limits`) and is performed
           └► Deny, Replay, Perform ──► decided again in exactly the state that the append extends

Every branch that is no answer ends where it began: with the log as of now (`hold` says when that must be read). What is
wished for, and what a verdict on it rests on, `toolcalls` and `undocalls` gather.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, assert_never

from keelstep import errors
from keelstep.domain import call, cel, policy, reconcile, retry
from keelstep.domain.state import Place, State
from keelstep.events import clock, types
from keelstep.events.value import Value
from keelstep.kinds.contract import ToolContractSpec
from keelstep.log.spine import Proposal
from keelstep_gateway import answers
from keelstep_gateway.cache import Cache, Hit
from keelstep_gateway.evaluator import Evaluator, NotEvaluatedError
from keelstep_gateway.executions import Executions
from keelstep_gateway.hold import FRESH_SECONDS, Hold
from keelstep_gateway.law import Law, Word
from keelstep_gateway.limits import admission, limiter
from keelstep_gateway.limits.admission import Admissions, Admitted
from keelstep_gateway.perform import Performer
from keelstep_gateway.reconcile import Reconciler
from keelstep_gateway.records import Scribe, Work
from keelstep_gateway.takeover import TakeOver


@dataclass(slots=True, kw_only=True)
class Wish:
    """A call that is wished for, and everything a verdict on it rests on besides the state and the law."""

    place: Place
    tool: str
    """Its contract; empty where there is no such call."""
    args: Mapping[str, Any]
    contracts: Mapping[str, ToolContractSpec]
    """The run's, as they are pinned."""
    decide: Callable[[State, Word, cel.Evaluate], call.Verdict]
    """The verdict in a given state, under the law as it is, with rules evaluated so."""
    doubted: str
    """The contract whose unknown outcome may stand in its way."""
    undoes: int | None = None
    """The result whose call it undoes."""
    _last: "_Decided | None" = None

    def verdict(self, state: State, word: Word, evaluate: cel.Evaluate) -> call.Verdict:
        """The verdict in this state at this moment. It is asked for again and again on the way to one append: where
        nothing came between, neither an event nor a word of the law nor time, it is still the one that it was."""
        last = self._last
        if last is not None and last.still_holds(state, word):
            return last.verdict
        verdict = self.decide(state, word, evaluate)
        self._last = _Decided(verdict, state, word)
        return verdict


@dataclass(frozen=True, slots=True)
class _Decided:
    """A verdict, and what it rested on."""

    verdict: call.Verdict
    state: State
    word: Word

    def still_holds(self, state: State, word: Word) -> bool:
        return (
            state is self.state
            and (word.stop, word.platform) == (self.word.stop, self.word.platform)
            and word.at - self.word.at <= FRESH_SECONDS * clock.SECOND
        )


Gather = Callable[[State], Awaitable[Wish]]


@dataclass(frozen=True, slots=True)
class _Held:
    """A result of another run that answers, its output stored in this one."""

    hit: Hit
    output: Value | None
    shown: types.Shown | None


@dataclass(slots=True, kw_only=True)
class Wishes:
    """Answers them."""

    scribe: Scribe
    executions: Executions
    law: Law
    performer: Performer
    reconciler: Reconciler
    takeover: TakeOver
    cache: Cache
    evaluator: Evaluator
    admissions: Admissions

    async def answer(self, hold: Hold, place: Place, seen: int, gather: Gather) -> answers.Answer:
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
            wish = await gather(state)
            verdict = await self._decide(wish, state)
            match verdict:
                case call.Answered():
                    return answers.Recorded(position=state.position)
                case call.Refuse():
                    return answers.refused(verdict)
                case call.AskGate():
                    if _is_on_record(verdict, state, place):
                        return answers.NeedsGate(tier=verdict.tier)
                    await self._begin(hold, wish)
                case call.Join():
                    await self.takeover.join_tool(hold, verdict.claim)
                case call.Perform():
                    held = await self._held(hold, state, verdict, wish)
                    if held is None:
                        await self.performer.sender.prepare(hold.tenant, verdict.spec)
                    await self._begin(hold, wish, held)
                case call.Deny(reason="OutcomeUnknown") if await self._is_known_now(hold, wish):
                    continue
                case call.Deny() | call.Replay():
                    await self._begin(hold, wish)
                case _:
                    assert_never(verdict)

    async def _decide(self, wish: Wish, state: State) -> call.Verdict:
        """What to do about it; apart, where rules may take a while."""
        spec = wish.contracts.get(wish.tool)
        if spec is None or policy.is_plain(self.law.platform(state.tenant), spec.policy):
            return self._verdict(wish, state, self.evaluator.evaluate)
        return await self.evaluator.apart(self._verdict, wish, state, self.evaluator.evaluate)

    def _verdict(self, wish: Wish, state: State, evaluate: cel.Evaluate) -> call.Verdict:
        return wish.verdict(state, self.law.word(state, wish.tool), evaluate)

    async def _is_known_now(self, hold: Hold, wish: Wish) -> bool:
        """Could the contract's read find out what came of its earlier calls?"""
        return bool(wish.doubted) and await self.reconciler.settle_unknown(hold, wish.doubted)

    async def _held(self, hold: Hold, state: State, verdict: call.Perform, wish: Wish) -> _Held | None:
        """A result of another run that answers this call, if there is one."""
        digest = state.pins[verdict.planned.tool].digest
        hit = await self.cache.find(hold, verdict, digest, wish.args, self.law.now())
        return _Held(hit, *await self.executions.keep(hold, verdict.spec, hit.output)) if hit else None

    async def _begin(self, hold: Hold, wish: Wish, held: _Held | None = None) -> None:
        await hold.fly(wish.place, lambda: self._apply(hold, wish, held))

    async def _apply(self, hold: Hold, wish: Wish, held: _Held | None) -> None:
        """Record the verdict as of the state it is appended to, and perform the call where that is it."""
        try:
            first = self._verdict(wish, hold.log.state, self.evaluator.known)
        except NotEvaluatedError:
            return
        admitted: Admitted | None = Admitted()
        if isinstance(first, call.Perform) and (held is None or first.gate is not None):
            admitted = await self._admitted(hold, wish, first)
        if admitted is None:
            return
        try:
            if not await self._record(hold, wish, held, admitted):
                admitted.settle(0)  # where nobody knows whether it is claimed, the money stays set aside
        except errors.LogFullError:
            admitted.settle(0)  # it is not
            raise
        finally:
            admitted.leave()

    async def _admitted(self, hold: Hold, wish: Wish, verdict: call.Perform) -> Admitted | None:
        """Wait for its turn; None where the call is not to be made any more."""

        def is_wanted(state: State) -> bool:
            try:
                return isinstance(self._verdict(wish, state, self.evaluator.known), call.Perform)
            except NotEvaluatedError:
                return False

        is_undo = wish.undoes is not None
        asked = limiter.Asked(
            hold=hold,
            tool=verdict.planned.tool,
            spec=verdict.spec,
            boot_deadline=admission.deadline(hold.log.state, verdict, self.law.now()),
            is_patient=verdict.gate is not None or is_undo,
            is_wanted=is_wanted,
        )
        return await self.admissions.ask(hold, verdict, asked, is_undo=is_undo)

    async def _record(self, hold: Hold, wish: Wish, held: _Held | None, admitted: Admitted) -> bool:
        """The rest of `_apply`; true where the call began, and what was admitted for it was used."""
        verdict: call.Verdict | None = None
        place, tool = wish.place, wish.tool
        turn = admitted.turn

        def propose(state: State) -> Proposal | None:
            nonlocal verdict
            # nobody may wait here: what was not evaluated in this very state is asked about again from the beginning
            verdict = self._verdict(wish, state, self.evaluator.known)
            if isinstance(verdict, call.Perform) and (held is None or verdict.gate is not None):
                verdict = admitted.denied or (verdict if turn is not None else None)
            match verdict:
                case None:
                    return None
                case call.Deny():
                    return self.scribe.denied(state, verdict, place, tool, undoes=wish.undoes)
                case call.Replay():
                    return self.scribe.replayed(state, verdict, place, tool)
                case call.AskGate() if not _is_on_record(verdict, state, place):
                    return self.scribe.ruled(state, verdict, place, tool)
                case call.Perform(gate=None) if held is not None:
                    return self.scribe.cached(state, verdict, place, held.output, held.shown, held.hit)
                case call.Perform(needs_claim=True):
                    seconds = reconcile.claim_seconds(verdict.spec, wish.contracts)
                    deadline = self.law.now() + seconds * clock.SECOND
                    waited_ms = turn.waited_ms if turn is not None else 0
                    return self.scribe.claimed(
                        state, verdict, place, deadline, undoes=wish.undoes, waited_ms=waited_ms
                    )
                case _:
                    return None

        begun = clock.boot()
        try:
            event = await hold.append(propose)
        except NotEvaluatedError:
            return False
        if not isinstance(verdict, call.Perform) or (held is not None and verdict.gate is None):
            return False
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
            policy=None if verdict.needs_claim else verdict.policy,
            undoes=wish.undoes,
            is_approved=verdict.gate is not None,
            boot_deadline=begun + retry.budget_seconds(verdict.spec) * clock.SECOND,
        )
        await self.performer.perform(hold, work, wish.args, admitted)
        return True


def _is_on_record(verdict: call.AskGate, state: State, place: Place) -> bool:
    """Whoever is asked will find what the rules say in the log, if there are any."""
    return verdict.policy is None or place in state.policies
