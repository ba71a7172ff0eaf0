"""How the program starts, waits, refuses and ends."""

from pathlib import Path

from keelstep.testing import eventually
from keelstep.testing.broker import RunningBroker
from keelstep.testing.postgres import RunningPostgres
from tests.integration.store import samples
from tests.integration.store.stage import Stage, staged


async def test_a_signal_ends_the_program_cleanly(stage: Stage) -> None:
    """Exit code 0, and everything it had read is in the tables."""
    await stage.play(samples.refund())
    program = await stage.start()
    await stage.caught_up()
    assert await program.terminate() == 0
    assert [line["reason"] for line in program.said("stopped")] == ["Signal"]


async def test_the_program_waits_for_postgres_and_says_so(
    own_broker: RunningBroker, own_postgres: RunningPostgres, tmp_path: Path
) -> None:
    """It neither gives up nor stays silent, and migrates once Postgres answers."""
    dsn = await own_postgres.new_database()
    async with staged(own_broker, dsn, tmp_path) as stage:
        await stage.play(samples.refund())
        await own_postgres.stop()
        program = await stage.start()
        (said,) = await eventually.true(lambda: program.said("postgres_awaited"), "it says so")
        assert said["reason"] == "PostgresUnavailable"
        await own_postgres.start()
        async with staged(own_broker, dsn, tmp_path) as again:
            await again.caught_up()
        assert await program.terminate() == 0


async def test_the_program_waits_for_the_broker_and_says_so(stage: Stage) -> None:
    """A broker that is not there yet is no reason to end."""
    await stage.play(samples.refund())
    await stage.broker.stop()
    program = await stage.start()
    await eventually.true(lambda: program.said("broker_awaited"), "it says so", within_seconds=40)
    await stage.broker.start()
    await stage.caught_up()
    assert await program.terminate() == 0


async def test_wrong_settings_are_named_and_end_it_with_exit_code_2(stage: Stage) -> None:
    """One line each, no stack trace."""
    cases = {
        "KEELSTEP_KEYRING": {"KEELSTEP_KEYRING": "/nowhere/keyring.json"},
        "KEELSTEP_NATS_CREDENTIALS": {"KEELSTEP_NATS_CREDENTIALS": "/nowhere/nats.creds"},
        "KEELSTEP_BATCH": {"KEELSTEP_BATCH": "0"},
        "exactly one of KEELSTEP_POSTGRES_DSN": {"KEELSTEP_POSTGRES_DSN_FILE": "/nowhere/dsn"},
        "not an address of Postgres": {"KEELSTEP_POSTGRES_DSN": "mysql://here"},
    }
    for named, environ in cases.items():
        program = await stage.start(**environ)
        assert await program.ended() == 2, named
        said = program.output.read_text()
        assert named in said
        assert "Traceback" not in said


async def test_a_database_that_does_not_exist_is_a_persons_matter(stage: Stage) -> None:
    """It does not wait for ever for what only a person can make."""
    program = await stage.start(KEELSTEP_POSTGRES_DSN=stage.dsn.replace("/test_", "/no_"))
    assert await program.ended() == 1
    assert program.said("failed")[0]["reason"] == "PostgresRefused"
