"""Who changed? A program that follows a shard is woken for each stored message, and reads the log for itself.

A wake-up decides nothing: it says that something was stored, not what it means, and may come twice.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass

from nats.aio.client import Client

from keelstep.log import spine, subjects, tail


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """One stored message, without what it says."""

    tenant: str
    xid: str
    writer: str
    position: int
    """Its sequence in the stream."""
    stored_at: int
    """The broker's clock, nanoseconds since 1970."""
    type: str
    """The type of event its writer says it is; empty where it does not say. A runner may say anything."""


Wake = Callable[[Heard], None]


async def follow(
    nc: Client,
    shard: int,
    wake: Wake,
    *,
    from_new: bool = True,
    writers: Sequence[str] = ("*",),
    on_begin: Callable[[], None] | None = None,
) -> None:
    """Wake for every message stored in a shard; returns only when cancelled.

    With `from_new` only for what is stored from now on, otherwise first once for each execution and writer there is.
    `writers` are the tokens of those to hear of.
    Reconnects and restarts of the broker lose nothing. `on_begin` is told from when on everything is heard.

    Raises:
        errors.BrokerClosedError: the connection is closed for good.
    """

    await tail.Tail(
        nc=nc,
        stream=subjects.stream(shard),
        subjects=[subjects.spine(shard, "*", "*", writer) for writer in writers],
        handle=lambda delivery: wake(_heard(delivery)),
        start="new" if from_new else "last_per_subject",
        headers_only=True,
        on_begin=lambda _: on_begin() if on_begin is not None else None,
    ).run()


async def last_writers(nc: Client, shard: int, writer: str = "gw") -> AsyncIterator[Heard]:
    """The last message of this writer on each execution: what a sweep begins with. Ends with the last stored by now.

    Raises:
        errors.BrokerError: it was interrupted; begin again.
    """
    found = tail.last_of_each(nc, subjects.stream(shard), subjects.spine(shard, "*", "*", writer))
    async for delivery in found:
        yield _heard(delivery)


def _heard(delivery: tail.Delivery) -> Heard:
    _, _, tenant, xid, writer = delivery.subject.split(".")
    return Heard(
        tenant=tenant,
        xid=xid,
        writer=writer,
        position=delivery.position,
        stored_at=delivery.stored_at,
        type=delivery.headers.get(spine.TYPE_HEADER, ""),
    )
