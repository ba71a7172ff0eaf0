"""What is true of one name at one moment? The API server, the records, the logs, and what operators have in memory."""

from typing import Literal, NamedTuple

from tests.model import journal


class Bounds(NamedTuple):
    """How much can happen."""

    operators: int = 1
    uids: int = 2
    """How often the resource is applied anew."""
    crashes: int = 0
    """An operator dies."""
    vanishings: int = 0
    """The resource is gone, and nobody deleted it."""
    lost: int = 0
    """An acknowledgement does not arrive."""


class Resource(NamedTuple):
    """An Execution in the API server."""

    uid: str
    goal: str


class Record(NamedTuple):
    """A record under the name."""

    xid: str
    goal: str
    is_bound: bool


class Seen(NamedTuple):
    """A watch event on its way."""

    type: Literal["ADDED", "DELETED"]
    resource: Resource


class Naming(NamedTuple):
    """A record on its way, and how many there were when it was written."""

    record: Record
    expected: int
    tag: Literal["naming"] = "naming"


class Flying(NamedTuple):
    """An event on its way to a log, and the log that it extends."""

    xid: str
    type: str
    payload: bytes
    expected: int
    resource: Resource | None
    is_deleted: bool
    tag: Literal["flying"] = "flying"


class Operator(NamedTuple):
    """What one operator has in memory."""

    is_up: bool = True
    cached: Resource | None = None
    events: tuple[Seen, ...] = ()
    dead: frozenset[str] = frozenset()
    """UIDs seen deleted."""
    deletion: frozenset[str] = frozenset()
    """A deletion that was seen and is not acted on yet: the logs that it may end."""
    met: tuple[str, str] | None = None
    """UID and log, as far as it has met them."""
    doing: Naming | Flying | None = None


class World(NamedTuple):
    """One moment."""

    operators: tuple[Operator, ...]
    resource: Resource | None = None
    records: tuple[Record, ...] = ()
    logs: tuple[tuple[str, int], ...] = ()
    """Each log as a node of its journal."""
    uids: int = 0
    deleted: frozenset[str] = frozenset()
    """What a person deleted."""
    crashes: int = 0
    vanishings: int = 0
    lost: int = 0


def node_of(now: World, xid: str) -> int:
    """A log as it is now."""
    return next((node for known, node in now.logs if known == xid), journal.EMPTY)


def grown(now: World, xid: str, node: int) -> World:
    """The world with one more message in a log."""
    others = [each for each in now.logs if each[0] != xid]
    return now._replace(logs=tuple(sorted([*others, (xid, node)])))


def tell(now: World, event: Seen) -> World:
    """A watch event is on its way to every operator that watches."""
    operators = [
        each._replace(events=(*each.events, event)) if each.is_up else each for each in now.operators
    ]
    return now._replace(operators=tuple(operators))


def told(operator: Operator) -> Operator:
    """After its watch's next event: `keelstep_operator.watch.note` and the cache."""
    event, rest = operator.events[0], operator.events[1:]
    uid = event.resource.uid
    if event.type == "ADDED":
        is_news = uid not in operator.dead and (operator.cached is None or operator.cached.uid < uid)
        return operator._replace(events=rest, cached=event.resource if is_news else operator.cached)
    dead = operator.dead | {uid}
    cached = None if operator.cached is not None and operator.cached.uid == uid else operator.cached
    after = operator._replace(events=rest, dead=dead, cached=cached)
    if cached is not None and operator.met is not None and operator.met[0] == cached.uid != uid:
        return after  # late: another resource has the name
    met = {operator.met[1]} if operator.met is not None and operator.met[0] == uid else set()
    return after._replace(deletion=operator.deletion | {uid} | met)


def put(now: World, at: int, operator: Operator) -> World:
    """The world with an operator as it is now."""
    operators = list(now.operators)
    operators[at] = operator
    return now._replace(operators=tuple(operators))
