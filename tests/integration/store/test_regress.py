"""A stream that is not the one the tables were made of stops the projector, and a person decides."""

import pytest
from nats.aio.client import Client

from keelstep import errors
from keelstep.log import streams
from keelstep.log.identities import Role
from keelstep.store import rebuild
from keelstep.testing import builders
from tests.integration.store import samples
from tests.integration.store.stage import Stage


async def _replaced(stage: Stage) -> Client:
    """The stream is deleted and made anew, as a careless restore would."""
    await stage.scribe.request("$JS.API.STREAM.DELETE.SPINE-0", b"", timeout=60)
    operator = await stage.broker.connect(Role.OPERATOR)
    await streams.ensure(operator)
    return operator


async def _accepted_created(stage: Stage) -> None:
    """Make the new stream look as old as the lost one, as a restore from a backup does."""
    reply = await stage.nc.request("$JS.API.STREAM.INFO.SPINE-0", b"", timeout=60)
    created = reply.data.decode().partition('"created":"')[2].partition('"')[0]
    await stage.connection.execute("UPDATE spine.progress SET incarnation = $1", created)


async def test_a_stream_made_anew_ends_the_program_with_its_own_exit_code(stage: Stage) -> None:
    """Exit code 3 and a log line that says what to do; the tables stay as they are."""
    await stage.play(samples.refund())
    await stage.project()
    before = await stage.tables()
    await _replaced(stage)
    program = await stage.start()
    assert await program.ended() == 3
    (said,) = program.said("failed")
    assert said["reason"] == "StreamRegressed"
    assert said["level"] == "error"
    assert "rebuild the views and accept the new stream" in said["message"]
    assert await stage.tables() == before


async def test_a_stream_made_anew_under_a_running_program_ends_it(stage: Stage) -> None:
    """The consumer goes with the stream; opening it again shows what happened."""
    await stage.play(samples.refund())
    program = await stage.start()
    await stage.caught_up()
    await _replaced(stage)
    assert await program.ended() == 3


@pytest.mark.parametrize(
    ("messages", "why"),
    [(3, "it ends at 3, the tables at 25"), (60, "message 25 is another one than in the tables")],
    ids=["shorter than the tables", "another message at the position"],
)
async def test_a_stream_set_back_is_found_out(stage: Stage, messages: int, why: str) -> None:
    """Even where it claims to be as old as the lost one."""
    run = samples.refund()
    assert len(run.messages) == 25
    await stage.play(run)
    await stage.project()
    await _replaced(stage)
    await _accepted_created(stage)
    other = samples.new().started()
    while len(other.messages) < messages:
        other.suspended().resumed()
    await stage.play(other)
    with pytest.raises(errors.Stalled, match=why) as caught:
        await stage.projector().run()
    assert caught.value.reason == "StreamRegressed"


async def test_rebuilding_from_a_replaced_stream_must_be_meant(stage: Stage) -> None:
    """The tables may be the only copy of what the lost stream held."""
    await stage.play(samples.refund())
    await stage.project()
    before = await stage.tables()
    await _replaced(stage)
    await stage.play(samples.new().started())
    with pytest.raises(errors.Stalled, match="not what the tables were made of"):
        await rebuild.rebuild(stage.nc, stage.dsn, builders.KEYRING)
    assert await stage.tables() == before
    await rebuild.rebuild(stage.nc, stage.dsn, builders.KEYRING, accept_new_stream=True)
    assert await stage.fetch("SELECT count(*) FROM spine.messages") == [(1,)]
