"""How is JetStream asked, and what did it answer?

Requests to its API and publishes with an acknowledgement, with every refusal told by its error code. The client
library's own calls hide that code, change the caller's headers and know no batched read. Nothing here knows a stream.
"""

import asyncio
import base64
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec
import nats.errors
from nats.aio.client import Client
from nats.aio.msg import Msg

from keelstep import errors
from keelstep.events import clock

API = "$JS.API"
EXPECTED = "Nats-Expected-Last-Subject-Sequence"
"""The fence: the sequence of the last message on a subject; 0 where there is none."""
TIMEOUT_SECONDS = 5.0

STREAM_NOT_FOUND = 10059
MESSAGE_NOT_FOUND = 10037
WRONG_SEQUENCE = frozenset({10071, 10164})
"""A fence refused; 10164 is a replicated stream's word for a race it has not yet settled."""
_UNAVAILABLE = 10008
"""No leader, or no majority; nothing took effect."""
_NOT_STORED = 10077
_MOST_ARE_THERE = "maximum messages per subject exceeded"
TOO_LARGE = 10054

Reply = TypeVar("Reply")
Found = TypeVar("Found")


class Refusal(msgspec.Struct, frozen=True):
    """Why JetStream refused."""

    code: int = 0
    err_code: int = 0
    description: str = ""


class Outcome(msgspec.Struct, frozen=True):
    """What became of a request, whatever it was."""

    error: Refusal | None = None
    seq: int = 0
    """The sequence of what was stored."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One stored message."""

    subject: str
    position: int
    stored_at: int
    """The broker's clock, nanoseconds since 1970."""
    headers: Mapping[str, str]
    payload: bytes
    block: bytes = b""
    """Its headers as they are stored; empty where it was not read from the leader."""


class _Raw(msgspec.Struct, frozen=True):
    subject: str
    seq: int
    time: str
    hdrs: str = ""
    data: str = ""


class _Got(msgspec.Struct, frozen=True):
    message: _Raw


class _Subjects(msgspec.Struct, frozen=True):
    subjects: dict[str, int] | None = None


class _Page(msgspec.Struct, frozen=True):
    state: _Subjects
    total: int = 0


_OUTCOMES = msgspec.json.Decoder(Outcome)


async def call(
    nc: Client, what: str, body: Any = None, *, type: type[Reply], timeout: float = TIMEOUT_SECONDS
) -> Reply:
    """What the API answered to `$JS.API.<what>`.

    Raises:
        errors.BrokerUnavailableError: no answer in time, or no majority of servers to give one.
        errors.BrokerError: it refused; `code` says why.
    """
    payload = b"" if body is None else msgspec.json.encode(body)
    message = await request(nc, f"{API}.{what}", payload, timeout=timeout)
    try:
        refusal = _OUTCOMES.decode(message.data).error
        if refusal is not None:
            raise _refused(refusal, f"{what}: ")
        return msgspec.json.decode(message.data, type=type)
    except msgspec.DecodeError as error:
        raise errors.BrokerError(f"{what}: unreadable answer: {error}") from error


async def publish(nc: Client, subject: str, payload: bytes, headers: Mapping[str, str] | None = None) -> int:
    """Publish and return the sequence under which it was stored.

    Raises:
        errors.BrokerUnavailableError: no answer in time; it may be stored nevertheless.
        errors.BrokerError: it was refused; `code` says why.
    """
    message = await request(nc, subject, payload, headers)
    try:
        outcome = _OUTCOMES.decode(message.data)
    except msgspec.DecodeError as error:
        raise errors.BrokerUnavailableError(f"{subject}: unreadable acknowledgement") from error
    if outcome.error is not None:
        raise _refused(outcome.error)
    return outcome.seq


async def last(nc: Client, stream: str, subject: str) -> Message | None:
    """The last message on a subject, as the stream's leader knows it; None where there is none.

    Raises:
        errors.BrokerError: it could not be read.
    """
    return await _get(nc, stream, {"last_by_subj": subject})


async def at(nc: Client, stream: str, position: int) -> Message | None:
    """The message at a sequence, as the stream's leader knows it; None where there is none, or none any more.

    Raises:
        errors.BrokerError: it could not be read.
    """
    return await _get(nc, stream, {"seq": position})


async def subjects(nc: Client, stream: str, pattern: str) -> dict[str, int]:
    """How many messages lie on each subject that fits, as the stream's leader knows it.

    Raises:
        errors.BrokerError: it could not be read.
    """
    found: dict[str, int] = {}
    while True:
        query = {"subjects_filter": pattern, "offset": len(found)}
        page = await call(nc, f"STREAM.INFO.{stream}", query, type=_Page)
        batch = page.state.subjects or {}
        found |= batch
        if not batch or len(found) >= page.total:
            return found


async def _get(nc: Client, stream: str, which: dict[str, Any]) -> Message | None:
    try:
        got = await call(nc, f"STREAM.MSG.GET.{stream}", which, type=_Got)
    except errors.BrokerError as error:
        if error.code == MESSAGE_NOT_FOUND:
            return None
        raise
    raw = got.message
    block = base64.b64decode(raw.hdrs)
    return Message(
        subject=raw.subject,
        position=raw.seq,
        stored_at=clock.parse(raw.time),
        headers=parse_headers(block),
        payload=base64.b64decode(raw.data),
        block=block,
    )


async def last_from_any(nc: Client, stream: str, subject: str) -> Message | None:
    """The last message on a subject as some replica knows it: quicker, possibly not the newest.

    Raises:
        errors.BrokerError: it could not be read.
    """
    try:
        message = await request(nc, f"{API}.DIRECT.GET.{stream}.{subject}", b"")
    except errors.BrokerUnavailableError:
        # to the library a writer's own header may look like nobody's answer
        return await last(nc, stream, subject)
    headers = message.headers or {}
    status = headers.get("Status") if "Nats-Sequence" not in headers else None
    if status == "404":
        return None
    if status is not None:
        raise errors.BrokerError(f"{subject}: the stream answered {status} {headers.get('Description', '')}")
    return Message(
        subject=headers["Nats-Subject"],
        position=int(headers["Nats-Sequence"]),
        stored_at=clock.parse(headers["Nats-Time-Stamp"]),
        headers=headers,
        payload=message.data,
    )


async def request(
    nc: Client,
    subject: str,
    payload: bytes,
    headers: Mapping[str, str] | None = None,
    timeout: float = TIMEOUT_SECONDS,
) -> Msg:
    """One request, one answer.

    Raises:
        errors.BrokerClosedError: the connection is closed for good.
        errors.BrokerUnavailableError: no answer in time, or nobody to answer.
        errors.BrokerError: the message is larger than the broker takes; nothing was sent.
    """
    # the library adds headers of its own to a dict it is given
    own = dict(headers) if headers else None
    try:
        return await nc.request(subject, payload, timeout=timeout, headers=own)
    except (nats.errors.Error, TimeoutError) as error:
        raise broker_error(error, subject) from error


async def cancellable(awaitable: Awaitable[Found]) -> Found:
    """Await what the client library does, and end where the caller was cancelled meanwhile.

    The library waits by `asyncio.wait_for`, which in Python 3.11 swallows a cancellation that comes together with the
    answer (python/cpython#86296): the task would live on, and whoever awaits its end wait for ever.
    """
    task = asyncio.current_task()
    before = task.cancelling() if task is not None else 0
    try:
        return await awaitable
    finally:
        if task is not None and task.cancelling() > before:
            raise asyncio.CancelledError


def is_already_there(error: errors.BrokerError) -> bool:
    """Whether a message was refused because its subject has its one already; a full stream has the same code."""
    return error.code == _NOT_STORED and error.message == _MOST_ARE_THERE


def broker_error(error: Exception, what: str) -> errors.BrokerError:
    """The client library's error as ours."""
    match error:
        case nats.errors.ConnectionClosedError() | nats.errors.ConnectionDrainingError():
            return errors.BrokerClosedError()
        case nats.errors.MaxPayloadError():
            return errors.BrokerError(f"{what}: too large for one message", TOO_LARGE)
        case _:
            return errors.BrokerUnavailableError(f"{what}: {str(error) or 'no answer'}")


def _refused(refusal: Refusal, about: str = "") -> errors.BrokerError:
    """What JetStream refused as our error."""
    kind = errors.BrokerUnavailableError if refusal.err_code == _UNAVAILABLE else errors.BrokerError
    return kind(about + refusal.description, refusal.err_code)


def parse_headers(block: bytes) -> dict[str, str]:
    """Headers from their stored form: a version line, then `Name: value` lines."""
    found = {}
    for line in block.decode("utf-8", "replace").split("\r\n")[1:]:
        name, colon, value = line.partition(":")
        if colon:
            found[name] = value.strip()
    return found
