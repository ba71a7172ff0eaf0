"""What does a gateway do? Requests, claims, sends, results, take-overs: decided by its own functions.

Mirrors `keelstep_gateway.toolcalls`, `perform` and `takeover`: what is decided there in a state is asked here of the same
functions, and what they write is built by the same `Scribe`. A gateway has one call in flight.
"""

import functools
from collections.abc import Mapping, Sequence
from typing import Literal

from keelstep.domain import call, canonical, contract, outcome, takeover
from keelstep.domain.state import Place, State
from keelstep.events import clock, types
from keelstep.log.spine import Proposal
from keelstep_gateway.records import Scribe, Work
from tests.model import cast, invariants, world
from tests.model.defects import Defect
from tests.model.explorer import Broken
from tests.model.journal import Journal
from tests.model.world import Call, Claimed, Hand, Report, Sent, Take, World

_SECOND_OF_TICK = 30
_STOP = call.Stop(scope="strategy", reason="killed")
_SEEN: Mapping[str, outcome.Seen] = {
    "ok": outcome.Answer(status=200, body=b"{}"),
    "failed": outcome.NoAnswer(reason="RunEnded", message="", error_class=outcome.INVALID, was_sent=False),
    "unknown": outcome.NoAnswer(reason="Timeout", message="", error_class="Timeout", was_sent=True),
}
"""What is seen of a call, by what it comes to."""


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
            case Take():
                return self._take(wish, state, scribe, knows, tick)
            case Report():
                return self._report(wish, state, scribe)
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
                return scribe.retried(state, claim, _deadline(claim.tool, tick))
            case takeover.Settle(message=message):
                return scribe.given_up(state, claim, message)
            case takeover.Wait():
                return None

    def _report(self, wish: Report, state: State, scribe: Scribe) -> Proposal | None:
        if self.defect is Defect.RESULT_YIELDS and state.attempt != wish.attempt:
            return None
        planned = state.step_at(wish.place)
        assert planned is not None
        spec = self.pinned.contracts[planned.tool]
        judged = outcome.judge(spec, _SEEN[wish.status])
        output = cast.OUTPUT if judged.output is not None else None
        return scribe.performed(state, self._work(wish.place, wish.claim_seq, planned), judged, output, 1, 0)

    def _work(self, place: Place, claim_seq: int | None, planned: types.PlannedCall) -> Work:
        spec = self.pinned.contracts[planned.tool]
        return Work(
            place=place, tool=planned.tool, spec=spec, args=planned.args, key=self.key(place, planned),
            tier=spec.consequence_tier, contract_digest=cast.DIGESTS[planned.tool],
            estimate_micro_usd=contract.estimate_micro_usd(spec), claim_seq=claim_seq, boot_deadline=0,
        )  # fmt: skip

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

    def answers(self, place: Place, state: State) -> Sequence[Literal["ok", "failed", "unknown"]]:
        """What may come of a call that is sent."""
        planned = state.step_at(place)
        assert planned is not None
        if planned.tool == cast.READ:
            return ("ok",)
        return ("ok", "unknown", "failed") if planned.tool == cast.ONCE else ("ok", "unknown")

    def send(
        self, before: World, hand: Hand, place: Place, *, is_frozen: bool
    ) -> tuple[World, Broken | None]:
        """The tool gets the call: its ledger afterwards, and what that shows to be wrong."""
        planned = self.journal.state(before.head, before.tick).step_at(place)
        assert planned is not None
        if planned.tool == cast.READ:
            return before, None
        key = self.key(place, planned)
        effect = (
            f"{planned.tool} {planned.args.inline}"
            if planned.tool == cast.KEYED
            else f"{planned.tool} {place[1]}"
        )
        times = next((each.times for each in before.ledger if each.effect == effect and each.key == key), 0)
        sent = Sent(effect, key, min(times + 1, 2))
        others = [each for each in before.ledger if (each.effect, each.key) != (effect, key)]
        broken = invariants.of_send(before, hand, planned.tool, place, sent, is_frozen=is_frozen)
        return before._replace(ledger=tuple(sorted([*others, sent]))), broken


def _deadline(tool: str, tick: int) -> int:
    budget = outcome.budget_seconds(cast.CONTRACTS[tool]) * clock.SECOND
    return cast.at(tick, _SECOND_OF_TICK) + budget
