"""How do the tests tell a story? A log's events in order, and the spans that they finish; asserts nothing."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from hack.corpus import kept
from keelstep.domain import execution, validity
from keelstep.domain.state import State
from keelstep.events import types
from keelstep.events.envelope import Event
from keelstep.events.frame import Stored
from keelstep.store.otlp.span import Span
from keelstep.store.otlp.story import Story
from keelstep.testing.builders import LogBuilder
from tests.unit.domain.honest import lives, world

Events = Sequence[tuple[Event, Stored]]
CORPUS = sorted((Path(__file__).resolve().parents[3] / "corpus").glob("v*/*.json"))


def of(run: LogBuilder) -> Events:
    """The events of a log that was built."""
    return _valid(run.xid, run.tenant, run.messages, run.vouch)


def kept_in(file: Path) -> Events:
    """The events of a log that was recorded."""
    log = kept.read(file)
    keyring = log.keys()

    def vouch(writer: types.Writer, stored: Stored) -> bool:
        subject = f"spine.{log.shard}.{log.tenant}.{log.xid}.{stored.writer}"
        return keyring.vouches(stored.signature, writer, subject, stored.payload)

    return _valid(log.xid, log.tenant, log.stored(), vouch)


def lived(seed: int) -> Events:
    """The events of an honest life."""
    life = lives.live(seed)
    return _valid(world.XID, world.TENANT, life.messages, lambda _, __: True)


def spans(events: Events, story: Story | None = None) -> list[Span]:
    """What these events finish, in that order."""
    told = story or Story(events[0][0].execution)
    return [span for event, stored in events for span in told.tell(event, stored.writer, stored.stored_at)]


def at_the_end(events: Events) -> State:
    """The fold at the event that ends the run, else at the last."""
    state = execution.begin(events[0][0].execution, events[0][0].tenant)
    for event, stored in events:
        if not state.is_over:
            state = execution.evolve(state, event, stored)
    return state


def named(run: LogBuilder) -> dict[str, Span]:
    """Every span of a log by its name; names that come again are numbered."""
    found: dict[str, Span] = {}
    for span in spans(of(run)):
        times = sum(name.partition(" #")[0] == span.name for name in found)
        found[f"{span.name} #{times + 1}" if times else span.name] = span
    return found


def _valid(xid: str, tenant: str, messages: Iterable[Stored], vouch: validity.Vouch) -> Events:
    state, found = execution.begin(xid, tenant), []
    for stored in messages:
        state, outcome = execution.advance(state, stored, vouch)
        if isinstance(outcome, Event):
            found.append((outcome, stored))
    return found
