"""What the projector writes, and that it writes it once, whatever happens to it, the broker or Postgres."""

import asyncio
from pathlib import Path

import msgspec
import pytest

from keelstep.events import envelope, types
from keelstep.events.envelope import Event, Malformed, Undecidable
from keelstep.store import ledger
from keelstep.testing import builders, eventually
from keelstep.testing.broker import RunningBroker
from keelstep.testing.postgres import RunningPostgres
from tests.integration.store import samples
from tests.integration.store.stage import Stage, staged


async def test_every_message_is_kept_byte_for_byte(stage: Stage) -> None:
    """The stored bytes are the event: they can be hashed, verified and folded again."""
    run = samples.refund()
    expected = [(each.payload, each.signature, each.writer) for each in run.messages]
    await stage.play(run)
    await stage.project()
    kept = await stage.fetch("SELECT payload, signature, writer FROM spine.messages ORDER BY position")
    assert kept == expected


async def test_a_void_message_is_kept_with_its_reason_and_changes_nothing(stage: Stage) -> None:
    """What is no event has no line and no cost."""
    run = samples.new().started().attempt()
    run.forge("exec.killed", types.Interruption(by="eve", reason="mine"), writer="op", signature="")
    run.forge("plan.proposed", types.PlanProposed(ordinal=1, steps=[]), writer="a2")
    run.forge("exec.started", run.events[0].data, writer="a1")
    run.garbage(b"{")
    run.model()
    await stage.play(run)
    await stage.project()
    voids = "SELECT outcome, reason, type FROM spine.messages WHERE outcome <> 'event' ORDER BY position"
    reasons = ["Unsigned", "OldAttempt", "WrongWriter", "NotAnEvent"]
    assert await stage.fetch(voids) == [("void", reason, None) for reason in reasons]
    assert await stage.fetch("SELECT events_n, voids_n, outcome FROM gold.executions") == [(4, 4, None)]
    shown = await stage.fetch("SELECT event_type FROM traces.steps WHERE part = 1")
    assert [row[0] for row in shown] == ["exec.started", "exec.attempt", "model.called", "model.replied"]


async def test_an_unknown_event_marks_its_execution_and_the_rest_goes_on(stage: Stage) -> None:
    """Nothing is decided past an event that this program does not know; others are not held up."""
    unknown = samples.new().started().attempt()
    unknown.forge("memory.dreamt", types.Feedback(by="ann", verdict="good"), writer="gw")
    unknown.forge("exec.finished", types.ExecFinished(outcome="succeeded", reason="Done"), writer="a1")
    other = samples.new().started().attempt().model().finished()
    await stage.play(unknown, other)
    await stage.project()
    marked = "SELECT execution, what, position FROM spine.undecidable"
    assert await stage.fetch(marked) == [(unknown.xid, "memory.dreamt v1", 3)]
    kept = "SELECT outcome, reason FROM spine.messages WHERE outcome <> 'event' ORDER BY position"
    assert await stage.fetch(kept) == [("undecidable", "memory.dreamt v1"), ("undecidable", "Undecidable")]
    found = await stage.fetch("SELECT execution_id, outcome, undecidable FROM gold.executions")
    assert sorted(found) == sorted([(unknown.xid, None, "memory.dreamt v1"), (other.xid, "succeeded", None)])


async def test_a_newer_program_follows_what_an_older_one_did_not_know(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rows come to what they would have been; signatures behind the unknown event, never checked, are."""
    run, other = samples.refund(), samples.refund("other")
    run.forge("feedback.given", types.Feedback(by="eve", verdict="bad"), writer="op", signature="")
    await stage.play_interleaved(run, other)
    await stage.project()
    expected = await stage.tables()
    await _dropped(stage)
    with monkeypatch.context() as older:
        older.setattr(envelope, "decode", _decoded_by_an_older_one)
        await stage.project()
        marked = await stage.fetch("SELECT what FROM spine.undecidable")
    assert marked == [("tool.retried v1",)] * 2
    async with stage.projecting():
        await eventually.awaited(lambda: _holds(stage, expected), "the rows of one that knows all")


_decode = envelope.decode


def _decoded_by_an_older_one(payload: bytes) -> Event | Undecidable | Malformed:
    """What a program says that has never heard of one type."""
    found = _decode(payload)
    if isinstance(found, Event) and found.type == "tool.retried":
        return Undecidable(envelope=msgspec.json.decode(payload, type=envelope.Envelope))
    return found


async def _holds(stage: Stage, expected: object) -> bool:
    return await stage.tables() == expected


async def _dropped(stage: Stage) -> None:
    """Nothing was ever projected."""
    await stage.connection.execute(
        "TRUNCATE spine.messages, spine.undecidable, traces.lines, gold.executions"
    )
    await stage.connection.execute("DELETE FROM spine.progress")


async def test_a_runner_can_neither_stop_the_tables_nor_speak_in_another_trace(stage: Stage) -> None:
    """NUL, half a surrogate pair, numbers beyond any column and a foreign trace id are bent, not refused."""
    run = samples.traced("mine").attempt().model()
    huge = 2**53 - 1
    tools = ["math.add\x00", "refund.issue"]
    steps = [
        types.PlannedCall(index=index, call_id="c", tool=tool, args=builders.value())
        for index, tool in enumerate(tools)
    ]
    plan = types.PlanProposed(ordinal=1, steps=steps)
    run.forge("plan.proposed", plan, writer="a1", trace_id="theirs", actor="\x00nul\u2028", step=huge)
    asked = types.GateRequested(plan_seq=run.state.seq, index=1, consequence_tier=huge)
    run.forge("gate.requested", asked, writer="a1", trace_id="theirs", cost=samples.cost(huge))
    assert run.state.seq == 6, "both are valid: the rules do not look at what nothing decides by"
    await stage.play(run)
    await stage.project()
    shown = await stage.fetch(
        "SELECT trace_id, summary, actor, cost FROM traces.steps WHERE seq > 4 ORDER BY seq"
    )
    assert shown == [
        ("mine", "2 calls: math.add\ufffd, refund.issue", "\ufffdnul\u2028", 0),
        ("mine", f"call 1 of plan 5 needs a person (tier {huge})", "test", 0),
    ]
    assert await stage.fetch("SELECT total_cost * 1000000 FROM gold.executions") == [(50,)]


async def test_a_header_of_a_runners_own_is_never_taken_for_the_brokers_word(stage: Stage) -> None:
    """`Status` ends a pull where the broker says it; anybody may set it on a message."""
    run = samples.new().started().attempt()
    await stage.play(run)
    subject = f"spine.0.{run.tenant}.{run.xid}.a1"
    for status in ("404", "408", "409", "100", "503", "NATS/1.0"):
        headers = {"Status": status, "Description": "gone"}
        await stage.scribe.request(subject, b"{}", headers=headers, timeout=60)
    await stage.play(run.model())
    await stage.project()
    assert await stage.fetch("SELECT events_n, voids_n FROM gold.executions") == [(4, 6)]


async def test_a_state_that_is_not_held_is_folded_again_from_the_stored_bytes(stage: Stage) -> None:
    """How much fits in memory changes nothing in the tables."""
    await stage.play_interleaved(*samples.busy())
    await stage.project(batch=3, held_events=1)
    forgetful = await stage.tables()
    await _dropped(stage)
    await stage.project()
    assert await stage.tables() == forgetful


@pytest.mark.parametrize("point", ["projector.before.commit", "projector.after.commit"])
async def test_killed_at_any_point_every_message_is_in_the_tables_once(stage: Stage, point: str) -> None:
    """Before the commit nothing is written, after it nothing is written again."""
    await stage.play_interleaved(*samples.busy())
    dying = await stage.start(KEELSTEP_CRASH_AT=f"{point}:2", KEELSTEP_BATCH="20")
    assert await dying.ended() == -9
    assert await stage.position() == {"projector.before.commit": 20, "projector.after.commit": 40}[point]
    again = await stage.start(KEELSTEP_BATCH="20")
    await stage.caught_up()
    assert await again.terminate() == 0
    survived = await stage.tables()
    await _dropped(stage)
    await stage.project()
    assert await stage.tables() == survived


async def test_a_restart_of_the_broker_loses_and_repeats_nothing(stage: Stage) -> None:
    """The feed is opened again after the position that was committed."""
    runs = samples.busy()
    async with stage.projecting(batch=5):
        await stage.play(*runs[:4])
        await stage.caught_up()
        await stage.broker.restart(kill=True)
        await stage.play(*runs[4:])
        await stage.caught_up()
        live = await stage.tables()
    assert [row[1] for row in live["messages"]] == list(range(1, await stage.last() + 1))


async def test_a_killed_postgres_loses_and_repeats_nothing(
    own_broker: RunningBroker, own_postgres: RunningPostgres, tmp_path: Path
) -> None:
    """The projector waits for it, asks how far it is, and goes on from there."""
    dsn = await own_postgres.new_database()
    runs = samples.busy()
    async with staged(own_broker, dsn, tmp_path) as stage, stage.projecting(batch=5):
        await stage.play(*runs[:4])
        await stage.caught_up()
        await own_postgres.kill()
        await stage.play(*runs[4:])
        await own_postgres.start()
        async with staged(own_broker, dsn, tmp_path) as again:
            await again.caught_up()
            positions = await again.fetch("SELECT position FROM spine.messages ORDER BY position")
            assert positions == [(each,) for each in range(1, await again.last() + 1)]


async def test_a_second_projector_stands_by_and_takes_over(stage: Stage) -> None:
    """One writes at a time; the other goes on where it stopped."""
    run = samples.new().started()
    await stage.play(run)
    first = await stage.start()
    await stage.caught_up()
    second = await stage.start()
    await eventually.true(lambda: second.said("projector_stood_by"), "the second stands by")
    assert second.said("ready") == []
    first.process.kill()
    await first.ended()
    await stage.play(run.attempt().model())
    await stage.caught_up()
    assert await second.terminate() == 0
    assert await stage.fetch("SELECT events_n FROM gold.executions") == [(4,)]


async def test_whoever_was_overtaken_writes_nothing(stage: Stage) -> None:
    """Two that both believe to be the one: the position lets only one of them commit."""
    await stage.play(samples.new().started())
    (first,) = await stage.project()
    await stage.play(samples.refund())
    (second,) = await stage.project()
    before = await stage.tables()
    late = ledger.Batch(messages=[before["messages"][0]], lines=[], executions=[], undecidable=[])
    with pytest.raises(ledger.Overtaken, match="no longer at position 1"):
        await ledger.commit(stage.connection, first.progress, second.progress, late)
    assert await stage.tables() == before


async def test_what_was_committed_is_acknowledged(stage: Stage) -> None:
    """Others see at the broker how far the tables are."""
    await stage.play(*samples.busy())
    async with stage.projecting():
        await stage.caught_up()

        async def acknowledged() -> bool:
            reply = await stage.nc.request("$JS.API.CONSUMER.INFO.SPINE-0.projector", b"", timeout=60)
            floor = f'"stream_seq":{await stage.last()}'
            return reply.data.decode().partition('"ack_floor"')[2].find(floor) >= 0

        await eventually.awaited(acknowledged, "the acknowledgement")


async def test_a_live_event_is_in_the_tables_at_once(stage: Stage) -> None:
    """Nobody waits for a batch to fill, which it would for the half minute that a pull lasts."""
    run = samples.new().started()
    async with stage.projecting():
        await stage.play(run)
        await stage.caught_up()
        for _ in range(5):
            async with asyncio.timeout(20):
                await stage.play(run.suspended().resumed())
                await stage.caught_up()
