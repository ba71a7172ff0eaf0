"""How are an execution's messages read from the stream?

By batched direct gets: one request, every message of all writers' subjects after a sequence, in order. A follower may
answer, so the newest messages may be missing: what rests on such a read ends in a fenced append.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

import msgspec
import nats.errors
from nats.aio.client import Client
from nats.aio.msg import Msg

from keelstep import errors
from keelstep.events import clock, signing
from keelstep.events.frame import Stored
from keelstep.log import client, subjects

BATCH = 1_000
"""Messages asked for at once."""
BATCH_BYTES = 8 * 1024 * 1024
"""Where a batch of large events ends early."""
TIMEOUT_SECONDS = 5.0
"""From one message to the next."""


class StreamReader:
    """Reads executions of one shard from the stream itself; only programs of the account CORE may."""

    def __init__(self, nc: Client, shard: int) -> None:
        assert isinstance(nc, client.Connection), "the library's own sends no answer straight to who asked"
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
            batch, is_all = await self.batch(tenant, xid, after)
            found += batch
            if is_all:
                return found
            after = batch[-1].position

    async def chunk(self, tenant: str, xid: str, after: int, enough_bytes: int) -> list[Stored]:
        """The next messages of an execution: all, or so many that they hold this many bytes, and little more.

        Raises:
            errors.BrokerUnavailableError: the broker did not answer in time; asking again may help.
        """
        found: list[Stored] = []
        size, is_all = 0, False
        while size < enough_bytes and not is_all:
            # the broker counts subjects and headers too: some more, else the last ones come one by one
            most_bytes = min(enough_bytes - size + enough_bytes // 16, BATCH_BYTES)
            batch, is_all = await self.batch(tenant, xid, after, most_bytes)
            found += batch
            size += sum(len(stored.payload) for stored in batch)
            after = batch[-1].position if batch else after
        return found

    async def batch(
        self, tenant: str, xid: str, after: int, most_bytes: int = BATCH_BYTES
    ) -> tuple[list[Stored], bool]:
        """The next messages, about so many bytes at most, and whether they are the last ones.

        Raises:
            errors.BrokerUnavailableError: the broker did not answer in time; asking again may help.
        """
        found, left = await self._ask(tenant, xid, after, BATCH, most_bytes)
        return found, left == 0

    async def left(self, tenant: str, xid: str, after: int) -> int:
        """How many messages of an execution there are after a stream sequence.

        Raises:
            errors.BrokerUnavailableError: the broker did not answer in time; asking again may help.
        """
        found, left = await self._ask(tenant, xid, after, 1, BATCH_BYTES)
        return len(found) + left

    async def _ask(
        self, tenant: str, xid: str, after: int, most: int, most_bytes: int
    ) -> tuple[list[Stored], int]:
        wanted = {
            "seq": after + 1,
            "batch": most,
            "max_bytes": most_bytes,
            "next_by_subj": subjects.spine(self._shard, tenant, xid, "*"),
        }
        batch = _Batch(asyncio.get_running_loop().create_future())
        try:
            await self._nc.listen()
            with self._nc.expecting(batch.add) as inbox:
                await self._nc.publish(self._subject, msgspec.json.encode(wanted), reply=inbox)
                await batch.arrive(xid)
        except (nats.errors.ConnectionClosedError, nats.errors.ConnectionDrainingError) as error:
            raise errors.BrokerClosedError from error
        except nats.errors.Error as error:
            raise errors.BrokerUnavailableError(f"reading {xid}") from error
        return batch.messages, batch.whole.result()


@dataclass(slots=True)
class _Batch:
    """What has arrived of one batch."""

    whole: "asyncio.Future[int]"
    """How many messages there are after these."""
    messages: list[Stored] = field(default_factory=list)

    def add(self, message: Msg | None) -> None:
        """The next message of the batch, or its end."""
        if self.whole.done():
            return
        try:
            if message is None:
                self.whole.set_exception(errors.BrokerClosedError())
            elif _is_end(message):
                self.whole.set_result(_pending(message) if self.messages else 0)
            else:
                self.messages.append(_stored(message))
        except errors.BrokerUnavailableError as error:
            self.whole.set_exception(error)
        except (KeyError, ValueError) as error:
            self.whole.set_exception(errors.BrokerError(f"no answer of a stream: {error}"))

    async def arrive(self, what: str) -> None:
        """Return once it is whole.

        Raises:
            errors.BrokerUnavailableError: nothing more came in time.
        """
        while not self.whole.done():
            arrived = len(self.messages)
            await asyncio.wait((self.whole,), timeout=TIMEOUT_SECONDS)
            if not self.whole.done() and len(self.messages) == arrived:
                raise errors.BrokerUnavailableError(f"reading {what}")


def _is_end(message: Msg) -> bool:
    """A status ends the batch: 204 after the last, 404 where there is none.

    What carries a stored message's sequence is one, whatever status its writer put into its headers. A subject alone
    proves nothing: the broker names the one that nobody answers on.
    """
    headers = message.headers or {}
    status = headers.get("Status")
    if status is None or "Nats-Sequence" in headers:
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
