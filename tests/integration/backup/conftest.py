"""A broker of each test's own, to lose."""

from pathlib import Path

import pytest_asyncio

from keelstep.testing.broker import RunningBroker
from tests.integration.backup.stage import Disaster


@pytest_asyncio.fixture(loop_scope="session")
async def disaster(own_broker: RunningBroker, tmp_path: Path) -> Disaster:
    """Nothing is lost yet."""
    return Disaster(broker=own_broker, folder=tmp_path / "backups")
