"""Whoever follows a shard hears of everything, and of nothing else."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

import pytest
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription

from keelstep.log import follow, jetstream, subjects
from keelstep.log.identities import Role
from keelstep.testing import eventually
from keelstep.testing.broker import RunningBroker


class Heard(list[tuple[str, str, str, int]]):
    """Every wake-up, in order."""

    def wake(self, heard: follow.Heard) -> None:
        """Note it."""
        self.append((heard.tenant, heard.xid, heard.writer, heard.position))

    def positions(self, tenant: str) -> list[int]:
        """Those of one tenant."""
        return [position for found, _, _, position in self if found == tenant]


@contextlib.asynccontextmanager
async def following(
    client: Client, *, from_new: bool = True, writers: Sequence[str] = ("*",)
) -> AsyncIterator[Heard]:
    """Follow shard 0 while the context lasts; it ends only because it is cancelled."""
    heard = Heard()
    task = asyncio.create_task(follow.follow(client, 0, heard.wake, from_new=from_new, writers=writers))
    try:
        yield heard
        assert not task.done()
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def append(client: Client, tenant: str, xid: str, writer: str = "op") -> int:
    """Store something."""
    return await jetstream.publish(client, subjects.spine(0, tenant, xid, writer), b"event")


async def heard_of_first(client: Client, heard: Heard) -> None:
    """Return once the follower hears what is stored from now on."""

    async def probe() -> bool:
        await append(client, "probe", "probe")
        return bool(heard)

    await eventually.awaited(probe, "the follower is there")


async def test_each_stored_message_wakes_once_in_order(broker: RunningBroker, tenant: str) -> None:
    """Tenant, execution, writer and position of every message of the shard, from now on."""
    operator = await broker.connect(Role.OPERATOR)
    await append(operator, tenant, "before")
    async with following(operator) as heard:
        await heard_of_first(operator, heard)
        stored = [await append(operator, tenant, f"x{number}") for number in range(50)]
        await eventually.true(lambda: len(heard.positions(tenant)) == 50, "fifty wake-ups")
        assert heard.positions(tenant) == stored
        assert (tenant, "x0", "op", stored[0]) in heard
    await operator.close()


async def test_a_new_follower_first_hears_of_every_execution_once(broker: RunningBroker, tenant: str) -> None:
    """Not from new: the last message of each writer of each execution, then what is stored."""
    operator = await broker.connect(Role.OPERATOR)
    stored = {
        f"x{number}": [await append(operator, tenant, f"x{number}") for _ in range(3)] for number in range(5)
    }
    async with following(operator, from_new=False) as heard:
        last = [positions[-1] for positions in stored.values()]
        await eventually.true(lambda: heard.positions(tenant) == last, "the last of each")
    await operator.close()


async def test_a_follower_of_one_writer_hears_no_other(broker: RunningBroker, tenant: str) -> None:
    """The broker filters: a gateway's sweep is not woken by its neighbours."""
    operator, gateway = await broker.connect(Role.OPERATOR), await broker.connect(Role.GATEWAY)
    async with following(operator, from_new=False, writers=["gw"]) as heard:
        await append(operator, tenant, "x", "op")
        mine = await append(gateway, tenant, "x", "gw")
        await eventually.true(lambda: heard.positions(tenant), "the gateway's message")
        assert heard.positions(tenant) == [mine]
    await operator.close()
    await gateway.close()


async def test_a_follower_survives_crashes_of_the_broker(own_broker: RunningBroker) -> None:
    """What is stored while it is away is heard afterwards: its consumer is forgotten, its place is not."""
    follower = await own_broker.connect(Role.PROJECTOR)
    async with following(follower) as heard:
        operator = await own_broker.connect(Role.OPERATOR)
        await heard_of_first(operator, heard)
        for number in range(2):
            await own_broker.restart(kill=True)
            writer = await own_broker.connect(Role.OPERATOR)
            stored = [await append(writer, f"t{number}", "x") for _ in range(20)]
            await eventually.true(lambda n=number: len(heard.positions(f"t{n}")) >= 20, "twenty wake-ups")  # type: ignore[misc]
            assert heard.positions(f"t{number}") == stored


@pytest.mark.parametrize("lost", [{5, 6}, {20}], ids=["in the middle", "the last"])
async def test_a_follower_that_loses_messages_reads_them_again(
    own_broker: RunningBroker, lost: set[int]
) -> None:
    """What the broker sent and this program never saw is found by the consumer's count, or by its heartbeat."""
    follower = await own_broker.connect(Role.PROJECTOR)
    lose(follower, lost)
    operator = await own_broker.connect(Role.OPERATOR)
    async with following(follower, from_new=False) as heard:
        stored = [await append(operator, "t", f"x{number}") for number in range(20)]
        await eventually.true(lambda: len(heard.positions("t")) >= 20, "twenty wake-ups")
        assert heard.positions("t") == stored
    assert not lost, "they were lost indeed"


def lose(client: Client, lost: set[int]) -> None:
    """Let these deliveries, counted from 1, vanish on their way to the program."""
    subscribe = client.subscribe
    seen = 0

    async def lossy(subject: str, *, cb: Callable[[Msg], Awaitable[None]]) -> Subscription:
        async def deliver(message: Msg) -> None:
            nonlocal seen
            if "Status" not in (message.headers or {}):
                seen += 1
                if seen in lost:
                    lost.discard(seen)
                    return
            await cb(message)

        return await subscribe(subject, cb=deliver)

    client.subscribe = lossy  # type: ignore[method-assign,assignment]


async def test_last_writers_names_each_execution_once(broker: RunningBroker, tenant: str) -> None:
    """The last message of the gateway on each execution, and none of another writer."""
    operator, gateway = await broker.connect(Role.OPERATOR), await broker.connect(Role.GATEWAY)
    last = {}
    for number in range(10):
        xid = f"x{number}"
        await append(gateway, tenant, xid, "gw")
        last[xid] = await append(gateway, tenant, xid, "gw")
        await append(operator, tenant, xid, "op")
    found = [one async for one in follow.last_writers(operator, 0) if one.tenant == tenant]
    assert {one.xid: one.position for one in found} == last
    assert {one.writer for one in found} == {"gw"}
    assert all(one.stored_at > 0 for one in found)
    await operator.close()
    await gateway.close()


async def test_a_sweep_of_an_empty_shard_ends(own_broker: RunningBroker) -> None:
    """Nothing stored: nothing found, and it does not wait."""
    operator = await own_broker.connect(Role.OPERATOR)
    assert [one async for one in follow.last_writers(operator, 0)] == []
