"""Views dropped and made again from the log are equal, row by row."""

import pytest

from keelstep.store import rebuild
from keelstep.testing import builders
from tests.integration.store import samples
from tests.integration.store.stage import Stage


async def test_rebuilt_views_equal_the_live_ones_row_by_row(stage: Stage) -> None:
    """Written in other batches, from a cold start: the same rows."""
    runs = samples.busy()
    async with stage.projecting(batch=4):
        await stage.play_interleaved(*runs[:6])
        await stage.caught_up()
        await stage.play_interleaved(*runs[6:])
        await stage.caught_up()
    live = await stage.tables()
    assert all(live.values())
    await stage.connection.execute("DELETE FROM traces.lines WHERE seq = 3")
    await stage.connection.execute("UPDATE gold.executions SET outcome = 'succeeded'")
    reports: list[rebuild.Report] = []
    done = await rebuild.rebuild(stage.nc, stage.dsn, builders.KEYRING, on_report=reports.append)
    assert await stage.tables() == live
    assert done.position == done.goal == await stage.last()
    assert reports[-1] == done


async def test_a_running_projector_does_the_rebuild_and_goes_on(stage: Stage) -> None:
    """It finds itself overtaken, begins anew, and follows what comes after."""
    run = samples.new().started().attempt()
    await stage.play(*samples.busy(), run)
    program = await stage.start()
    await stage.caught_up()
    live = await stage.tables()
    await rebuild.rebuild(stage.nc, stage.dsn, builders.KEYRING)
    assert await stage.tables() == live
    await stage.play(run.model())
    await stage.caught_up()
    assert await program.terminate() == 0
    assert await stage.fetch("SELECT events_n FROM gold.executions WHERE execution_id = $1", run.xid) == [
        (4,)
    ]


class _Interrupted(Exception):
    """Somebody pressed Ctrl-C."""


async def test_an_interrupted_rebuild_goes_on_where_it_was(stage: Stage) -> None:
    """What was written stays: nothing is emptied, and the rows come to the same."""
    await stage.play_interleaved(*(samples.refund(f"trace-{number}") for number in range(40)))
    await stage.project()
    live = await stage.tables()

    def interrupt(at: rebuild.Report) -> None:
        if at.position:
            raise _Interrupted

    with pytest.raises(_Interrupted):
        await rebuild.rebuild(stage.nc, stage.dsn, builders.KEYRING, batch=2, on_report=interrupt)
    interrupted = await stage.position()
    assert 0 < interrupted < await stage.last()
    reports: list[rebuild.Report] = []
    await rebuild.rebuild(stage.nc, stage.dsn, builders.KEYRING, resume=True, on_report=reports.append)
    assert min(each.position for each in reports) >= interrupted
    assert await stage.tables() == live


async def test_views_of_an_empty_log_are_empty(stage: Stage) -> None:
    """A rebuild ends at once where there is nothing to read."""
    done = await rebuild.rebuild(stage.nc, stage.dsn, builders.KEYRING)
    assert (done.position, done.goal) == (0, 0)
