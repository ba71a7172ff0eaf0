"""One views server for the whole run, behind the governed control plane, and writers of logs."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from keelstep.testing.broker import RunningBroker
from tests.integration.kinds import plane
from tests.integration.kinds.plane import governed, namespace
from tests.integration.views import stage
from tests.integration.views.written import Writers

__all__ = ["governed", "namespace", "views", "writers"]


@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def views(
    broker: RunningBroker, governed: plane.Governed, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[stage.Views]:
    """The registered views server."""
    async with stage.registered(broker, governed, tmp_path_factory.mktemp("views")) as running:
        yield running


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def writers(broker: RunningBroker) -> Writers:
    """Operator and gateway, connected."""
    return await Writers.of(broker)
