"""What does a projector tell Prometheus of the log that it reads, and of itself?"""

import socket
from pathlib import Path

from keelstep.testing.broker import RunningBroker
from keelstep.testing.postgres import RunningPostgres
from keelstep.testing.scraping import Scrape
from tests.integration.store import samples
from tests.integration.store.stage import Stage, staged


async def test_runs_are_counted_once_their_events_are_in_the_tables(stage: Stage) -> None:
    """A restarted projector does not count them again."""
    run = samples.refund()
    events = len(run.messages)
    now_stored = run.state
    await stage.play(run)
    scrape, again = Scrape(), Scrape()
    program = await stage.start(KEELSTEP_METRICS_PORT=str(scrape.port))
    await scrape.until("keelstep_projected_messages_total", events, outcome="event")
    assert now_stored.started is not None
    owners = {"strategy": now_stored.started.strategy, "tenant": now_stored.tenant}
    assert await scrape.of("agent_runs_started_total", **owners) == 1
    assert await scrape.of("keelstep_projector_leader") == 1
    assert await scrape.of("keelstep_projector_position") == events
    assert await scrape.of("keelstep_projector_commit_seconds_count") >= 1
    assert await program.terminate() == 0
    await stage.start(KEELSTEP_METRICS_PORT=str(again.port))
    await again.until("keelstep_projector_leader", 1)
    assert await again.of("keelstep_projected_messages_total", outcome="event") == 0
    assert await again.of("keelstep_projector_position") == events


async def test_what_waits_while_postgres_is_away_shows_as_lag(
    own_broker: RunningBroker, own_postgres: RunningPostgres, tmp_path: Path
) -> None:
    """The tables fall behind, and it is seen though nothing can be written."""
    dsn = await own_postgres.new_database()
    scrape = Scrape()
    async with staged(own_broker, dsn, tmp_path) as stage:
        program = await stage.start(KEELSTEP_METRICS_PORT=str(scrape.port))
        await scrape.until("keelstep_projector_leader", 1)
        assert await scrape.of("keelstep_projector_lag_messages") == 0
        await own_postgres.stop()
        run = samples.refund()
        events = len(run.messages)
        await stage.play(run)
        await scrape.until("keelstep_projector_lag_messages", events)
        await scrape.until("keelstep_projector_lag_seconds", 1)
        await own_postgres.start()
        await scrape.until("keelstep_projector_position", events)
        assert await program.terminate() == 0


async def test_a_port_that_is_taken_is_named_and_ends_the_program(stage: Stage) -> None:
    """One line, no stack trace, exit code 2."""
    with socket.socket() as taken:
        taken.bind(("0.0.0.0", 0))
        taken.listen()
        program = await stage.start(KEELSTEP_METRICS_PORT=str(taken.getsockname()[1]))
        assert await program.ended() == 2
    said = program.output.read_text()
    assert "KEELSTEP_METRICS_PORT" in said
    assert "Traceback" not in said
