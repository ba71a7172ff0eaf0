"""Do a run's spans reach whoever collects traces, each once known, none lost, whoever dies or refuses meanwhile?"""

from collections.abc import AsyncIterator, Sequence

import pytest
import pytest_asyncio
from aiohttp import web

from keelstep.events import envelope
from keelstep.store import rebuild
from keelstep.store.otlp import mark
from keelstep.testing import builders, eventually, ports
from keelstep.testing.scraping import Scrape
from tests.integration.store import samples
from tests.integration.store.collector import Collector, Received, accepted, collecting
from tests.integration.store.stage import Stage
from tests.integration.store.test_projector import _decoded_by_an_older_one

TRACE = "5e1f" * 8
SPANS = 13
"""Of `samples.refund`."""
BEFORE = 4
"""Of them before the first event that the older program in `test_projector` does not know."""


@pytest_asyncio.fixture(loop_scope="session")
async def collector() -> AsyncIterator[Collector]:
    """A receiver of this test's own."""
    async with collecting() as made:
        yield made


async def test_a_run_arrives_as_one_trace_with_its_own_trace_id(stage: Stage, collector: Collector) -> None:
    """In OTLP's protobuf, under the agent's name as service, every child under its parent."""
    run = samples.refund(TRACE)
    await stage.play(run)
    program = await stage.start(KEELSTEP_OTLP_ENDPOINT=collector.endpoint)
    await collector.has(SPANS)
    assert {each.span.trace_id.hex() for each in collector.taken} == {TRACE}
    (root,) = [each for each in collector.taken if not each.span.parent_span_id]
    assert root.name == "invoke_agent support"
    assert root.resource == {
        "service.name": "support",
        "service.namespace": run.tenant,
        "service.version": "1.0.0",
        "k8s.namespace.name": run.tenant,
    }
    ids = {each.span.span_id for each in collector.taken}
    assert len(ids) == SPANS
    assert all(each.span.parent_span_id in ids for each in collector.taken if each is not root)
    assert collector.headers["Content-Type"] == "application/x-protobuf"
    assert await program.terminate() == 0


async def test_spans_of_a_run_arrive_while_it_goes_on(stage: Stage, collector: Collector) -> None:
    """Each when it is over; the run itself last."""
    run = samples.traced(TRACE).attempt().model()
    await stage.start(KEELSTEP_OTLP_ENDPOINT=collector.endpoint)
    await stage.play(run)
    await collector.has(1)
    await stage.play(run.plan("credit.grant").claim())
    await stage.play(run.result())
    await collector.has(2)
    await stage.play(run.finished())
    await collector.has(4)
    assert collector.names == [
        "chat scripted",
        "execute_tool credit.grant",
        "attempt 1",
        "invoke_agent support",
    ]


async def test_a_program_that_dies_before_it_knows_sends_the_same_again(
    stage: Stage, collector: Collector
) -> None:
    """Received, not marked: the next one's spans have the same ids and say the same, and none is missing."""
    dying = await stage.start(KEELSTEP_OTLP_ENDPOINT=collector.endpoint)
    first: list[Received] = []

    def kill(found: Sequence[Received]) -> web.Response | None:
        if found and not first:
            first.extend(found)
            dying.process.kill()
        return None

    collector.answer = kill
    run = samples.refund(TRACE)
    await stage.play(run)
    await dying.ended()
    assert first
    collector.taken.clear()
    await stage.start(KEELSTEP_OTLP_ENDPOINT=collector.endpoint)
    await collector.has(SPANS)
    again = {each.span.span_id: each.span.SerializeToString(deterministic=True) for each in collector.taken}
    assert len(again) == SPANS
    for each in first:
        assert again[each.span.span_id] == each.span.SerializeToString(deterministic=True)


async def test_what_was_sent_and_marked_is_not_sent_again(stage: Stage, collector: Collector) -> None:
    """Neither after a restart nor after the tables were made anew."""
    await stage.play(samples.refund(TRACE))
    program = await stage.start(KEELSTEP_OTLP_ENDPOINT=collector.endpoint)
    await collector.has(SPANS)
    await _marked(stage)
    assert await program.terminate() == 0
    await stage.start(KEELSTEP_OTLP_ENDPOINT=collector.endpoint)
    await rebuild.rebuild(stage.nc, stage.dsn, builders.KEYRING)
    later = samples.new().started().attempt().model().finished()
    await stage.play(later)
    await eventually.true(lambda: len(collector.of(later.xid)) == 3, "the later run")
    assert len(collector.taken) == SPANS + 3


async def test_spans_wait_while_nobody_collects_them_and_the_tables_do_not(stage: Stage) -> None:
    """The projector says that they wait and how many; all of them arrive in the end."""
    scrape, port = Scrape(), ports.one()
    program = await stage.start(
        KEELSTEP_OTLP_ENDPOINT=f"http://127.0.0.1:{port}", KEELSTEP_METRICS_PORT=str(scrape.port)
    )
    run = samples.refund(TRACE)
    messages = len(run.messages)
    await stage.play(run)
    await stage.caught_up()
    await scrape.until("keelstep_export_lag_messages", 1)
    await eventually.true(lambda: program.said("traces_not_taken"), "it says so")
    assert program.said("traces_not_taken")[0]["reason"] == "TracesNotTaken"
    async with collecting(port) as late:
        await late.has(SPANS)
        await scrape.until("keelstep_exported_spans_total", SPANS, outcome="sent")
    assert await stage.position() == messages
    assert await program.terminate() == 0


@pytest.mark.parametrize("status", [401, 404, 429, 503])
async def test_a_receiver_that_says_no_loses_nothing(stage: Stage, collector: Collector, status: int) -> None:
    """Too much for now, or a person must give a right: it is asked again until it takes them."""
    collector.answer = lambda _: web.Response(status=status)
    program = await stage.start(KEELSTEP_OTLP_ENDPOINT=collector.endpoint)
    await stage.play(samples.refund(TRACE))
    said = await eventually.true(lambda: program.said("traces_not_taken"), "it says so")
    assert str(status) in said[0]["message"]
    collector.answer = lambda _: None
    await collector.has(SPANS)


async def test_what_is_no_receiver_is_not_believed_that_spans_are_bad(
    stage: Stage, collector: Collector
) -> None:
    """It refuses an empty request as well: another address is wanted, and nothing is given up."""
    collector.answer = lambda _: web.Response(status=400)
    program = await stage.start(KEELSTEP_OTLP_ENDPOINT=collector.endpoint)
    await stage.play(samples.refund(TRACE))
    await eventually.true(lambda: program.said("traces_not_taken"), "it says so")
    assert program.said("spans_refused") == []
    collector.answer = lambda _: None
    await collector.has(SPANS)


async def test_one_span_that_is_refused_for_good_does_not_hold_up_the_others(
    stage: Stage, collector: Collector
) -> None:
    """It is given up, said and counted; every other one arrives."""
    scrape = Scrape()

    def picky(found: Sequence[Received]) -> web.Response | None:
        return web.Response(status=400) if any(each.name == "attempt 1" for each in found) else None

    collector.answer = picky
    program = await stage.start(
        KEELSTEP_OTLP_ENDPOINT=collector.endpoint, KEELSTEP_METRICS_PORT=str(scrape.port)
    )
    await stage.play(samples.refund(TRACE))
    await collector.has(SPANS - 1)
    await scrape.until("keelstep_exported_spans_total", 1, outcome="refused")
    assert "attempt 1" not in collector.names
    assert len(collector.names) == SPANS - 1
    assert program.said("spans_refused")[0]["spans"] == 1


async def test_spans_that_a_receiver_takes_and_refuses_are_counted(
    stage: Stage, collector: Collector
) -> None:
    """OTLP's partial success: sending them again would change nothing."""
    scrape = Scrape()
    collector.answer = lambda found: accepted(min(2, len(found)), "too old")
    program = await stage.start(
        KEELSTEP_OTLP_ENDPOINT=collector.endpoint, KEELSTEP_METRICS_PORT=str(scrape.port)
    )
    run = samples.traced(TRACE).attempt().model().finished()
    await stage.play(run)
    await scrape.until("keelstep_exported_spans_total", 2, outcome="refused")
    assert program.said("spans_refused")[0]["why"] == "too old"


async def test_what_was_stored_before_traces_were_wanted_is_not_sent(
    stage: Stage, collector: Collector
) -> None:
    """Of a run that is open by then what comes after, the run itself included."""
    old, open_run = samples.refund(TRACE), samples.traced("4" * 32).attempt().model()
    await stage.play(old, open_run)
    without = await stage.start()
    await stage.caught_up()
    assert await without.terminate() == 0
    await stage.start(KEELSTEP_OTLP_ENDPOINT=collector.endpoint)
    await _marked(stage)
    await stage.play(open_run.plan("credit.grant").claim().result().finished())
    await collector.has(3)
    assert collector.names == ["execute_tool credit.grant", "attempt 1", "invoke_agent support"]
    root = collector.taken[-1]
    assert root.attributes["keelstep.tokens"] == open_run.state.tokens


async def test_a_run_that_an_older_program_did_not_understand_is_sent_once_a_newer_one_does(
    stage: Stage, collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its spans were not known when the mark passed them."""
    run, other = samples.refund(TRACE), samples.new().started().attempt().model().finished()
    await stage.play(run, other)
    with monkeypatch.context() as older:
        older.setattr(envelope, "decode", _decoded_by_an_older_one)
        await stage.project()
    await mark.begin(stage.connection, 0)  # as far as the older one's spans go
    await stage.start(KEELSTEP_OTLP_ENDPOINT=collector.endpoint)
    await eventually.true(lambda: len(collector.of(run.xid)) == SPANS - BEFORE, "what it did not understand")
    assert "execute_tool credit.grant" in [each.name for each in collector.of(run.xid)]


async def test_a_token_in_a_file_is_sent_as_a_header(stage: Stage, collector: Collector) -> None:
    """And stands in no log."""
    file = stage.folder / "headers"
    file.write_text("Authorization: Bearer 5ecret\n\nX-Scope-OrgID: shop\n")
    program = await stage.start(
        KEELSTEP_OTLP_ENDPOINT=collector.endpoint, KEELSTEP_OTLP_HEADERS_FILE=str(file)
    )
    await stage.play(samples.refund(TRACE))
    await collector.has(SPANS)
    assert collector.headers["Authorization"] == "Bearer 5ecret"
    assert collector.headers["X-Scope-OrgID"] == "shop"
    assert "5ecret" not in program.output.read_text()


async def test_wrong_settings_for_traces_are_named_and_end_the_program(stage: Stage) -> None:
    """Exit code 2, one line, and not the token."""
    wrong = stage.folder / "wrong"
    wrong.write_text("Authorization Bearer 5ecret\n")
    cases = {
        "KEELSTEP_OTLP_ENDPOINT": {"KEELSTEP_OTLP_ENDPOINT": "collector:4318"},
        "KEELSTEP_OTLP_HEADERS_FILE: line 1": {"KEELSTEP_OTLP_HEADERS_FILE": str(wrong)},
        "KEELSTEP_OTLP_HEADERS_FILE: [Errno 2]": {"KEELSTEP_OTLP_HEADERS_FILE": "/nowhere/headers"},
        "KEELSTEP_OTLP_CA_FILE": {"KEELSTEP_OTLP_CA_FILE": "/nowhere/ca.pem"},
    }
    for named, environ in cases.items():
        program = await stage.start(**{"KEELSTEP_OTLP_ENDPOINT": "http://127.0.0.1:4318", **environ})
        assert await program.ended() == 2, named
        said = program.output.read_text()
        assert named in said
        assert "Traceback" not in said
        assert "5ecret" not in said


async def _marked(stage: Stage) -> None:
    """Wait until everything in the tables is sent, and marked as sent."""
    await stage.caught_up()
    sql = """SELECT count(*) FROM spine.exports AS sent JOIN spine.progress AS reached
             USING (shard, incarnation, position)"""

    async def is_marked() -> bool:
        return await stage.fetch(sql) == [(1,)]

    await eventually.awaited(is_marked, "the mark where the tables are")
