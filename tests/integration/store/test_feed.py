"""Does whoever waits for messages stop waiting when told to?"""

import asyncio

from keelstep.log.identities import Role
from keelstep.store.feed import Feed
from keelstep.testing.broker import RunningBroker


async def test_a_take_that_is_cancelled_as_news_comes_ends(broker: RunningBroker) -> None:
    """At any turn of the loop: one that went on would fill a queue that nobody empties, and the projector stand still."""
    feed = Feed(await broker.connect(Role.PROJECTOR), 0)
    await feed.open(2**40)  # where nothing comes
    try:
        for turns in range(20):
            taking = asyncio.create_task(feed.take())
            await asyncio.sleep(0)
            feed._news.set()
            for _ in range(turns):
                await asyncio.sleep(0)
            taking.cancel()
            await asyncio.wait({taking}, timeout=60)
            assert taking.cancelled(), f"cancelled {turns} turns of the loop after the news"
    finally:
        await feed.close()
