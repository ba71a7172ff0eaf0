"""One Postgres for the whole run with a database per test; a broker per test, because a test is about its stream."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from keelstep.testing.broker import RunningBroker
from keelstep.testing.postgres import RunningPostgres
from tests.integration.store.stage import Stage, staged


@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def postgres() -> AsyncIterator[RunningPostgres]:
    """The run's Postgres. Tests share it, each in its own database."""
    async with RunningPostgres() as running:
        yield running


@pytest_asyncio.fixture(loop_scope="session")
async def own_postgres() -> AsyncIterator[RunningPostgres]:
    """A Postgres of this test's own, to kill or restart."""
    async with RunningPostgres() as running:
        yield running


@pytest_asyncio.fixture(loop_scope="session")
async def dsn(postgres: RunningPostgres) -> str:
    """An empty database."""
    return await postgres.new_database()


@pytest_asyncio.fixture(loop_scope="session")
async def stage(own_broker: RunningBroker, dsn: str, tmp_path: Path) -> AsyncIterator[Stage]:
    """A broker of its own, and the shared Postgres."""
    async with staged(own_broker, dsn, tmp_path) as made:
        yield made
