"""What has the shop really done? Every credit, reply and refund, in a SQLite file, once per idempotency key.

A booking is on disk before its caller hears of it. The ledger is the independent witness of tests and chaos runs, so
it must not hide a duplicate: two keys are two bookings, however much they look alike.
"""

import asyncio
import datetime
import hashlib
import json
import pathlib
import sqlite3
from collections.abc import Callable
from concurrent import futures
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

Kind = Literal["credit", "revocation", "refund", "reply"]

T = TypeVar("T")

PREFIXES: dict[Kind, str] = {"credit": "CR", "revocation": "RV", "refund": "RF", "reply": "RE"}
COLUMNS = "id, key, kind, order_id, ticket_id, amount, request, booked_at"
SCHEMA = """
CREATE TABLE IF NOT EXISTS bookings (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    key TEXT UNIQUE,
    kind TEXT NOT NULL,
    order_id TEXT NOT NULL,
    ticket_id TEXT,
    amount TEXT,
    request TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    booked_at TEXT NOT NULL
)
"""


class KeyReusedError(Exception):
    """This idempotency key was used for a different request; the caller must take a new key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One effect that is asked for."""

    kind: Kind
    order: str
    body: dict[str, Any]
    """The request as it came; two requests are equal if kind, order, ticket and this are."""
    ticket: str | None = None
    amount: str | None = None

    def fingerprint(self) -> str:
        """SHA-256 over everything that makes it this request, hex."""
        content = json.dumps([self.kind, self.order, self.ticket, self.body], sort_keys=True)
        return hashlib.sha256(content.encode()).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Booking:
    """One effect that happened."""

    id: str
    key: str | None
    kind: Kind
    order: str
    ticket: str | None
    amount: str | None
    request: dict[str, Any]
    booked_at: str


class Ledger:
    """The bookings of one SQLite file. One thread of its own does all disk work, so requests are booked in turn."""

    def __init__(self, database: pathlib.Path) -> None:
        self._thread = futures.ThreadPoolExecutor(max_workers=1, thread_name_prefix="ledger")
        self._connection = sqlite3.connect(database, check_same_thread=False, isolation_level=None)
        self._connection.execute("PRAGMA journal_mode = WAL")
        # WAL alone may lose the last commits with the power; a booking that was acknowledged must stay
        self._connection.execute("PRAGMA synchronous = FULL")
        self._connection.execute(SCHEMA)

    async def book(self, request: Request, key: str | None) -> tuple[Booking, bool]:
        """Book the request; the booking, and whether it was there already. Without a key every call books.

        Raises: KeyReusedError if the key stands for a different request.
        """
        return await self._run(lambda: self._book(request, key))

    async def bookings(self) -> list[Booking]:
        """All bookings, oldest first."""
        return await self._run(
            lambda: [
                _booking(row)
                for row in self._connection.execute(f"SELECT {COLUMNS} FROM bookings ORDER BY id")
            ]
        )

    async def close(self) -> None:
        """Close the file once the work begun is done."""
        await self._run(self._connection.close)
        self._thread.shutdown()

    async def _run(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    def _book(self, request: Request, key: str | None) -> tuple[Booking, bool]:
        fingerprint = request.fingerprint()
        with _Transaction(self._connection):
            if key is not None:
                row = self._connection.execute(
                    f"SELECT {COLUMNS}, fingerprint FROM bookings WHERE key = ?", (key,)
                ).fetchone()
                if row is not None:
                    if row[-1] != fingerprint:
                        raise KeyReusedError(key)
                    return _booking(row[:-1]), True
            cursor = self._connection.execute(
                "INSERT INTO bookings (key, kind, order_id, ticket_id, amount, request, fingerprint, booked_at)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    key,
                    request.kind,
                    request.order,
                    request.ticket,
                    request.amount,
                    json.dumps(request.body),
                    fingerprint,
                    datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds"),
                ),
            )
            row = self._connection.execute(
                f"SELECT {COLUMNS} FROM bookings WHERE id = ?", (cursor.lastrowid,)
            ).fetchone()
        return _booking(row), False


class _Transaction:
    """Commits, or rolls back on an exception. IMMEDIATE: two services on one file must not book one key twice."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def __enter__(self) -> None:
        self._connection.execute("BEGIN IMMEDIATE")

    def __exit__(self, exception: type[BaseException] | None, *_: object) -> None:
        self._connection.execute("COMMIT" if exception is None else "ROLLBACK")


def _booking(row: tuple[Any, ...]) -> Booking:
    number, key, kind, order, ticket, amount, request, booked_at = row
    return Booking(
        id=f"{PREFIXES[kind]}-{number:06}",
        key=key,
        kind=kind,
        order=order,
        ticket=ticket,
        amount=amount,
        request=json.loads(request),
        booked_at=booked_at,
    )
