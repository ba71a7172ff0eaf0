"""The stage, set once for this folder."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.integration.operator import stage as stages
from tests.integration.operator.stage import Stage


@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def stage(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    """Everything that runs."""
    async with stages.running(tmp_path_factory.mktemp("gitops")) as running:
        yield running
