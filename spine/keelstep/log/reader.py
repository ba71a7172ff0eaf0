"""How are an execution's messages read from the stream?

By batched direct gets: one request, every message of all writers' subjects after a sequence, in order. A follower may
answer, so the newest messages may be missing: what rests on such a read ends in a fenced append.
"""

import contextlib
from collections.abc import Sequence

import msgspec
import nats.errors
from nats.aio.client import Client
from nats.aio.msg import Msg

from keelstep import errors
from keelstep.events import clock, signing
from keelstep.events.frame import Stored
from keelstep.log import jetstream, subjects

BATCH = 1_000
"""Messages asked for at once."""
BATCH_BYTES = 8 * 1024 * 1024
"""Where a batch of large events ends early."""
TIMEOUT_SECONDS = 5.0
"""From one message to the next."""


class StreamReader:
    """Reads executions of one shard from the stream itself; only programs of the account CORE may."""

    def __init__(self, nc: Client, shard: int) -> None:
        self._nc = nc
        self._shard = shard
        self._subject = f"$JS.API.DIRECT.GET.{subjects.stream(shard)}"

    async def read(self, tenant: str, xid: str, after: int) -> Sequence[Stored]:
        """Every message of an execution after a stream sequence, in order.

        Raises:
            errors.BrokerUnavailableError: the broker did not answer in time; asking again may help.
        """
        found: list[Stored] = []
        while True:
            batch, is_all = await self._batch(tenant, xid, after)
            found += batch
            if is_all:
                return found
            after = batch[-1].position

    async def chunk(self, tenant: str, xid: str, after: int, enough_bytes: int) -> list[Stored]:
        """The next messages of an execution, up to the first with which they hold this many bytes; else all.

        Raises:
            errors.BrokerUnavailableError: the broker did not answer in time; asking again may help.
        """
        found: list[Stored] = []
        size = 0
        while True:
            batch, is_all = await self._batch(tenant, xid, after)
            for stored in batch:
                found.append(stored)
                size += len(stored.payload)
                if size >= enough_bytes:
                    return found
            if is_all:
                return found
            after = batch[-1].position

    async def _batch(self, tenant: str, xid: str, after: int) -> tuple[list[Stored], bool]:
        """The next messages, and whether they are the last ones."""
        wanted = {
            "seq": after + 1,
            "batch": BATCH,
            "max_bytes": BATCH_BYTES,
            "next_by_subj": subjects.spine(self._shard, tenant, xid, "*"),
        }
        found: list[Stored] = []
        try:
            inbox = self._nc.new_inbox()
            subscription = await self._nc.subscribe(inbox)
            try:
                await self._nc.publish(self._subject, msgspec.json.encode(wanted), reply=inbox)
                while True:
                    message = await jetstream.cancellable(subscription.next_msg(timeout=TIMEOUT_SECONDS))
                    if _is_end(message):
                        return found, not found or _pending(message) == 0
                    found.append(_stored(message))
            finally:
                with contextlib.suppress(
                    nats.errors.Error
                ):  # the connection may be gone, and the inbox with it
                    await subscription.unsubscribe()
        except (nats.errors.ConnectionClosedError, nats.errors.ConnectionDrainingError) as error:
            raise errors.BrokerClosedError from error
        except nats.errors.Error as error:
            raise errors.BrokerUnavailableError(f"reading {xid}") from error


def _is_end(message: Msg) -> bool:
    """A status ends the batch: 204 after the last, 404 where there is none.

    What carries a stored message's subject is one, whatever status its writer put into its headers.
    """
    headers = message.headers or {}
    status = headers.get("Status")
    if status is None or "Nats-Subject" in headers:
        return False
    if status in ("204", "404"):
        return True
    raise errors.BrokerUnavailableError(f"the stream answered {status}")


def _pending(message: Msg) -> int:
    """How many messages come after this batch: it ends early where it grows too large."""
    return int((message.headers or {}).get("Nats-Num-Pending", "0"))


def _stored(message: Msg) -> Stored:
    headers = message.headers or {}
    return Stored(
        position=int(headers["Nats-Sequence"]),
        writer=headers["Nats-Subject"].rpartition(".")[2],
        stored_at=clock.parse(headers["Nats-Time-Stamp"]),
        signature=headers.get(signing.HEADER, ""),
        payload=message.data,
    )
