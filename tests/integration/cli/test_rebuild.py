"""Does one command make the views in Postgres again from the log?"""

import os
from collections.abc import AsyncIterator

import asyncpg  # type: ignore[import-untyped]  # it ships none
import pytest
import pytest_asyncio

from keelstep.log.identities import Role
from keelstep.testing.broker import RunningBroker
from keelstep.testing.postgres import RunningPostgres
from tests.integration.cli import program
from tests.integration.views.written import Writers

STEPS = "SELECT step_n, event_type, summary FROM traces.steps WHERE trace_id = $1 ORDER BY step_n, event_type, summary"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def postgres() -> AsyncIterator[RunningPostgres]:
    """A Postgres of these tests' own."""
    async with RunningPostgres() as running:
        yield running


def _environment(broker: RunningBroker, dsn: str) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "KEELSTEP_NATS_URL": broker.url,
        "KEELSTEP_NATS_CREDENTIALS": str(broker.installation.credentials_file(Role.PROJECTOR)),
        "KEELSTEP_KEYRING": str(broker.installation.folder / "public" / "keyring.json"),
        "KEELSTEP_POSTGRES_DSN": dsn,
    }


async def test_the_views_are_made_again(own_broker: RunningBroker, postgres: RunningPostgres) -> None:
    """Exit 0, the tables hold what the log holds, and again after they were emptied."""
    await (await (await Writers.of(own_broker)).bound("shop", "refund-1")).refund()
    dsn = await postgres.new_database()
    environ = _environment(own_broker, dsn)
    said = await program.run("rebuild", "views", environ=environ)
    assert said.output == "views of shard 0 rebuilt up to message 16\n"
    connection = await asyncpg.connect(dsn)
    try:
        first = await connection.fetch(STEPS, "7f" * 16)
        assert "exec.started" in {row["event_type"] for row in first}
        await connection.execute("TRUNCATE traces.lines")
        said = await program.run("rebuild", "views", "-o", "json", environ=environ)
        assert said.data == {"shard": 0, "position": 16, "goal": 16}
        assert await connection.fetch(STEPS, "7f" * 16) == first
    finally:
        await connection.close()


MISTAKES = {
    "no broker": ({"KEELSTEP_NATS_URL": "nats://127.0.0.1:1"}, 5, "no broker at nats://127.0.0.1:1"),
    "no credentials": ({"KEELSTEP_NATS_CREDENTIALS": "/nowhere"}, 2, "--nats-creds: /nowhere is no file"),
    "no keyring": ({"KEELSTEP_KEYRING": "/nowhere"}, 2, "--keyring: /nowhere cannot be used"),
    "no database": ({"KEELSTEP_POSTGRES_DSN": "postgresql://127.0.0.1:1/x"}, 5, "Postgres is not available"),
    "an address that is none": ({"KEELSTEP_POSTGRES_DSN": "mysql://x"}, 2, "not an address of Postgres"),
    "nothing at all": ({"KEELSTEP_POSTGRES_DSN": ""}, 2, "Missing option '--dsn'"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
async def test_a_mistake_is_answered_in_one_line(
    mistake: str, own_broker: RunningBroker, postgres: RunningPostgres
) -> None:
    """Its exit code, one line, and nothing was touched."""
    changes, status, message = MISTAKES[mistake]
    environ = {**_environment(own_broker, await postgres.new_database()), **changes}
    said = await program.run("rebuild", "views", environ=environ)
    assert message in said.refused(status)
