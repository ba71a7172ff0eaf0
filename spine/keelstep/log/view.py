"""What is stopped at this moment, and do we know for sure?

A `View` follows the control records in memory and answers at once. It also knows whether what it knows is current: it
keeps asking the broker for the stream's last sequence, and once everything up to it was handled, it was current at the
moment it asked. A heartbeat would prove less: after a pause of this process, old ones would still be waiting. Of several
brokers, an answer counts once the same one has answered twice in a row: one that stood still believes for a moment that
it still leads.

    stale ──handled all that the stream held, when asked under two seconds ago──► current
      ▲                                                                             │
      └── no such proof for two seconds · not connected · a record not verified ────┘

A record that does not verify changes nothing, but the view is stale until the operator writes another one there: it
may be a stop, signed with a key that this program does not have yet. Whoever asks a stale view is refused.
"""

import asyncio
import typing
from collections.abc import Callable
from dataclasses import dataclass, field

import structlog
from nats.aio.client import Client

from keelstep import errors
from keelstep.events import clock, signing
from keelstep.log import control, subjects, tail
from keelstep.log.control import Record

log = structlog.get_logger(__name__)

MAX_AGE_SECONDS = 2
"""A proof older than this proves nothing."""
_PROOF_EVERY_SECONDS = 0.4
_PROOF_TIMEOUT_SECONDS = 1.0
_SAID = typing.get_args(control.Said)
_MAX_AGE = MAX_AGE_SECONDS * clock.SECOND


@dataclass(frozen=True, slots=True)
class _Proof:
    """If everything up to `last` was handled, we were current at `asked_at`."""

    asked_at: int
    place: tail.Place


@dataclass(slots=True)
class View:
    """The control state in memory: `run` it as a task, `check` before anything begins."""

    nc: Client
    keyring: signing.Keyring
    on_change: Callable[[Record], None] | None = None
    """Told of every verified record, in order."""
    boot: Callable[[], int] = clock.boot
    """Nanoseconds that count on while this process is stopped."""
    _records: dict[str, Record] = field(default_factory=dict)
    """The last of each subject."""
    _engaged: dict[str, Record] = field(default_factory=dict)
    """Those of them that stop something: few, and each call asks for them several times."""
    _unverified: dict[str, int] = field(default_factory=dict)
    _begun: tail.Place | None = None
    _tail: tail.Tail = field(init=False)
    _proof: _Proof | None = None
    _proven_at: int | None = None
    _proven: asyncio.Event = field(default_factory=asyncio.Event)
    _leader: str | None = None
    """Who gave the last answer; None where there was none."""

    def __post_init__(self) -> None:
        self._tail = tail.Tail(
            nc=self.nc,
            stream=subjects.CONTROL_STREAM,
            subjects=["control.>"],
            handle=self._handle,
            # the whole history: the last record alone could be an old one, written again by somebody else
            start="all",
            on_begin=self._on_begin,
        )

    async def run(self) -> None:
        """Follow; returns only when cancelled.

        Raises:
            ExceptionGroup: of errors.BrokerClosedError, where the connection is closed for good.
        """
        async with asyncio.TaskGroup() as group:
            group.create_task(self._tail.run())
            group.create_task(self._keep_proving())

    async def wait_current(self, within_seconds: float = 10) -> None:
        """Return as soon as the view is current.

        Raises:
            errors.ControlUnavailableError: it was not in time.
        """
        try:
            async with asyncio.timeout(within_seconds):
                while not self.is_current:
                    self._proven.clear()
                    await self._proven.wait()
        except TimeoutError as error:
            raise errors.ControlUnavailableError(self._why_stale() or "not current in time") from error

    @property
    def is_current(self) -> bool:
        """True where everything stored two seconds ago is known, and verified."""
        return not self._why_stale()

    @property
    def position(self) -> int:
        """The sequence up to which every record is known."""
        return self._tail.handled

    def check(self, tenant: str, strategy: str, tool: str, xid: str) -> Record | None:
        """What stops this at the moment, or None. Give an empty tool for what is no tool call.

        Raises:
            errors.ControlUnavailableError: nobody knows; the caller must refuse.
        """
        why = self._why_stale()
        if why:
            raise errors.ControlUnavailableError(f"what is stopped is not known: {why}")
        return self.stopped(tenant, strategy, tool, xid)

    def stopped(self, tenant: str, strategy: str, tool: str, xid: str) -> Record | None:
        """What stops this as far as known, widest scope first; where it matters, `check`."""
        if not self._engaged:
            return None
        for subject in (
            subjects.control("tenant", tenant),
            subjects.control("strategy", tenant, strategy),
            subjects.control("execution", tenant, xid),
            subjects.control("tool", tenant, tool),
        ):
            record = self._engaged.get(subject)
            if record is not None:
                return record
        return None

    def engaged(self) -> list[Record]:
        """Everything that is stopped, as far as known."""
        return list(self._engaged.values())

    def rules(self, tenant: str) -> str:
        """The platform's rules for a tenant as far as known, empty where there are none; where it matters, `check`."""
        record = self._records.get(subjects.control("policy", tenant))
        return record.rules if record is not None else ""

    def budget(self, tenant: str) -> str:
        """What a tenant may spend in a day, US dollars, as far as known; empty where nobody said.

        Where it matters, `check` first.
        """
        record = self._records.get(subjects.control("budget", tenant))
        return record.rules if record is not None else ""

    def _why_stale(self) -> str:
        if not self.nc.is_connected:
            return "not connected to the broker"
        if self._unverified:
            subject, position = next(iter(self._unverified.items()))
            return (
                f"record {position} on {subject} does not verify; the operator must write another one there"
            )
        if self._proven_at is None:
            return "not caught up yet"
        age = self.boot() - self._proven_at
        return "" if age <= _MAX_AGE else f"last known {age / clock.SECOND:.1f} s ago"

    async def _keep_proving(self) -> None:
        while True:
            asked_at = self.boot()
            try:
                place = await tail.place(self.nc, subjects.CONTROL_STREAM, _PROOF_TIMEOUT_SECONDS)
            except errors.BrokerClosedError:
                raise
            except errors.BrokerError as error:
                log.debug("control_not_proven", why=error.message)
                self._leader = None
            else:
                if place.leader in ("", self._leader):
                    self._proof = _Proof(asked_at, place)
                    self._prove()
                self._leader = place.leader
            await asyncio.sleep(_PROOF_EVERY_SECONDS)

    def _prove(self) -> None:
        """Count the open proof, once everything it asks for was handled."""
        proof = self._proof
        if proof is None or self._begun is None or proof.place.incarnation != self._begun.incarnation:
            return
        if self._tail.handled >= proof.place.last:
            self._proven_at, self._proof = proof.asked_at, None
            self._proven.set()

    def _on_begin(self, place: tail.Place) -> None:
        """The stream is new to us: what we knew was about another one."""
        self._begun, self._proof, self._proven_at = place, None, None
        self._records.clear()
        self._engaged.clear()
        self._unverified.clear()

    def _handle(self, delivery: tail.Delivery) -> None:
        subject = delivery.subject
        header = delivery.headers.get(signing.HEADER)
        record = control.verified(self.keyring, subject, header, delivery.payload)
        known = self._records.get(subject)
        if record is None or (known is not None and record.number <= known.number):
            log.error("control_record_unverified", subject=subject, position=delivery.position)
            self._unverified[subject] = delivery.position
            return
        self._unverified.pop(subject, None)
        self._records[subject] = record
        self._engaged.pop(subject, None)
        if record.engaged and record.scope not in _SAID:
            self._engaged[subject] = record
        if self.on_change is not None:
            self.on_change(record)
