"""How does one stream become a file, and a file a stream again? By the broker's own snapshots, byte for byte.

Sequences, times and headers stay what they were. The broker sends chunks and waits for each to be acknowledged; the
other way round it acknowledges each. Nothing here knows what a stream is for.
"""

import asyncio
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec
import nats.errors
from nats.aio.client import Client
from nats.aio.msg import Msg

from keelstep import errors
from keelstep.log import jetstream

CHUNK_BYTES = 128 * 1024
_SILENCE_SECONDS = 30.0
_END = ("", "204")
"""The status of the last, empty chunk; anything else says why the broker gave up."""


class Taken(msgspec.Struct, frozen=True, kw_only=True):
    """What was copied."""

    config: dict[str, Any]
    """The stream's, as JetStream's API spells it."""
    state: dict[str, Any]


class _Answer(msgspec.Struct, frozen=True):
    config: dict[str, Any] = {}
    state: dict[str, Any] = {}


class _Open(msgspec.Struct, frozen=True):
    deliver_subject: str


async def take(nc: Client, stream: str, path: Path) -> Taken:
    """Write a stream to a new file, which is on the disk when this returns.

    Raises:
        errors.BrokerError: the broker refused, or fell silent in the middle.
        OSError: the file cannot be written.
    """
    arrived: asyncio.Queue[Msg] = asyncio.Queue()
    inbox = nc.new_inbox()
    try:
        subscription = await nc.subscribe(inbox, cb=arrived.put)
    except nats.errors.Error as error:
        raise jetstream.broker_error(error, stream) from error
    try:
        wanted = {"deliver_subject": inbox, "no_consumers": True, "chunk_size": CHUNK_BYTES, "jsck": True}
        found = await jetstream.call(nc, f"STREAM.SNAPSHOT.{stream}", wanted, type=_Answer)
        with path.open("xb") as file:
            while chunk := await _chunk(nc, arrived, stream):
                await asyncio.to_thread(file.write, chunk)
            file.flush()
            await asyncio.to_thread(os.fsync, file.fileno())
    finally:
        await _quietly(subscription.unsubscribe)
    return Taken(config=found.config, state=found.state)


async def give(nc: Client, stream: str, taken: Taken, path: Path, metadata: Mapping[str, str]) -> None:
    """Make a stream of a file; `metadata` is added to what the stream says of itself.

    Raises:
        errors.BrokerError: the broker refused: there is such a stream, or the file is no snapshot of it.
        OSError: the file cannot be read.
    """
    config = {**taken.config, "metadata": {**(taken.config.get("metadata") or {}), **metadata}}
    wanted = {"config": config, "state": taken.state}
    opened = await jetstream.call(nc, f"STREAM.RESTORE.{stream}", wanted, type=_Open)
    with path.open("rb") as file:
        while chunk := await asyncio.to_thread(file.read, CHUNK_BYTES):
            answer = await jetstream.request(nc, opened.deliver_subject, chunk, timeout=_SILENCE_SECONDS)
            _accepted(answer, stream)
    # the broker answers once the stream is there
    last = await jetstream.request(nc, opened.deliver_subject, b"", timeout=_SILENCE_SECONDS)
    _accepted(last, stream)


async def _chunk(nc: Client, arrived: "asyncio.Queue[Msg]", stream: str) -> bytes:
    """The next chunk; empty after the last."""
    try:
        async with asyncio.timeout(_SILENCE_SECONDS):
            message = await arrived.get()
    except TimeoutError as error:
        raise errors.BrokerUnavailableError(f"the snapshot of {stream} fell silent") from error
    if message.reply:
        await nc.publish(message.reply)
    if not message.data:
        headers = message.headers or {}
        status = headers.get("Status", "")
        if status not in _END:
            raise errors.BrokerError(
                f"the snapshot of {stream} ended early: {status} {headers.get('Description', '')}".rstrip()
            )
    return message.data


def _accepted(answer: Msg, stream: str) -> None:
    if not answer.data:
        return
    try:
        refusal = msgspec.json.decode(answer.data, type=jetstream.Outcome).error
    except msgspec.DecodeError as error:
        raise errors.BrokerError(f"restoring {stream}: unreadable answer") from error
    if refusal is not None:
        raise errors.BrokerError(f"restoring {stream}: {refusal.description}", refusal.err_code)


async def _quietly(what: Callable[[], Any]) -> None:
    try:
        await what()
    except nats.errors.Error:
        return
