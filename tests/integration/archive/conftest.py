"""A broker of each test's own: an archivist looks at every log there is."""

from pathlib import Path

import pytest_asyncio

from keelstep.testing.broker import RunningBroker
from tests.integration.archive.stage import Stage


@pytest_asyncio.fixture(loop_scope="session")
async def stage(own_broker: RunningBroker, tmp_path: Path) -> Stage:
    """An archivist with nothing to do yet."""
    return await Stage.of(own_broker, tmp_path / "archive")
