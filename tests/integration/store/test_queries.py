"""The mission's queries, word for word, against logs whose answers are known."""

from decimal import Decimal

import asyncpg  # type: ignore[import-untyped]  # it ships none
import pytest

from tests.integration.store import samples
from tests.integration.store.stage import Stage


async def test_the_trace_query_tells_the_story_of_a_run_in_order(stage: Stage) -> None:
    """Every event and every completed step is a line; a call that needed no claim is shown as called too."""
    run, other = samples.refund(), samples.refund("another")
    await stage.play_interleaved(run, other)
    await stage.project(batch=7)
    assert await stage.fetch(samples.TRACE_QUERY) == samples.STORY


async def test_a_trace_adds_up_to_what_its_execution_cost(stage: Stage) -> None:
    """Cost and tokens stand on the line that settled them and nowhere else."""
    run = samples.refund()
    await stage.play(run)
    await stage.project()
    added = "SELECT sum(cost), sum(tokens_in + tokens_out) FROM traces.steps WHERE trace_id = '7f3a'"
    total = "SELECT total_cost, tokens FROM gold.executions WHERE trace_id = '7f3a'"
    assert await stage.fetch(added) == await stage.fetch(total) == [(Decimal("0.1"), 480)]


async def test_an_execution_says_where_its_time_and_its_steps_went(stage: Stage) -> None:
    """One row per execution, from its fold."""
    run = samples.refund()
    await stage.play(run)
    await stage.project()
    columns = (
        "name, strategy, requester, outcome, steps_n, model_calls, tool_calls, gate_escalations, attempts"
    )
    found = await stage.fetch(f"SELECT {columns}, gate_ms, tool_ms, events_n FROM gold.executions")
    assert found == [
        ("refund-7", "support", "ann", "succeeded", 8, 4, 4, 1, 2, 9_000, 250, run.state.seq),
    ]


async def test_the_economics_query_answers_what_was_computed_by_hand(stage: Stage) -> None:
    """Success rate leaves open runs out; percentiles interpolate; cost counts failures against the successes."""
    await stage.play_interleaved(*samples.versions())
    await stage.project()
    first, second = await stage.fetch(samples.ECONOMICS_QUERY)
    assert first[:3] == ("1.0.0", 4, Decimal("0.5"))
    assert first[3:6] == pytest.approx((0.08, 0.185, 2.7))
    assert first[6:] == (Decimal("0.25"), Decimal("0.2"))
    assert second[:3] == ("2.0.0", 3, Decimal(1))
    assert second[3:6] == pytest.approx((0.29, 0.308, 2.8))
    assert second[6:] == (Decimal(0), Decimal("0.325"))


async def test_an_open_execution_has_no_outcome_yet(stage: Stage) -> None:
    """NULL is not failure: outcome, success, end and duration are empty until it ends, and then filled."""
    run = samples.new().started().attempt().model()
    await stage.play(run)
    await stage.project()
    asked = "SELECT outcome, outcome_success, finished_at, duration_ms FROM gold.executions"
    assert await stage.fetch(asked) == [(None, None, None, None)]
    await stage.play(run.finished("failed"))
    await stage.project()
    ((outcome, is_success, finished_at, duration_ms),) = await stage.fetch(asked)
    assert (outcome, is_success) == ("failed", False)
    assert finished_at is not None
    assert duration_ms >= 0


async def test_a_result_after_a_kill_still_counts(stage: Stage) -> None:
    """Closing records come after the end and settle what was reserved."""
    run = (
        samples.new()
        .started()
        .attempt()
        .model()
        .plan("refund.issue")
        .gate()
        .decided()
        .attempt()
        .claim()
        .killed()
    )
    await stage.play(run)
    await stage.project()
    asked = "SELECT outcome, reserved_micro_usd FROM gold.executions"
    assert await stage.fetch(asked) == [("killed", 1_000)]
    await stage.play(run.result())
    await stage.project()
    assert await stage.fetch(asked) == [("killed", 0)]


async def test_the_percentile_is_exact_for_thousands_and_close_for_many(stage: Stage) -> None:
    """It takes numeric and integer columns, ignores NULL, and is NULL where there is nothing."""
    exact = "SELECT approx_percentile(v, 0.95), percentile_cont(0.95) WITHIN GROUP (ORDER BY v) FROM generate_series"
    ((ours, theirs),) = await stage.fetch(f"{exact}(1, 2000) AS v")
    assert ours == theirs
    ((ours, theirs),) = await stage.fetch(f"{exact}(1, 50000) AS v")
    assert ours == pytest.approx(theirs, rel=0.03)
    nothing = "SELECT approx_percentile(v, 0.5) FROM (VALUES (NULL::numeric)) AS t (v)"
    assert await stage.fetch(nothing) == [(None,)]
    with pytest.raises(asyncpg.NumericValueOutOfRangeError, match=r"must be between 0 and 1, not 95"):
        await stage.fetch("SELECT approx_percentile(1.0, 95)")


async def test_a_reader_asks_the_queries_and_cannot_see_the_stored_bytes(stage: Stage) -> None:
    """The bytes may hold payloads: only who runs the projector reads them."""
    await stage.play(samples.refund())
    await stage.project()
    await stage.connection.execute("CREATE ROLE reporting LOGIN IN ROLE keelstep_reader")
    reader = await asyncpg.connect(stage.dsn.replace("postgres@", "reporting@"))
    try:
        assert len(await reader.fetch(samples.TRACE_QUERY)) == len(samples.STORY)
        assert len(await reader.fetch(samples.ECONOMICS_QUERY)) == 1
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="schema spine"):
            await reader.fetch("SELECT payload FROM spine.messages")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await reader.execute("DELETE FROM gold.executions")
    finally:
        await reader.close()
        await stage.connection.execute("DROP ROLE reporting")
