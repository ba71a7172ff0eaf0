"""What becomes of an append? The fence and its outcomes, the same for every writer.

Mirrors `keelstep.log.spine.Log.append`, which is the one thing here that is told again and not called: it waits on a
broker. Its parts keep their order: publish under an expectation; stored, refused, or nobody knows; read everything after
what was expected; found by its bytes, or decided again.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from keelstep.log.spine import Proposal
from tests.model import invariants, journal
from tests.model.defects import Defect
from tests.model.explorer import Step
from tests.model.journal import Journal
from tests.model.world import Doing, Flying, Letter, Looking, Wish, World


class Actor(NamedTuple):
    """One program in the middle of an append: who, what it wants, and where it is put back."""

    who: str
    writer: str
    doing: Doing
    propose: Callable[[Wish, int], Proposal | None]
    """Given the log as a node."""
    put: Callable[[World, Doing], World]
    then: Callable[[World, int], Doing]
    """What it does next, given the log up to its own event; 0 where nothing was stored."""


class Fence:
    """The broker's side of every append, and its writer's."""

    def __init__(self, log: Journal, defect: Defect | None) -> None:
        self.journal, self.defect = log, defect

    def publish(self, now: World, actor: Actor, wish: Wish) -> World | None:
        """The world once the writer has published what it wants on the log as it is; None where it wants nothing."""
        proposal = actor.propose(wish, now.head)
        if proposal is None:
            return None
        payload = journal.encode(self.journal.state(now.head, now.tick), proposal)
        return actor.put(now, Flying(wish, Letter(actor.writer, payload, now.head)))

    def accepts(self, now: World, letter: Letter) -> bool:
        """Whether the broker stores it."""
        return letter.expected == now.head or self.defect is Defect.NO_FENCE

    def appending(self, now: World, actor: Actor) -> Iterator[Step[World]]:
        """What becomes of a message on its way, or of one that nobody acknowledged."""
        doing = actor.doing
        if not isinstance(doing, Flying | Looking):
            return
        letter, name = doing.letter, type_of(doing.letter.payload)
        if isinstance(doing, Looking) or not self.accepts(now, letter):
            yield self._look(now, actor, doing.wish, letter)
            return
        node = self.journal.append(now.head, letter.writer, letter.payload, now.tick)
        stored = now._replace(head=node)
        broken = invariants.of_append(self.journal, now, node, is_acknowledged=True)
        yield Step(f"{actor.who}: {name} is stored", actor.put(stored, actor.then(stored, node)), broken)
        if now.luck.lost:
            unlucky = stored._replace(luck=now.luck._replace(lost=now.luck.lost - 1))
            broken = invariants.of_append(self.journal, now, node, is_acknowledged=False)
            what = f"{actor.who}: {name} is stored, its acknowledgement is lost"
            yield Step(what, actor.put(unlucky, Looking(doing.wish, letter)), broken)

    def _look(self, now: World, actor: Actor, wish: Wish, letter: Letter) -> Step[World]:
        """Refused, or not answered: read everything after what was expected, find it or decide again."""
        name = type_of(letter.payload)
        for node in reversed(list(self.journal.numbers(now.head, letter.expected))):
            if self._is_mine(node, letter, now.tick):
                broken = invariants.of_recognition(self.journal, node, letter.payload)
                return Step(f"{actor.who}: finds its {name}", actor.put(now, actor.then(now, node)), broken)
        decided_in = letter.expected if self.defect is Defect.STALE_APPEND else now.head
        proposal = actor.propose(wish, decided_in)
        if proposal is None:
            what = f"{actor.who}: {name} is refused; it wants nothing any more"
            broken = invariants.of_silence(self.journal, now, wish)
            return Step(what, actor.put(now, actor.then(now, 0)), broken)
        payload = journal.encode(self.journal.state(now.head, now.tick), proposal)
        again = Flying(wish, Letter(actor.writer, payload, now.head))
        return Step(f"{actor.who}: {name} is refused; publishes {proposal.type}", actor.put(now, again))

    def _is_mine(self, node: int, letter: Letter, tick: int) -> bool:
        stored, event = self.journal.nodes[node].stored, self.journal.nodes[node].event
        if event is None or not self.journal.is_event(node, tick) or stored.writer != letter.writer:
            return False
        if self.defect is Defect.MINE_BY_ID:
            return event.envelope.id == _field(letter.payload, b'"id":"')
        return stored.payload == letter.payload


def type_of(payload: bytes) -> str:
    """The type of an event of ours."""
    return _field(payload, b'"type":"')


def owner_of(payload: bytes) -> str:
    """The gateway that wrote it; empty where none did."""
    return _field(payload, b'"actor":"gateway/')


def _field(payload: bytes, start: bytes) -> str:
    return payload.partition(start)[2].partition(b'"')[0].decode()
