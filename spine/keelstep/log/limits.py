"""What do all gateways know together of the limits that protect tools and budgets? The last record of each.

    follow ──► every record, as it changes          known at once, in memory
    swap   ──► compare and set, on the stream       only whoever saw the last record may write the next

Nothing here is a fact about a run: a limit that is forgotten begins anew. What a record says is `domain.limits`,
`domain.circuit` and `domain.daily`.
"""

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import msgspec
import structlog
from nats.aio.client import Client

from keelstep import errors, points
from keelstep.domain import circuit, daily, limits
from keelstep.events import clock
from keelstep.log import connection, jetstream, subjects, tail

log = structlog.get_logger(__name__)

R = TypeVar("R", limits.Usage, circuit.Circuit, daily.Day)
_CLOCK_SECONDS = 60.0
_TRIES = 100
"""Far more than gateways there are to come first."""
_KINDS: dict[str, type[limits.Usage] | type[circuit.Circuit] | type[daily.Day]] = {
    "calls": limits.Usage,
    "tool": limits.Usage,
    "breaker": circuit.Circuit,
    "money": daily.Day,
}
"""What the second token of a subject says that its record is."""


async def put(nc: Client, subject: str, payload: bytes, headers: Mapping[str, str] | None = None) -> int:
    """Write into the stream, between the two points of every such write; the sequence under which it was stored.

    Raises:
        errors.BrokerUnavailableError: no answer in time; it may be stored nevertheless.
        errors.BrokerError: it was refused; `code` says why.
    """
    record = subject.split(".", 2)[1]
    points.reached(f"gateway.before.limits.{record}")
    position = await jetstream.publish(nc, subject, payload, headers)
    points.reached(f"gateway.after.limits.{record}")
    return position


@dataclass(frozen=True, slots=True)
class Entry(Generic[R]):
    """A record and its place in the stream, which the next one must follow."""

    record: R
    position: int


@dataclass(slots=True)
class Board:
    """The records: `run` it as a task."""

    nc: Client
    owner: str
    """Whose records these are, where it writes."""
    pattern: str = "limits.>"
    """Which records to follow."""
    on_change: Callable[[str], None] | None = None
    """Told of each subject whose record changed."""
    _entries: dict[str, Entry[Any]] = field(default_factory=dict)
    _tail: tail.Tail = field(init=False)
    _begun: tail.Place | None = None
    _changed: dict[str, asyncio.Event] = field(default_factory=dict)
    _ahead: int = field(default_factory=lambda: clock.now() - clock.boot())
    """How far the broker's clock is ahead of the time since boot, nanoseconds."""
    _written: int = 0

    def __post_init__(self) -> None:
        self._tail = tail.Tail(
            nc=self.nc,
            stream=subjects.LIMITS_STREAM,
            subjects=[self.pattern],
            handle=self._handle,
            start="last_per_subject",
            on_begin=self._on_begin,
        )

    async def run(self) -> None:
        """Follow; returns only when cancelled.

        Raises:
            ExceptionGroup: of errors.BrokerClosedError, where the connection is closed for good.
        """
        async with asyncio.TaskGroup() as group:
            group.create_task(self._tail.run())
            group.create_task(self._keep_time())

    @property
    def is_known(self) -> bool:
        """True where everything is known that was there when it began."""
        return self._begun is not None and self._tail.handled >= self._begun.last

    def now(self) -> int:
        """The broker's clock, nanoseconds since 1970: gateways' own may be seconds apart, and are set now and then."""
        return clock.boot() + self._ahead

    def has(self, subject: str) -> bool:
        """True where a record was heard of."""
        return subject in self._entries

    def known(self, subject: str, kind: type[R]) -> Entry[R]:
        """The last record that was heard of."""
        return self._entries.get(subject) or Entry(kind(), 0)

    def every(self, kind: type[R]) -> dict[str, R]:
        """Every record of a kind, by subject."""
        return {
            subject: entry.record
            for subject, entry in self._entries.items()
            if isinstance(entry.record, kind)
        }

    async def read(self, subject: str, kind: type[R]) -> Entry[R]:
        """The last record, as the stream's leader knows it.

        Raises:
            errors.BrokerError: it could not be read.
        """
        message = await jetstream.last(self.nc, subjects.LIMITS_STREAM, subject)
        if message is not None:
            self._note(subject, message.position, message.payload)
        else:
            self._entries.pop(
                subject, None
            )  # the stream forgot it, as nobody asked for so long: the next one is the first
        return self.known(subject, kind)

    async def swap(self, subject: str, record: R, after: int) -> bool:
        """Make this the last record, where the last one still is the one at this position; false where it is not.

        Raises:
            errors.BrokerError: it could not be written, or nobody knows; what it took counts as used.
        """
        self._written += 1
        record = msgspec.structs.replace(record, by=f"{self.owner}.{self._written}")
        payload = msgspec.json.encode(record)
        try:
            position = await put(self.nc, subject, payload, {jetstream.EXPECTED: str(after)})
        except errors.BrokerUnavailableError:
            # it may be stored, and then it is ours; else nobody knows, and what it may have taken is not given out again
            found = await self.read(subject, type(record))
            if found.record.by != record.by:
                raise
            return True
        except errors.BrokerError as error:
            if error.code not in jetstream.WRONG_SEQUENCE:
                raise
            await self.read(subject, type(record))
            return False
        self._note(subject, position, payload)
        return True

    async def change(self, subject: str, kind: type[R], decide: Callable[[R, int], R | None]) -> R | None:
        """Replace a record by what is decided of the last one and the time; None where nothing is to be changed.

        Raises:
            errors.BrokerError: it could not be read or written.
        """
        entry = self.known(subject, kind) if self.is_known else await self.read(subject, kind)
        for _ in range(_TRIES):
            wanted = decide(entry.record, self.now())
            if wanted is None:
                return None
            if await self.swap(subject, wanted, entry.position):
                return wanted
            entry = self.known(subject, kind)
        raise errors.BrokerUnavailableError(f"{subject} keeps changing")

    async def wait(self, subject: str, within_seconds: float) -> None:
        """Return once its record changes, or after so long."""
        changed = self._changed.setdefault(subject, asyncio.Event())
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_seconds):
                await changed.wait()

    def wake(self, subject: str) -> None:
        """Whoever waits for a change looks again."""
        changed = self._changed.pop(subject, None)
        if changed is not None:
            changed.set()

    async def _keep_time(self) -> None:
        while True:
            before = clock.boot()
            with contextlib.suppress(errors.BrokerUnavailableError):
                theirs = await connection.broker_time(self.nc)
                self._ahead = theirs - (before + clock.boot()) // 2
            await asyncio.sleep(_CLOCK_SECONDS)

    def _on_begin(self, place: tail.Place) -> None:
        """The stream is new to us: what we knew was about another one."""
        self._begun = place
        self._entries.clear()

    def _handle(self, delivery: tail.Delivery) -> None:
        self._note(delivery.subject, delivery.position, delivery.payload)

    def _note(self, subject: str, position: int, payload: bytes) -> None:
        before = self._entries.get(subject)
        if before is not None and before.position >= position:
            return
        kind = _KINDS.get(subject.split(".", 2)[1])
        if kind is None:
            return
        try:
            record = msgspec.json.decode(payload, type=kind)
        except msgspec.DecodeError:
            log.warning("limit_unreadable", subject=subject, position=position)
            record = kind()  # the next one follows it all the same
        self._entries[subject] = Entry(record, position)
        self.wake(subject)
        if self.on_change is not None:
            self.on_change(subject)
