"""What does a log mean? Every log that can come to be, as a tree; each node is folded once, by the real fold.

A node is the log from the first message up to its own; equal logs are one node, so that a whole log is one number in a
state of the model. The broker is here too: it stores what it is given, at a time of its own.
"""

from collections.abc import Iterator

from msgspec import structs

from keelstep.domain import execution
from keelstep.domain.state import State
from keelstep.events import clock, envelope, types
from keelstep.events.envelope import Event
from keelstep.events.frame import Stored
from keelstep.log.spine import Proposal
from tests.model import cast
from tests.model.defects import Defect
from tests.model.world import World

EMPTY = 0
"""The log that holds nothing."""
_TS = clock.text(cast.BEGUN)


def _is_signed(writer: types.Writer, stored: Stored) -> bool:
    return stored.signature == writer.value


class Node:
    """A log, by its last message."""

    __slots__ = ("before", "outcome", "owners", "state", "stored")

    def __init__(
        self, before: int, stored: Stored, state: State, outcome: execution.Outcome, owners: frozenset[str]
    ) -> None:
        self.before, self.stored, self.state, self.outcome, self.owners = (
            before,
            stored,
            state,
            outcome,
            owners,
        )

    @property
    def event(self) -> Event | None:
        """The event that its last message is."""
        return self.outcome if isinstance(self.outcome, Event) else None


class Journal:
    """All logs."""

    def __init__(self, defect: Defect | None, xid: str = cast.XID) -> None:
        self.defect = defect
        first = Stored(position=0, writer="", stored_at=0)
        void = execution.Void(position=0, reason="")
        self.nodes = [Node(EMPTY, first, execution.begin(xid, cast.TENANT), void, frozenset())]
        self._children: dict[tuple[int, str, str, bytes, int], int] = {}
        self._late: dict[tuple[int, int], State] = {}

    def append(
        self, head: int, writer: str, payload: bytes, tick: int, *, signature: str | None = None
    ) -> int:
        """The log after the broker has stored one more message."""
        signed = writer if signature is None else signature
        key = (head, writer, signed, payload, tick)
        known = self._children.get(key)
        if known is None:
            known = self._children[key] = len(self.nodes)
            self.nodes.append(self._node(head, writer, signed, payload, tick))
        return known

    def _node(self, head: int, writer: str, signature: str, payload: bytes, tick: int) -> Node:
        before = self.nodes[head]
        stored = Stored(
            position=before.stored.position + 1, writer=writer, stored_at=cast.at(tick, 10), signature=signature,
            payload=payload,
        )  # fmt: skip
        state, outcome = self._advance(self.state(head, tick), stored)
        owner = getattr(outcome.data, "owner", "") if isinstance(outcome, Event) else ""
        return Node(head, stored, state, outcome, before.owners | {owner} if owner else before.owners)

    def _advance(self, state: State, stored: Stored) -> tuple[State, execution.Outcome]:
        if self.defect is not Defect.ACCEPT_VOID:
            return execution.advance(state, stored, _is_signed)
        found = envelope.decode(stored.payload)
        assert isinstance(found, Event)
        try:
            return execution.evolve(state, found, stored), found
        except (KeyError, AssertionError):
            return structs.replace(state, position=stored.position), execution.Void(position=0, reason="")

    def state(self, node: int, tick: int) -> State:
        """The fold of a log; who reads it when matters only where the fold looks at the time."""
        if self.defect is not Defect.EXPIRY_IN_FOLD:
            return self.nodes[node].state
        key = (node, tick)
        if key not in self._late:
            state = self.nodes[EMPTY].state
            for each in self.path(node):
                if _has_expired(each, cast.at(tick)):
                    state = structs.replace(state, position=each.stored.position)
                else:
                    state, _ = execution.advance(state, each.stored, _is_signed)
            self._late[key] = state
        return self._late[key]

    def is_event(self, node: int, tick: int) -> bool:
        """Whether everybody who reads the last message of a log takes it for an event."""
        if self.defect is not Defect.EXPIRY_IN_FOLD:
            return self.nodes[node].event is not None
        return self.state(node, tick).seq > self.state(self.nodes[node].before, tick).seq

    def path(self, node: int, after: int = EMPTY) -> list[Node]:
        """The messages after a shorter log, in order."""
        found = [self.nodes[each] for each in self.numbers(node, after)]
        found.reverse()
        return found

    def numbers(self, node: int, after: int = EMPTY) -> Iterator[int]:
        """A log and every shorter one, down to but without `after`."""
        while node not in (after, EMPTY):
            yield node
            node = self.nodes[node].before

    def readable(self, now: World) -> list[int]:
        """The log as it is, and, where luck allows it, as a follower may still have it: a plan is always there."""
        if not now.luck.stale:
            return [now.head]
        return [node for node in self.numbers(now.head) if self.nodes[node].state.plan is not None]


def encode(state: State, proposal: Proposal) -> bytes:
    """A proposal as the next event of a state: what `keelstep.log.spine` makes of it, at a time that never passes."""
    return envelope.encode(
        envelope.Envelope(
            v=envelope.VERSION, id=proposal.id, type=proposal.type, tenant=state.tenant, execution=state.xid,
            root=state.xid, parent=None, trace_id=state.trace_id or proposal.trace_id, seq=state.seq + 1,
            step=proposal.step, attempt=proposal.attempt, actor=proposal.actor, ts=_TS, prev=state.head,
            cost=proposal.cost, data=envelope.raw(proposal.data), subject=proposal.subject,
        )
    )  # fmt: skip


def _has_expired(node: Node, now: int) -> bool:
    data = node.event.data if node.event is not None else None
    is_approval = isinstance(data, types.GateDecided) and data.verdict == "approved"
    return is_approval and isinstance(data, types.GateDecided) and clock.parse(data.valid_until) < now
