"""What can happen to one run? Every step of operator, gateways, runners, people, time and fate.

A step is what a program does between two moments at which it can be interrupted: publish, learn what became of it, check
and send, crash. Whoever is stopped simply takes no step, so pauses of any length are in every exploration. An append is
two steps, and between them others go on; the fence is judged when the message arrives.
"""

from collections.abc import Iterator

from tests.model import cast, fence, invariants, journal, world
from tests.model.defects import Defect
from tests.model.explorer import Step
from tests.model.gateways import Gateways
from tests.model.law import Laws
from tests.model.loop import Loops
from tests.model.scenes import Scene
from tests.model.world import Claimed, Doubting, Hand, Pod, World

_PATIENT = (None, Defect.NO_SWEEP)
"""Under these, what is over is over: worlds that differ only in what nobody asks any more are one."""


class Protocol:
    """One scene under one defect, or none."""

    always_possible = invariants.CLOSES

    def __init__(self, scene: Scene, defect: Defect | None = None, *, is_deep: bool = False) -> None:
        self.scene, self.defect = scene, defect
        self.luck = scene.deep if is_deep else scene.luck
        self.journal = journal.Journal(defect)
        self.fence = fence.Fence(self.journal, defect)
        self.gateways = Gateways(self.journal, self.fence, defect)
        self.laws, self.loops = Laws(self.journal, self.fence, scene, defect), Loops(self.journal, self.fence)

    def begin(self) -> World:
        """The log up to its first plan; nobody has begun anything."""
        head = journal.EMPTY
        for writer, proposal in cast.beginning(self.scene.plan):
            payload = journal.encode(self.journal.state(head, 0), proposal)
            head = self.journal.append(head, writer, payload, 0)
            assert self.journal.nodes[head].event is not None
        return World(head=head, luck=self.luck, hands=(Hand(),) * self.scene.gateways, pods=(Pod(1),))

    def is_well(self, now: World) -> bool:
        """No claim is open."""
        return not self.journal.state(now.head, now.tick).claims

    def steps(self, now: World) -> Iterator[Step[World]]:
        """Everything that can happen next."""
        for step in self._steps(now):
            after = step.after
            if after.hands is now.hands and after.head == now.head and not after.ghosts:
                yield step
            else:
                yield Step(step.what, self._tidy(after), step.broken)

    def _steps(self, now: World) -> Iterator[Step[World]]:
        may_crash = bool(now.luck.crashes) and now.tick < self.scene.ticks
        seen: set[Hand] = set()
        for at, hand in enumerate(now.hands):
            if hand not in seen:  # gateways without a name are alike
                seen.add(hand)
                yield from self.gateways.steps(now, at, may_crash=may_crash)
        yield from self.laws.steps(now, may_crash=may_crash)
        for pod in now.pods:
            yield from self.loops.steps(now, pod, may_crash=may_crash)
        yield from self._fate(now)

    def _fate(self, now: World) -> Iterator[Step[World]]:
        late = next((sent for sent in now.ledger if sent.is_late), None)
        if late is not None:
            others = [sent for sent in now.ledger if sent is not late]
            there = late._replace(is_done=True, is_late=False)
            broken = invariants.of_late_effect(self.journal, now, late)
            yield Step("the effect appears", now._replace(ledger=tuple(sorted([*others, there]))), broken)
            gone = late._replace(is_late=False)
            yield Step("the effect never appears", now._replace(ledger=tuple(sorted([*others, gone]))))
        elif now.tick < self.scene.ticks:  # longer than any effect is on its way
            yield Step("time passes", now._replace(tick=now.tick + 1))
        if now.human == world.ASKED:
            yield Step("a person approves", now._replace(human=world.APPROVED))
            yield Step("a person rejects", now._replace(human=world.REJECTED))
        if self.scene.is_cancelled and not now.is_cancelled:
            yield Step("a person cancels", now._replace(is_cancelled=True))
        for letter in now.ghosts:
            if self.fence.accepts(now, letter):
                left = tuple(other for other in now.ghosts if other != letter)
                node = self.journal.append(now.head, letter.writer, letter.payload, now.tick)
                broken = invariants.of_append(self.journal, now, node, is_acknowledged=False)
                what = f"{fence.type_of(letter.payload)} of a dead writer is stored"
                yield Step(what, now._replace(head=node, ghosts=left), broken)

    def _tidy(self, now: World) -> World:
        """Forget what no longer matters, so that equal worlds look equal: letters the fence refuses for ever, names that
        own nothing, the order of gateways."""
        state = self.journal.state(now.head, now.tick)
        owners = {claim.owner for claim in state.claims.values()}
        hands = [
            Hand("", hand.knows)
            if hand.name and hand.doing == world.IDLE and hand.name not in owners
            else hand
            for hand in now.hands
        ]
        ghosts = now.ghosts
        if ghosts and self.defect is not Defect.NO_FENCE:
            ghosts = tuple(sorted({letter for letter in ghosts if letter.expected == now.head}))
        is_quiet = self.defect in _PATIENT and not now.luck.forgeries and not now.luck.stale
        if state.is_over and is_quiet:
            # honest runners write nothing more; to who is not about to send, a stop says nothing new; nobody is asked
            hands = [
                hand if isinstance(hand.doing, Claimed | Doubting) else hand._replace(knows=True)
                for hand in hands
            ]
            human = world.REJECTED if now.human == world.ASKED else now.human
            now = now._replace(pods=(), human=human, is_cancelled=True)
        hands.sort()
        return now._replace(hands=tuple(hands), ghosts=ghosts)
