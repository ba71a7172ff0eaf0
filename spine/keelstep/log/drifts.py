"""Which tools say something else than was reviewed? What gateways met last; the operator shows it.

    gateway, at a call ─► the tool is another ─► a note ─► operator: condition Drifted of the contracts that call it
                     └──► it is as reviewed, and a note says otherwise ─► another note

Only words for people. Nothing is decided by a note: a gateway asks the server itself before each call, so a note that is
lost, or goes because nobody called for a week, is written again by the next call.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

import msgspec
import structlog
from nats.aio.client import Client

from keelstep import errors
from keelstep.domain import drift
from keelstep.events import clock
from keelstep.kinds.transport import Mcp
from keelstep.log import jetstream, limits, subjects, tail

log = structlog.get_logger(__name__)

AGAIN_SECONDS = 24 * 3600
"""A note is written again so often while calls are refused: the stream forgets old ones."""
KNOWN_SECONDS = 60
"""Another gateway may write a note as well: what it says is looked up so often."""


class Note(msgspec.Struct, frozen=True, kw_only=True):
    """What a gateway met."""

    message: str
    """Why calls are refused; empty where the tool is as it was reviewed."""
    at: str
    """RFC 3339."""

    @property
    def is_drifted(self) -> bool:
        """The tool is another."""
        return bool(self.message)


@dataclass(slots=True, kw_only=True)
class Notes:
    """A gateway's own notes."""

    nc: Client
    now: Callable[[], int] = clock.now
    _known: dict[str, tuple[Note | None, int]] = field(default_factory=dict)
    """By subject, what the last note says, and when it was looked up."""

    _writing: dict[str, "asyncio.Task[None]"] = field(default_factory=dict)

    def tell(self, tenant: str, mcp: Mcp, message: str) -> None:
        """A tool was met: as it was reviewed, or with this message not. Written down meanwhile: no call waits for it."""
        subject = subjects.drift(tenant, drift.key(mcp))
        if subject not in self._writing:  # of two at a time the next call tells again
            task = self._writing[subject] = asyncio.create_task(self._tell(subject, message))
            task.add_done_callback(lambda _: self._writing.pop(subject, None))

    async def flush(self) -> None:
        """Return once everything that was told is written down, or cannot be."""
        while self._writing:
            await asyncio.wait(self._writing.values())

    async def _tell(self, subject: str, message: str) -> None:
        try:
            known = await self._last(subject)
            if self._is_news(known, message):
                note = Note(message=message, at=clock.text(self.now()))
                await limits.put(self.nc, subject, msgspec.json.encode(note))
                self._known[subject] = note, self.now()
        except errors.BrokerError as error:
            log.warning("drift_not_noted", subject=subject, why=error.message)

    def _is_news(self, known: Note | None, message: str) -> bool:
        if known is None or known.message != message:
            return bool(message) or (known is not None and known.is_drifted)
        return bool(message) and self.now() > clock.parse(known.at) + AGAIN_SECONDS * clock.SECOND

    async def _last(self, subject: str) -> Note | None:
        note, since = self._known.get(subject, (None, 0))
        if self.now() - since < KNOWN_SECONDS * clock.SECOND:
            return note
        message = await jetstream.last_from_any(self.nc, subjects.LIMITS_STREAM, subject)
        note = _decoded(message.payload) if message is not None else None
        self._known[subject] = note, self.now()
        return note


@dataclass(slots=True, kw_only=True)
class Board:
    """Every gateway's notes, as they come: `run` it as a task."""

    nc: Client
    on_change: Callable[[str, str], None]
    """Told the tenant and the key of each note."""
    _notes: dict[str, Note] = field(default_factory=dict)

    async def run(self) -> None:
        """Follow; returns only when cancelled.

        Raises:
            errors.BrokerClosedError: the connection is closed for good.
        """
        follower = tail.Tail(
            nc=self.nc,
            stream=subjects.LIMITS_STREAM,
            subjects=[subjects.drift("*", "*")],
            handle=self._handle,
            start="last_per_subject",
            on_begin=lambda _: self._notes.clear(),
        )
        await follower.run()

    def note(self, tenant: str, mcp: Mcp) -> Note | None:
        """The last note on a tool; None where there is none."""
        return self._notes.get(subjects.drift(tenant, drift.key(mcp)))

    def _handle(self, delivery: tail.Delivery) -> None:
        note = _decoded(delivery.payload)
        if note is None:
            log.warning("drift_note_unreadable", subject=delivery.subject)
            return
        self._notes[delivery.subject] = note
        _, _, tenant, key = delivery.subject.split(".", 3)
        self.on_change(tenant, key)


def _decoded(payload: bytes) -> Note | None:
    try:
        return msgspec.json.decode(payload, type=Note)
    except msgspec.DecodeError:
        return None
