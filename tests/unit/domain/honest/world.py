"""What everybody shares: the log and its fence, the clock, the tool's own ledger, and who is alive."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from random import Random

from keelstep.domain import call, execution, revision
from keelstep.domain.state import State
from keelstep.events import clock, envelope, types, value
from keelstep.events.frame import Stored
from tests.unit.domain.honest import agent

XID, TENANT = "x1", "shop"
TICK = clock.SECOND // 5
CLAIM_SECONDS = 20
Actor = Iterator[None]
Wish = tuple[str, types.Data, int, envelope.Cost] | None
"""Event type, data, attempt and cost of what somebody wants to append now; None where no longer."""


@dataclass(slots=True)
class Effect:
    """One sent call."""

    tool: str
    key: str
    at: int
    is_first: bool


@dataclass(slots=True)
class Request:
    """What a runner asks: a model call by ordinal, or a tool call by place."""

    verb: str
    attempt: int
    about: tuple[int, ...]
    seen: int
    """The newest position the runner knows of: the gateway decides on nothing older."""
    refusal: call.Refuse | None = None
    gate: call.AskGate | None = None
    is_answered: bool = False


@dataclass(slots=True)
class World:
    """The log, the clock, the tool's own ledger, and who is alive."""

    random: Random
    is_calm: bool = False
    """From some point on nobody crashes or interferes: then the run must end."""
    pinned: revision.Pinned = field(default_factory=agent.pinned)
    messages: list[Stored] = field(default_factory=list)
    state: State = field(default_factory=lambda: execution.begin(XID, TENANT))
    states: list[State] = field(default_factory=list)
    events: list[envelope.Event] = field(default_factory=list)
    now: int = 1_790_000_000 * clock.SECOND
    payloads: dict[str, bytes] = field(default_factory=dict)
    effects: list[Effect] = field(default_factory=list)
    stop: call.Stop | None = None
    stopped_at: int = 0
    owners: set[str] = field(default_factory=set)
    runners: set[int] = field(default_factory=set)
    actors: list[tuple[str, Actor]] = field(default_factory=list)
    requests: list["Request"] = field(default_factory=list)

    def tick(self) -> None:
        """Time passes and somebody takes a turn, or dies."""
        self.now += TICK
        name, actor = self.random.choice(self.actors)
        if not self.is_calm and self.random.random() < 0.01 and name != "op":
            self.bury(name)
        elif next(actor, "done") == "done":
            self.actors.remove((name, actor))
            self.runners.discard(int(name[1:]) if name[0] == "a" else 0)

    def bury(self, name: str) -> None:
        """A program dies: all it was doing ends between two lines."""
        self.actors = [each for each in self.actors if each[0] != name]
        self.owners.discard(name)
        self.runners.discard(int(name[1:]) if name[0] == "a" else 0)

    def append(self, view: "View", writer: str, propose: Callable[[State], Wish]) -> Actor:
        """The fence: append on what was read, or read on and ask again."""
        while True:
            wish = propose(view.state)
            if wish is None:
                return
            payload = self.bytes_of(view.state, wish)
            yield
            if view.state.position == self.state.position:
                self._store(payload, writer)
                view.read(fresh=True)
                return
            view.read(fresh=True)

    def seal(self, payload: bytes) -> value.Value:
        """A payload's Value; everybody can load it."""
        found = value.seal(payload, media_type=value.JSON, salt=f"{len(self.payloads):032x}")
        self.payloads[found.digest] = payload
        return found

    def bytes_of(self, state: State, wish: tuple[str, types.Data, int, envelope.Cost]) -> bytes:
        """What a wish looks like as the next event of a state."""
        name, data, attempt, cost = wish
        return envelope.encode(
            envelope.Envelope(
                v=envelope.VERSION, id=envelope.identifier(XID, name, state.seq), type=name, tenant=TENANT,
                execution=XID, root=XID, parent=None, trace_id="7" * 32, seq=state.seq + 1, step=state.step,
                attempt=attempt, actor="test", ts=clock.text(self.now), prev=state.head, cost=cost,
                data=envelope.raw(data),
            )
        )  # fmt: skip

    def _store(self, payload: bytes, writer: str) -> None:
        stored = Stored(
            position=len(self.messages) + 1, writer=writer, stored_at=self.now, signature="", payload=payload
        )
        self.messages.append(stored)
        self.state, outcome = execution.advance(self.state, stored, lambda _, __: True)
        assert isinstance(outcome, envelope.Event), f"an honest append is void: {outcome} {payload!r}"
        self.states.append(self.state)
        self.events.append(outcome)


@dataclass(slots=True)
class View:
    """What one actor has read so far; possibly not all there is."""

    world: World
    state: State = field(default_factory=lambda: execution.begin(XID, TENANT))

    def read(self, *, fresh: bool = False, seen: int = 0) -> State:
        """Fold what is new; a follower may hold back messages newer than `seen`."""
        end = len(self.world.messages)
        if not fresh:
            end = self.world.random.randint(max(self.state.position, seen), end)
        news = self.world.messages[self.state.position : end]
        self.state, _ = execution.fold(self.state, news, lambda _, __: True)
        return self.state
