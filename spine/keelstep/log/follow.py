"""Who changed? A program that follows a shard is woken for each stored message, and reads the log for itself.

A wake-up decides nothing: it says that something was stored, not what it means, and may come twice.
"""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from nats.aio.client import Client

from keelstep.log import subjects, tail

Wake = Callable[[str, str, str, int], None]
"""Told tenant, xid, writer and the message's sequence in the stream."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Last:
    """The last message of one writer on one execution."""

    tenant: str
    xid: str
    writer: str
    position: int
    stored_at: int
    """The broker's clock, nanoseconds since 1970."""


async def follow(nc: Client, shard: int, wake: Wake, *, from_new: bool = True, writer: str = "*") -> None:
    """Wake for every message stored in a shard; returns only when cancelled.

    With `from_new` only for what is stored from now on, otherwise first once for each execution and writer there is.
    Reconnects and restarts of the broker lose nothing.

    Raises:
        errors.BrokerClosedError: the connection is closed for good.
    """

    def handle(delivery: tail.Delivery) -> None:
        tenant, xid, token = _parts(delivery.subject)
        wake(tenant, xid, token, delivery.position)

    await tail.Tail(
        nc=nc,
        stream=subjects.stream(shard),
        subject=subjects.spine(shard, "*", "*", writer),
        handle=handle,
        start="new" if from_new else "last_per_subject",
        headers_only=True,
    ).run()


async def last_writers(nc: Client, shard: int, writer: str = "gw") -> AsyncIterator[Last]:
    """The last message of this writer on each execution: what a sweep begins with. Ends with the last stored by now.

    Raises:
        errors.BrokerError: it was interrupted; begin again.
    """
    found = tail.last_of_each(nc, subjects.stream(shard), subjects.spine(shard, "*", "*", writer))
    async for delivery in found:
        tenant, xid, token = _parts(delivery.subject)
        yield Last(
            tenant=tenant, xid=xid, writer=token, position=delivery.position, stored_at=delivery.stored_at
        )


def _parts(subject: str) -> tuple[str, str, str]:
    _, _, tenant, xid, writer = subject.split(".")
    return tenant, xid, writer
