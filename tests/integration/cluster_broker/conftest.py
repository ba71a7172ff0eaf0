"""Three brokers for this folder's tests, whole again before each of them."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from keelstep.testing.cluster import RunningCluster


@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def three_brokers(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RunningCluster]:
    """The servers; what a test does to them it need not mend."""
    async with RunningCluster(tmp_path_factory.mktemp("cluster")) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="session")
async def cluster(three_brokers: RunningCluster) -> AsyncIterator[RunningCluster]:
    """The three servers, each with every stream."""
    await three_brokers.mend()
    yield three_brokers
    await three_brokers.close()
