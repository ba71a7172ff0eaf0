"""Is the broker well? Streams and their replicas, room on its disk, its clock, whose log it holds."""

import asyncio
import json
import socket
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec
from nats.aio.client import Client

from keelstep import errors
from keelstep.cli.doctor import check
from keelstep.cli.doctor.check import Check
from keelstep.events import clock
from keelstep.log import connection, identities, jetstream, streams, subjects
from keelstep.log.identities import Role

FULL_PERCENT = 80
"""Of its room; from here on somebody must make some."""
_JSZ = "$SYS.REQ.SERVER.PING.JSZ"
_SECONDS = 5.0


class _State(msgspec.Struct, frozen=True):
    messages: int
    bytes: int
    last_seq: int


class _Replica(msgspec.Struct, frozen=True):
    name: str
    current: bool = False
    offline: bool = False


class _Cluster(msgspec.Struct, frozen=True):
    leader: str = ""
    replicas: list[_Replica] = []


class _Stream(msgspec.Struct, frozen=True):
    config: dict[str, Any]
    state: _State
    cluster: _Cluster | None = None


class _Limits(msgspec.Struct, frozen=True):
    max_storage: int = 0


class _Data(msgspec.Struct, frozen=True):
    storage: int = 0
    config: _Limits = _Limits()


class _Server(msgspec.Struct, frozen=True):
    name: str = ""
    ver: str = ""


class _Jsz(msgspec.Struct, frozen=True):
    server: _Server = _Server()
    data: _Data = _Data()


async def look(
    url: str, creds: Path | None, system_creds: Path | None, authority: Path | None, shard: int
) -> AsyncIterator[Check]:
    """Everything about the broker, as the identity reader; disks as the system account."""
    if creds is None:
        yield check.fail("broker", "no credentials", "give --nats-creds FILE")
        return
    nc = await _connected(url, creds, Role.READER, authority)
    if isinstance(nc, str):
        yield check.fail("broker", nc)
        return
    try:
        yield check.ok("broker", f"reached at {url}")
        yield await _clock(nc)
        for stream in (
            subjects.stream(shard),
            subjects.OBJECTS_STREAM,
            subjects.NAMES_STREAM,
            subjects.CONTROL_STREAM,
            subjects.LIMITS_STREAM,
        ):
            yield await _stream(nc, stream)
        restored = await streams.restored_at(nc)
        if restored:
            yield check.ok("backup", f"this log came from a backup at {clock.whole(restored)}")
    except errors.BrokerError as error:
        yield check.fail("broker", error.message)
    finally:
        await nc.close()
    if system_creds is None:
        yield check.warn("disk", "not checked: give --nats-system-creds FILE")
    else:
        async for each in _disks(url, system_creds, authority):
            yield each


async def _connected(url: str, creds: Path, role: Role, authority: Path | None) -> Client | str:
    """A connection, or why there is none."""
    try:
        return await connection.connect(
            url,
            creds,
            "doctor",
            inbox_prefix=identities.inbox(role),
            tls_ca=authority,
            within_seconds=_SECONDS,
        )
    except (errors.KeelstepError, ValueError, OSError) as error:
        return str(error)


async def certificate_ends(url: str, authority: Path | None) -> int | None:
    """When the broker's certificate ends, nanoseconds since 1970; None where it speaks without TLS.

    Raises:
        OSError: it is not reached, or its certificate is not to be trusted.
    """
    parts = urlsplit(connection.servers(url)[0])
    return await asyncio.to_thread(_shown, str(parts.hostname), parts.port or 4222, authority)


def _shown(host: str, port: int, authority: Path | None) -> int | None:
    with socket.create_connection((host, port), timeout=_SECONDS) as plain:
        greeting = plain.makefile("rb").readline()
        info = json.loads(greeting.removeprefix(b"INFO "))
        if not (info.get("tls_required") or info.get("tls_available")):
            return None
        context = ssl.create_default_context(cafile=authority)
        with context.wrap_socket(plain, server_hostname=host) as shown:
            found = shown.getpeercert() or {}
            return int(ssl.cert_time_to_seconds(str(found["notAfter"]))) * clock.SECOND


async def _clock(nc: Client) -> Check:
    before = clock.now()
    try:
        theirs = await connection.broker_time(nc)
    except errors.BrokerError as error:
        return check.fail("clock", f"the broker does not tell its own: {error.message}")
    off = (clock.now() + before) / 2 - theirs
    told = f"this machine's is {abs(off) / clock.SECOND:.1f} s {'ahead of' if off > 0 else 'behind'} the broker's"
    if abs(off) > connection.MAX_SKEW_SECONDS * clock.SECOND:
        return check.fail("clock", told, f"at most {connection.MAX_SKEW_SECONDS} s are allowed: set it")
    return check.ok("clock", told)


async def _stream(nc: Client, name: str) -> Check:
    about = f"stream {name}"
    try:
        found = await jetstream.call(nc, f"STREAM.INFO.{name}", type=_Stream)
    except errors.BrokerError as error:
        if error.code == jetstream.STREAM_NOT_FOUND:
            fix = (
                "start the operator, which makes it anew; until then no call begins that has a limit"
                if name == subjects.LIMITS_STREAM
                else "start the operator; if it was there before, restore it"
            )
            return check.fail(about, "does not exist", fix)
        return check.fail(about, error.message)
    wanted = {**streams.settings_of(name), "num_replicas": found.config.get("num_replicas")}
    told = streams.differences(wanted, found.config)
    if told:
        return check.fail(about, "; ".join(told), "bring its settings back")
    finding = f"{found.state.messages} messages, {_size(found.state.bytes)}"
    replicas = found.cluster.replicas if found.cluster is not None else []
    behind = [each.name for each in replicas if each.offline or not each.current]
    if replicas:
        finding += f", {1 + len(replicas)} replicas"
    if found.cluster is not None and not found.cluster.leader:
        return check.fail(about, f"{finding}, no leader", "bring a majority of the broker's servers back")
    if behind:
        return check.warn(about, f"{finding}; behind or away: {', '.join(behind)}", "bring that server back")
    limit = int(found.config.get("max_bytes", -1))
    if limit > 0 and found.state.bytes * 100 > limit * FULL_PERCENT:
        share = found.state.bytes * 100 // limit
        return check.warn(
            about, f"{finding}, {share} % of its room", "archive finished runs, or give it more"
        )
    return check.ok(about, finding)


async def _disks(url: str, creds: Path, authority: Path | None) -> AsyncIterator[Check]:
    nc = await _connected(url, creds, Role.SYSTEM, authority)
    if isinstance(nc, str):
        yield check.fail("disk", nc)
        return
    try:
        answer = await jetstream.request(nc, _JSZ, b"{}")
        found = msgspec.json.decode(answer.data, type=_Jsz)
        room, used = found.data.config.max_storage, found.data.storage
        share = used * 100 // room if room else 0
        told = f"{found.server.name} {found.server.ver}: {_size(used)} of {_size(room)}"
        if share >= FULL_PERCENT:
            yield check.warn(
                "disk", f"{told}, {share} %", "archive finished runs, or give the broker more room"
            )
        else:
            yield check.ok("disk", told)
    except (errors.BrokerError, msgspec.DecodeError) as error:
        yield check.fail("disk", str(error))
    finally:
        await nc.close()


def _size(count: int) -> str:
    size = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size < 1024:
            return f"{size:.0f} {unit}"
        size /= 1024
    return f"{size:.1f} TiB"
