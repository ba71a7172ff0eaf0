"""What can a gateway do next? From a wish to a claim to a send to a result, and the sweep of what others left open.

A gateway may meet any wish of any attempt at any time, and takes any living one for silent where luck allows that. What it
decides is asked in `hands`.
"""

from collections.abc import Iterator, Sequence
from typing import Literal

from keelstep.domain import call, unwind
from keelstep.domain.state import Claim, Place
from keelstep.events import types
from keelstep.log.spine import Proposal
from tests.model import cast, fence, invariants, world
from tests.model.defects import Defect
from tests.model.explorer import Step
from tests.model.fence import Actor, Fence
from tests.model.hands import Hands
from tests.model.journal import Journal
from tests.model.world import (
    Again,
    Call,
    Claimed,
    Doing,
    Doubting,
    Flying,
    Hand,
    Report,
    Take,
    Undo,
    Wish,
    World,
)

_SILENT = ("ClaimClosed", "ClaimTakenOver")


class Gateways:
    """The steps of every gateway."""

    def __init__(self, log: Journal, gate: Fence, defect: Defect | None) -> None:
        self.journal, self.fence, self.defect = log, gate, defect
        self.hands = Hands(log, defect)

    def steps(self, now: World, at: int, *, may_crash: bool) -> Iterator[Step[World]]:
        """Everything that the gateway at this place can do, and that can happen to it."""
        hand = now.hands[at]
        if hand.doing == world.DEAD:
            # it catches up with CONTROL before it does anything
            yield Step("a gateway starts", _with(now, at, Hand(knows=now.control != world.NOT_STOPPED)))
            return
        if now.control != world.NOT_STOPPED and not hand.knows:
            yield Step(f"{_who(hand)}: sees the stop", _with(now, at, hand._replace(knows=True)))
        if may_crash:
            yield from self._dying(now, at, hand)
        if hand.doing == world.IDLE:
            yield from self._wishes(now, at, hand)
        elif isinstance(hand.doing, Claimed):
            yield from self._sending(now, at, hand, hand.doing)
        elif isinstance(hand.doing, Doubting):
            yield from self._doubting(now, at, hand, hand.doing)
        else:
            yield from self.fence.appending(now, self._actor(at, hand, now.tick))

    def _actor(self, at: int, hand: Hand, tick: int) -> Actor:
        def propose(wish: Wish, node: int) -> Proposal | None:
            return self.hands.propose(wish, hand.name, knows=hand.knows, node=node, tick=tick)

        def put(now: World, doing: Doing) -> World:
            return _with(now, at, hand._replace(doing=doing))

        return Actor(_who(hand), "gw", hand.doing, propose, put, self._then)

    def _then(self, now: World, node: int) -> Doing:
        """After a claim it sends; after a result, or where nothing was stored, it is done."""
        event = self.journal.nodes[node].event if node else None
        if event is None or self.defect is Defect.CLAIM_LAST:
            return world.IDLE
        match event.data:
            case types.ToolCalled(plan_seq=plan_seq, index=index):
                claim_seq = event.seq
            case types.ToolRetried(plan_seq=plan_seq, index=index, claim_seq=claim_seq):
                pass
            case _:
                return world.IDLE
        return Claimed((plan_seq, index), claim_seq, event.envelope.attempt, now.tick, node)

    # --- what it may begin

    def _wishes(self, now: World, at: int, hand: Hand) -> Iterator[Step[World]]:
        state = self.journal.state(now.head, now.tick)
        named = hand if hand.name else hand._replace(name=self._new_name(now))
        actor = self._actor(at, named, now.tick)
        plan = state.plan
        assert plan is not None
        for attempt in range(1, state.attempt + 1):
            for planned in plan.steps:
                yield from self._call(now, at, named, actor, Call(attempt, (plan.seq, planned.index)))
            for target in unwind.targets(state):
                yield from self._undoing(now, actor, Undo(attempt, target.seq))
        for claim in state.claims.values():
            for said in self._said_of(now, claim):
                wish = Take(claim.place, claim.owner, claim.performances, said)
                yield from self._take(now, hand, actor, wish)

    def _undoing(self, now: World, actor: Actor, wish: Undo) -> Iterator[Step[World]]:
        published = self.fence.publish(now, actor, wish)
        if published is not None:
            what = f"{actor.who}: asked by attempt {wish.attempt} to undo event {wish.seq}, publishes what follows"
            yield Step(what, published)

    def _said_of(self, now: World, claim: Claim) -> Sequence[Literal["", "ok", "failed"]]:
        """What may be known of a claim that nobody may make again: a read says, or nothing does."""
        if claim.tool != cast.FOUND:
            return ("",)
        return ("", *self._found(now, claim.key))

    def _found(self, now: World, key: str) -> Sequence[Literal["ok", "failed"]]:
        """What a read of the tool's own books shows by now; nothing where an effect may still be on its way."""
        sent = next((each for each in now.ledger if each.key == key), None)
        if sent is not None and sent.is_done:
            return ("ok",)
        is_settled = sent is None or not sent.is_late or self.defect is Defect.HASTY_NO
        return ("failed",) if is_settled else ()

    def _call(self, now: World, at: int, hand: Hand, actor: Actor, wish: Call) -> Iterator[Step[World]]:
        asked = f"{actor.who}: asked for call {wish.place[1]} by attempt {wish.attempt}"
        for node in self.journal.readable(now):
            verdict = self.hands.verdict(wish, knows=hand.knows, node=node, tick=now.tick)
            if isinstance(verdict, call.Perform) and not verdict.needs_claim:
                reading = Claimed(wish.place, None, wish.attempt, now.tick, node)
                then = world.stale(now) if node != now.head else now
                yield Step(f"{asked}, it reads freely", _with(then, at, hand._replace(doing=reading)))
        verdict = self.hands.verdict(wish, knows=hand.knows, node=now.head, tick=now.tick)
        if isinstance(verdict, call.Perform) and self.defect is Defect.CLAIM_LAST:
            after, broken = self.hands.send(now, hand, wish.place, None, is_frozen=False)
            published = self.fence.publish(after, actor, wish)
            assert published is not None
            yield Step(f"{asked}, sends it and publishes the claim", published, broken)
            return
        published = self.fence.publish(now, actor, wish)
        if published is not None:
            what = (
                "a claim" if isinstance(verdict, call.Perform) else f"its result ({type(verdict).__name__})"
            )
            yield Step(f"{asked}, publishes {what}", published)

    def _take(self, now: World, hand: Hand, actor: Actor, wish: Take) -> Iterator[Step[World]]:
        """End a claim: its owner is dead, or is taken for dead, or is this gateway, which is not at it."""
        if self.defect is Defect.NO_SWEEP and not self._is_asked_for(now, hand, wish.place):
            return
        then = now
        is_alive = any(other.name == wish.owner and other.doing != world.DEAD for other in now.hands)
        if is_alive and hand.name != wish.owner:
            if not now.luck.suspicions:
                return
            then = now._replace(luck=now.luck._replace(suspicions=now.luck.suspicions - 1))
        published = self.fence.publish(then, actor, wish)
        if published is not None:
            yield Step(f"{actor.who}: publishes the end of the claim of {wish.owner}", published)

    def _is_asked_for(self, now: World, hand: Hand, place: Place) -> bool:
        """Whether a living runner waits for this call."""
        wishes = [Call(pod.attempt, place) for pod in now.pods if pod.doing != world.DEAD]
        verdicts = [
            self.hands.verdict(each, knows=hand.knows, node=now.head, tick=now.tick) for each in wishes
        ]
        return any(isinstance(verdict, call.Join) for verdict in verdicts)

    def _new_name(self, now: World) -> str:
        """New at every start: of no gateway that lives, in no log, and on no message on its way."""
        written = {fence.owner_of(letter.payload) for letter in now.ghosts}
        taken = self.journal.nodes[now.head].owners | {hand.name for hand in now.hands} | written
        return next(name for name in (f"g{number}" for number in range(1, 99)) if name not in taken)

    # --- what it does with a claim

    def _sending(self, now: World, at: int, hand: Hand, doing: Claimed) -> Iterator[Step[World]]:
        """The last check, and the call; or what stands in its way."""
        if doing.is_frozen:
            yield from self._sent(now, at, hand, doing, "wakes and sends")
            return
        reasons = {
            self.hands.why_not(doing, hand.name, knows=hand.knows, node=node, tick=now.tick)
            for node in [*self.journal.numbers(now.head, doing.since), doing.since]
        }
        for why in sorted(reasons):
            who = f"{_who(hand)}: checks, {why or 'free to send'}"
            if not why:
                yield from self._sent(now, at, hand, doing, "checks and sends")
                if now.luck.freezes:
                    then = now._replace(luck=now.luck._replace(freezes=now.luck.freezes - 1))
                    frozen = hand._replace(doing=doing._replace(is_frozen=True))
                    yield Step(f"{who}, is frozen", _with(then, at, frozen))
            elif why in _SILENT or doing.claim_seq is None:
                yield Step(who, _with(now, at, hand._replace(doing=world.IDLE)))
            else:
                report = Report(doing.place, doing.claim_seq, "failed", doing.attempt)
                yield self._reporting(now, at, hand, report, f"{who}, publishes the result")

    def _sent(self, now: World, at: int, hand: Hand, doing: Claimed, how: str) -> Iterator[Step[World]]:
        made = self.hands.made(now, doing.place, doing.claim_seq)
        if made.tool == cast.FOUND:
            for is_late in (False, True):
                after, broken = self.hands.send(
                    now, hand, doing.place, doing.claim_seq, is_frozen=doing.is_frozen, is_late=is_late
                )
                report = Report(doing.place, doing.claim_seq, "unknown", doing.attempt)
                doubting = _with(after, at, hand._replace(doing=Doubting(report, made.key)))
                what = "it happens late, or never" if is_late else "it happens"
                yield Step(f"{_who(hand)}: {how}, hears nothing; {what}", doubting, broken)
            return
        for status in self.hands.answers(made.tool):
            after, broken = self.hands.send(
                now,
                hand,
                doing.place,
                doing.claim_seq,
                is_frozen=doing.is_frozen,
                is_refused=status == "refused",
            )
            report = Report(doing.place, doing.claim_seq, status, doing.attempt)
            wish = Again(report) if status != "ok" and doing.claim_seq is not None else report
            what = f"{_who(hand)}: {how} call {doing.place[1]}: {status}"
            step = self._reporting(after, at, hand, wish, what)
            yield step if broken is None else Step(step.what, step.after, broken)
            if self.defect is Defect.UNCOUNTED and status != "ok":
                yield Step(f"{what}, tries again", _with(after, at, hand), broken)

    def _doubting(self, now: World, at: int, hand: Hand, doing: Doubting) -> Iterator[Step[World]]:
        """A read shows what came of it, or fails."""
        what = f"{_who(hand)}: the read fails, publishes the result"
        yield self._reporting(now, at, hand, doing.report, what)
        for said in self._found(now, doing.key):
            report = doing.report._replace(status=said, is_read=True)
            yield self._reporting(now, at, hand, report, f"{_who(hand)}: a read shows {said}, publishes it")

    def _reporting(self, now: World, at: int, hand: Hand, report: Report | Again, what: str) -> Step[World]:
        published = self.fence.publish(now, self._actor(at, hand, now.tick), report)
        if published is not None:
            return Step(what, published)
        idle = _with(now, at, hand._replace(doing=world.IDLE))
        return Step(f"{what}, records nothing", idle, invariants.of_silence(self.journal, now, report))

    def _dying(self, now: World, at: int, hand: Hand) -> Iterator[Step[World]]:
        poorer = now._replace(luck=now.luck._replace(crashes=now.luck.crashes - 1))
        letters = (hand.doing.letter,) if isinstance(hand.doing, Flying) else ()
        if hand.doing != world.IDLE or hand.name:
            dead = _with(poorer, at, Hand(doing=world.DEAD))._replace(ghosts=(*now.ghosts, *letters))
            yield Step(f"{_who(hand)}: crashes", dead)
        if isinstance(hand.doing, Claimed | Doubting):
            dropped = hand._replace(doing=world.IDLE)
            yield Step(f"{_who(hand)}: drops its call", _with(poorer, at, dropped))


def _with(now: World, at: int, hand: Hand) -> World:
    hands = list(now.hands)
    hands[at] = hand
    return now._replace(hands=tuple(hands))


def _who(hand: Hand) -> str:
    return f"gateway {hand.name}" if hand.name else "a gateway"
