"""What did everybody leave behind? Read from each in its own protocol, as any stranger could.

The log by direct gets of JetStream, one message at a time; the shop's ledger by HTTP; the views by SQL; objects from the
API server; revoked tokens from the broker's system account. Nothing is judged here.
"""

import asyncio
import base64
import contextlib
import json
import urllib.request
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import asyncpg  # type: ignore[import-untyped]
import nats
from nats.aio.client import Client

from hack.local.api import GROUP, Api

_TIMEOUT_SECONDS = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One stored message of an execution."""

    position: int
    xid: str
    """Whose log it is in: the last token but one of its subject."""
    writer: str
    """The last one."""
    stored_at: int
    """The broker's clock, nanoseconds since 1970."""
    payload: bytes
    event: Mapping[str, Any]
    """The payload as JSON; empty where it is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Booking:
    """One effect in the shop's books."""

    number: int
    key: str | None
    kind: str
    what: str
    """`kind amount`, or `reply message`."""
    booked_at: int
    """The shop's clock, nanoseconds since 1970, to the millisecond."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Where everybody is found."""

    broker_url: str
    reader_credentials: Path
    system_credentials: Path
    run_account: str
    shop_url: str
    postgres: str
    """The DSN."""
    api: Api
    """As the administrator."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Everything about one tenant's one run, and what the tenant's other runs did meanwhile."""

    xid: str
    messages: Sequence[Message]
    others: Sequence[Message]
    """Of the tenant's other runs."""
    bookings: Sequence[Booking]
    at_once: Mapping[str, int]
    """The most calls of each of the shop's paths that were under way at once."""
    namespace: Any
    contracts: Sequence[Any]
    execution: Any
    """The resource, or None."""
    strategy: Any
    pods: Sequence[Any]
    secrets: Sequence[Any]
    gates: Sequence[Any]
    gold: Mapping[str, Any] | None
    """The run's row in `gold.executions`."""
    projected: Sequence[tuple[int, bytes, str]]
    """Position, bytes and outcome of every message that Postgres holds of the run."""
    revoked: frozenset[str]
    """Public names of every revoked token."""


def gather(places: Places, tenant: str, run: str, xid: str, bookings_from: int) -> Evidence:
    """Read everything now. An OSError or a driver's error says that somebody is away; ask again."""
    return asyncio.run(_gather(places, tenant, run, xid, bookings_from))


async def _gather(places: Places, tenant: str, run: str, xid: str, bookings_from: int) -> Evidence:
    api = places.api
    async with _connected(places.broker_url, places.reader_credentials, "reader") as nc:
        found = await _stored(nc, "SPINE-0", f"spine.0.{tenant}.*.*")
    async with _connected(places.broker_url, places.system_credentials, "sys") as nc:
        revoked = await _revoked(nc, places.run_account)
    gold, projected = await _projected(places.postgres, tenant, xid)
    root = f"{GROUP}/namespaces/{tenant}"
    core = f"/api/v1/namespaces/{tenant}"
    execution = api.get(f"{root}/executions/{run}")
    spec = (execution or {}).get("spec", {})
    strategy = api.get(f"{root}/agentstrategies/{spec['strategyRef']['name']}") if spec else None
    return Evidence(
        xid=xid,
        messages=[each for each in found if each.xid == xid],
        others=[each for each in found if each.xid != xid],
        bookings=[each for each in ledger(places.shop_url) if each.number > bookings_from],
        at_once=_asked(places.shop_url, "/faults/state")["most_at_once"],
        namespace=api.get(core),
        contracts=api.get(f"{root}/toolcontracts")["items"],
        execution=execution,
        strategy=strategy,
        pods=api.get(f"{core}/pods")["items"],
        secrets=api.get(f"{core}/secrets")["items"],
        gates=api.get(f"{root}/approvalgates")["items"],
        gold=gold,
        projected=projected,
        revoked=revoked,
    )


def ledger(shop_url: str) -> list[Booking]:
    """The shop's own books, oldest first."""
    return [
        Booking(
            number=int(each["id"].rpartition("-")[2]),
            key=each["key"],
            kind=each["kind"],
            what=f"{each['kind']} {each['amount'] or each['request']['message']}",
            booked_at=_nanoseconds(each["booked_at"]),
        )
        for each in _asked(shop_url, "/ledger")["bookings"]
    ]


def stored(places: Places, stream: str, pattern: str) -> list[Message]:
    """Every message of a stream on subjects that fit, oldest first."""

    async def read() -> list[Message]:
        async with _connected(places.broker_url, places.reader_credentials, "reader") as nc:
            return await _stored(nc, stream, pattern)

    return asyncio.run(read())


def _asked(shop_url: str, path: str) -> Any:
    with urllib.request.urlopen(shop_url + path, timeout=_TIMEOUT_SECONDS) as reply:
        return json.load(reply)


@contextlib.asynccontextmanager
async def _connected(url: str, credentials: Path, role: str) -> AsyncIterator[Client]:
    async def ignore(_: Exception) -> None:
        return

    nc = await nats.connect(
        url,
        user_credentials=str(credentials),
        inbox_prefix=f"_INBOX.{role}".encode(),
        connect_timeout=5,
        max_reconnect_attempts=1,
        error_cb=ignore,
    )
    try:
        yield nc
    finally:
        await nc.close()


async def _stored(nc: Client, stream: str, pattern: str) -> list[Message]:
    found: list[Message] = []
    while True:
        after = found[-1].position if found else 0
        wanted = {"seq": after + 1, "next_by_subj": pattern}
        request = json.dumps(wanted).encode()
        reply = await nc.request(f"$JS.API.DIRECT.GET.{stream}", request, timeout=_TIMEOUT_SECONDS)
        headers = reply.headers or {}
        if "Nats-Subject" not in headers:
            if headers.get("Status") != "404":
                raise OSError(f"the stream answered {dict(headers)}")
            return found
        found.append(
            Message(
                position=int(headers["Nats-Sequence"]),
                xid=headers["Nats-Subject"].split(".")[-2],
                writer=headers["Nats-Subject"].split(".")[-1],
                stored_at=_nanoseconds(headers["Nats-Time-Stamp"]),
                payload=reply.data,
                event=_object(reply.data),
            )
        )


async def _revoked(nc: Client, account: str) -> frozenset[str]:
    subject = f"$SYS.REQ.ACCOUNT.{account}.CLAIMS.LOOKUP"
    reply = await nc.request(subject, b"", timeout=_TIMEOUT_SECONDS)
    body = reply.data.decode().split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    return frozenset(claims["nats"].get("revocations") or {})


async def _projected(
    dsn: str, tenant: str, xid: str
) -> tuple[Mapping[str, Any] | None, list[tuple[int, bytes, str]]]:
    connection = await asyncpg.connect(dsn, timeout=_TIMEOUT_SECONDS)
    try:
        row = await connection.fetchrow(
            "SELECT * FROM gold.executions WHERE tenant = $1 AND execution_id = $2", tenant, xid
        )
        rows = await connection.fetch(
            "SELECT position, payload, outcome FROM spine.messages"
            " WHERE shard = 0 AND tenant = $1 AND execution = $2 ORDER BY position",
            tenant,
            xid,
        )
    finally:
        await connection.close()
    return (dict(row) if row is not None else None), [tuple(each) for each in rows]


def _object(payload: bytes) -> Mapping[str, Any]:
    try:
        found = json.loads(payload)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _nanoseconds(text: str) -> int:
    """RFC 3339 with any number of digits, or none, behind the second."""
    whole, _, rest = text.replace("+00:00", "Z").removesuffix("Z").partition(".")
    seconds = int(datetime.fromisoformat(f"{whole}+00:00").timestamp())
    return seconds * 1_000_000_000 + int(rest.ljust(9, "0")[:9] or "0")
