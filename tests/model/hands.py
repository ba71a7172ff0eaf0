"""What does a gateway do? Requests, claims, sends, results, take-overs: decided by its own functions.

Mirrors `keelstep_gateway.wishes`, `perform` and `takeover`: what is decided there in a state is asked here of the same
functions, and what they write is built by the same `Scribe`. A gateway has one call in flight.
"""

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

import immutables
from msgspec import structs

from keelstep.domain import call, canonical, contract, outcome, reconcile, retry, takeover, undo, unwind
from keelstep.domain.state import Claim, Place, State
from keelstep.events import clock, types
from keelstep.events.value import Value
from keelstep.log.spine import Proposal
from keelstep_gateway.records import Scribe, Work
from tests.model import cast, invariants, world
from tests.model.defects import Defect
from tests.model.explorer import Broken
from tests.model.journal import Journal
from tests.model.world import Again, Call, Claimed, Hand, Report, Sent, Take, Undo, World

_SECOND_OF_TICK = 30
_LEFT_SECONDS = 10.0
_STOP = call.Stop(scope="strategy", reason="killed")
_SEEN: Mapping[str, outcome.Seen] = {
    "ok": outcome.Answer(status=200, body=b"{}"),
    "failed": outcome.NoAnswer(reason="RunEnded", message="", error_class=outcome.INVALID, was_sent=False),
    "unknown": outcome.NoAnswer(reason="Timeout", message="", error_class="Timeout", was_sent=True),
    "refused": outcome.Answer(status=503, body=b""),
}
"""What is seen of a call, by what it comes to."""


class Made(NamedTuple):
    """A call as it is sent."""

    tool: str
    key: str
    args: str


class Hands:
    """Every gateway there is."""

    def __init__(self, journal: Journal, defect: Defect | None) -> None:
        self.journal, self.defect = journal, defect
        self.pinned = cast.WRONGLY_KEYED if defect is Defect.WRONG_KEY else cast.PINNED
        self.verdict = functools.cache(self._verdict)
        self.propose = functools.cache(self._propose)
        self.why_not = functools.cache(self._why_not)

    def _verdict(self, wish: Call, *, knows: bool, node: int, tick: int) -> call.Verdict:
        """What `domain.call` says to a runner's wish."""
        state = self.journal.state(node, tick)
        if self.defect is Defect.NOBODY_ASKED and state.may_appeal(wish.place):
            state = structs.replace(
                state, results=state.results.delete(wish.place), keys=immutables.Map(), unknown=immutables.Map()
            )  # fmt: skip
        planned = state.step_at(wish.place)
        args = canonical.loads(cast.PAYLOADS[planned.args.digest]) if planned is not None else {}
        return call.decide_tool(
            call.Question(
                state=state, pinned=self.pinned, attempt=wish.attempt, place=wish.place, args=args,
                stop=_STOP if knows else None, now=cast.at(tick, _SECOND_OF_TICK),
            )
        )  # fmt: skip

    def _propose(self, wish: world.Wish, name: str, *, knows: bool, node: int, tick: int) -> Proposal | None:
        """What this gateway wants to append in this state."""
        state, scribe = self.journal.state(node, tick), Scribe(name)
        match wish:
            case Call():
                return self._begin(wish, state, scribe, knows, node, tick)
            case Undo():
                return self._undo(wish, state, scribe, knows, tick)
            case Take():
                return self._take(wish, state, scribe, knows, tick)
            case Report():
                return self._report(wish, state, scribe)
            case Again(report=report):
                return self._again(report, state, scribe, knows, tick) or self._report(report, state, scribe)
            case _:
                raise AssertionError(f"no gateway wants {wish}")

    def _begin(
        self, wish: Call, state: State, scribe: Scribe, knows: bool, node: int, tick: int
    ) -> Proposal | None:
        verdict = self.verdict(wish, knows=knows, node=node, tick=tick)
        planned = state.step_at(wish.place)
        tool = planned.tool if planned is not None else ""
        match verdict:
            case call.Deny():
                return scribe.denied(state, verdict, wish.place, tool)
            case call.Replay():
                return scribe.replayed(state, verdict, wish.place, tool)
            case call.Perform(needs_claim=True):
                return scribe.claimed(state, verdict, wish.place, _deadline(verdict.planned.tool, tick))
            case _:
                return None

    def _take(self, wish: Take, state: State, scribe: Scribe, knows: bool, tick: int) -> Proposal | None:
        claim = state.claims.get(wish.place)
        if claim is None or claim.owner != wish.owner or claim.performances != wish.performances:
            return None
        spec = self.pinned.contracts[claim.tool]
        stop, now = (_STOP if knows else None), cast.at(tick, _SECOND_OF_TICK)
        verdict = takeover.decide(state, claim, spec, stop, now)
        if self.defect is Defect.TAKE_UNCHECKED:
            verdict = takeover.Retry()
        match verdict:
            case takeover.Retry():
                return scribe.taken_over(state, claim, _deadline(claim.tool, tick))
            case takeover.Settle() if wish.said:
                return scribe.settled(state, claim, _read(wish.said), _output(wish.said), None)
            case takeover.Settle(message=message):
                return scribe.given_up(state, claim, message)
            case takeover.Wait():
                return None

    def _again(self, report: Report, state: State, scribe: Scribe, knows: bool, tick: int) -> Proposal | None:
        claim = state.claims.get(report.place)
        if claim is None or claim.seq != report.claim_seq or claim.owner != scribe.owner:
            return None
        spec, now = self.pinned.contracts[claim.tool], cast.at(tick, _SECOND_OF_TICK)
        judged = outcome.judge(spec, _SEEN[report.status])
        again = retry.decide(
            spec,
            judged,
            attempts=claim.performances,
            seed=claim.event_id,
            left_seconds=_LEFT_SECONDS,
            now=now,
        )
        if again is None or retry.why_not(state, claim, _STOP if knows else None, now):
            return None
        if self.defect is Defect.CERTAIN:
            judged = dataclasses.replace(judged, status="failed")
        return scribe.retried(state, claim, judged, again)

    def _report(self, wish: Report, state: State, scribe: Scribe) -> Proposal | None:
        if self.defect is Defect.RESULT_YIELDS and state.attempt != wish.attempt:
            return None
        claim, planned = state.claims.get(wish.place), state.step_at(wish.place)
        if claim is None and planned is None:
            return None  # an undo that somebody else has ended
        tool = claim.tool if claim is not None else planned.tool if planned is not None else ""
        spec = self.pinned.contracts[tool]
        judged = _read(wish.status) if wish.is_read else outcome.judge(spec, _SEEN[wish.status])
        output = cast.OUTPUT if judged.output is not None else None
        return scribe.performed(state, self._work(wish, claim, planned), judged, output, 1, 0)

    def _work(self, wish: Report, claim: Claim | None, planned: types.PlannedCall | None) -> Work:
        made = claim if claim is not None else planned
        assert made is not None
        assert made.args is not None
        key = claim.key if claim is not None else self.key(wish.place, planned) if planned is not None else ""
        spec = self.pinned.contracts[made.tool]
        return Work(
            place=wish.place, tool=made.tool, spec=spec, args=made.args, key=key, tier=spec.consequence_tier,
            contract_digest=cast.DIGESTS[made.tool], estimate_micro_usd=contract.estimate_micro_usd(spec),
            claim_seq=wish.claim_seq, boot_deadline=0, undoes=claim.undoes if claim is not None else None,
        )  # fmt: skip

    def undo_call(self, state: State, seq: int) -> undo.Call | None:
        """The call that undoes what an event recorded."""
        target = next((each for each in unwind.targets(state) if each.seq == seq), None)
        planned = state.planned_at(target.place) if target is not None else None
        if target is None or planned is None:
            return None
        args = canonical.loads(cast.PAYLOADS[planned.args.digest])
        result = state.end_of(target.place)
        key = result.data.idempotency_key if result is not None else ""
        return undo.build(cast.CONTRACTS[target.tool], planned.args, args, key, {})

    def _undo(self, wish: Undo, state: State, scribe: Scribe, knows: bool, tick: int) -> Proposal | None:
        asked = state
        if self.defect is Defect.UNDO_ALIVE and not state.is_unwinding:
            asked = structs.replace(state, cancelled=types.Interruption(by="nobody", reason="x"))
        verdict = undo.decide(
            undo.Question(
                state=asked, pinned=self.pinned, attempt=wish.attempt, seq=wish.seq,
                call=self.undo_call(state, wish.seq), problem="", stop=_STOP if knows else None, platform=None,
                now=cast.at(tick, _SECOND_OF_TICK),
            )
        )  # fmt: skip
        place = unwind.place_of(wish.seq)
        match verdict:
            case call.Deny():
                return scribe.denied(state, verdict, place, cast.DROP, undoes=wish.seq)
            case call.Perform():
                return scribe.claimed(state, verdict, place, _deadline(cast.DROP, tick), undoes=wish.seq)
            case _:
                return None

    def key(self, place: Place, planned: types.PlannedCall) -> str:
        """The key that a call is sent with."""
        args = canonical.loads(cast.PAYLOADS[planned.args.digest])
        return contract.idempotency_key(
            cast.XID, planned.tool, self.pinned.contracts[planned.tool], args, place
        )

    def _why_not(self, doing: Claimed, name: str, *, knows: bool, node: int, tick: int) -> str:
        """Why nothing may be sent, or nothing where it may: `perform`'s last look, at the log up to this node."""
        state = self.journal.state(node, tick)
        if tick > doing.tick:
            return "DeadlineExceeded"
        stop = _STOP if knows and self.defect is not Defect.SEND_UNCHECKED else None
        if doing.claim_seq is None:
            return "RunEnded" if state.is_over else "Killed" if stop is not None else ""
        return call.may_send(state, doing.claim_seq, doing.place, name, stop)

    def answers(self, tool: str) -> Sequence[Literal["ok", "unknown", "refused"]]:
        """What may come of a call that is sent."""
        if tool == cast.READ:
            return ("ok",)
        return ("ok", "unknown", "refused") if tool == cast.AGAIN else ("ok", "unknown")

    def send(
        self,
        before: World,
        hand: Hand,
        place: Place,
        claim_seq: int | None,
        *,
        is_frozen: bool,
        is_refused: bool = False,
        is_late: bool = False,
    ) -> tuple[World, Broken | None]:
        """The tool gets the call: its ledger afterwards, and what that shows to be wrong."""
        made = self.made(before, place, claim_seq)
        if made.tool == cast.READ:
            return before, None
        key, effect = made.key, f"{made.tool} {place}"
        if made.tool == cast.KEYED:
            effect = f"{made.tool} {made.args}"
        known = [each for each in before.ledger if (each.effect, each.key) == (effect, key)]
        most = {cast.AGAIN: 3, cast.PLEAD: 4}.get(made.tool, 2)
        times = min(sum(each.times for each in known) + 1, most)
        is_done = not (is_refused or is_late) or any(each.is_done for each in known)
        sent = Sent(effect, key, times, is_done, is_late)
        others = [each for each in before.ledger if each not in known]
        broken = invariants.of_send(self.journal, before, hand, made.tool, place, sent, is_frozen=is_frozen)
        return before._replace(ledger=tuple(sorted([*others, sent]))), broken

    def made(self, now: World, place: Place, claim_seq: int | None) -> Made:
        """The call that a claim is about, whatever became of it, or a free read."""
        for each in self.journal.path(now.head):
            data = each.event.data if each.event is not None else None
            if isinstance(data, types.ToolCalled) and each.event is not None and each.event.seq == claim_seq:
                return Made(data.tool, data.idempotency_key, str(data.args.inline))
        planned = self.journal.state(now.head, now.tick).step_at(place)
        assert planned is not None
        return Made(planned.tool, self.key(place, planned), str(planned.args.inline))


def _read(said: str) -> outcome.Judged:
    """What a call came to, by the word of a read."""
    rule = cast.CONTRACTS[cast.FOUND].failure_policy.reconcile
    assert rule is not None
    return reconcile.judged(reconcile.Said(output=b"{}" if said == "ok" else None), rule, 0)


def _output(said: str) -> Value | None:
    return cast.OUTPUT if said == "ok" else None


def _deadline(tool: str, tick: int) -> int:
    budget = retry.budget_seconds(cast.CONTRACTS[tool]) * clock.SECOND
    return cast.at(tick, _SECOND_OF_TICK) + budget
