"""Does the projector count what logs say, each event once, under names that cannot grow without end?"""

from keelstep import scrape
from keelstep.events import clock, types
from keelstep.store import fold
from keelstep.store.lag import Lag
from keelstep.store.metrics import LETTERS, NEWS_SECONDS, Metrics
from keelstep.testing import builders
from keelstep.testing.builders import LogBuilder
from tests.unit.store.test_rows import judged

OWNERS = {"strategy": "support", "tenant": builders.TENANT}


def projected(*runs: LogBuilder, late_seconds: float = 0) -> Metrics:
    """The metrics after these logs were committed, so long after the last of their events."""
    last = max(stored.stored_at for run in runs for stored in run.messages)
    found = Metrics(now=lambda: last + int(late_seconds * clock.SECOND))
    for run in runs:
        found.committed(judged(run, fold.Fold()), run.messages[-1].position, 0.01)
    return found


def counted(found: Metrics, name: str, **labels: str) -> float:
    """One sample; 0 where there is none."""
    return found.registry.get_sample_value(name, labels) or 0.0


def refund() -> LogBuilder:
    """A run that asked a person."""
    return builders.log().started().attempt().model().plan("refund.issue").gate()


def test_a_run_that_ended_is_counted_with_its_time_its_cost_and_its_steps() -> None:
    """By the event that ends it, from the fold."""
    run = builders.log().started().attempt().model().plan("orders.get").result().finished()
    found, state = projected(run), run.state
    assert counted(found, "agent_runs_started_total", **OWNERS) == 1
    assert counted(found, "agent_runs_ended_total", outcome="succeeded", **OWNERS) == 1
    assert counted(found, "agent_run_duration_seconds_sum", success="true", **OWNERS) == (
        (state.over_at - state.started_at) / clock.SECOND
    )
    assert state.spent_micro_usd > 0
    assert counted(found, "agent_run_cost_usd_sum", **OWNERS) == state.spent_micro_usd / 1_000_000
    assert state.started is not None
    share = state.spent_micro_usd / state.started.budget_micro_usd
    assert counted(found, "agent_run_budget_ratio_sum", **OWNERS) == share
    assert counted(found, "agent_run_steps_sum", **OWNERS) == state.step


def test_a_run_that_did_not_succeed_is_counted_by_how_it_ended() -> None:
    """Failed and killed apart; neither is a success."""
    failed = builders.log("x1").started().attempt().finished("failed", reason="Failed")
    killed = builders.log("x2").started().attempt().killed()
    found = projected(failed, killed)
    assert counted(found, "agent_runs_ended_total", outcome="failed", **OWNERS) == 1
    assert counted(found, "agent_runs_ended_total", outcome="killed", **OWNERS) == 1
    assert counted(found, "agent_run_duration_seconds_count", success="false", **OWNERS) == 2


def test_what_a_run_leaves_to_people_is_counted_once_it_is_over() -> None:
    """By what it is, with what becomes known after the end; a run that succeeded in spite of it leaves nothing."""
    lost = types.Error(reason="Timeout", message="too late", error_class="Timeout")
    begun = builders.log("x1").started().attempt().model().plan("credit.grant").claim(key="k1")
    doubted = begun.killed().result(status="unknown", idempotency_key="k1", error=lost)
    begun = builders.log("x2").started().attempt().model().plan("credit.grant").claim(key="k2")
    failed = begun.result(status="failed", idempotency_key="k2", error=lost).finished(
        "failed", reason="Failed"
    )
    fine = builders.log("x3").started().attempt().finished()
    found = projected(doubted, failed, fine)
    assert {
        letter: counted(found, "agent_dead_letters_total", letter=letter, **OWNERS) for letter in LETTERS
    } == {
        "Unknown": 1,
        "Exhausted": 1,
        "Run": 1,
    }


def test_the_time_that_people_took_is_not_the_runs() -> None:
    """It is the gate's; what runs while nobody waits is the run's."""
    begun = refund()
    run = begun.later(7_200).decided("rejected", latency_ms=7_200_000).attempt().finished()
    found = projected(run)
    assert counted(found, "agent_gate_decisions_total", verdict="rejected", **OWNERS) == 1
    assert counted(found, "agent_gate_wait_seconds_sum", **OWNERS) == 7_200
    assert 0 < counted(found, "agent_run_duration_seconds_sum", success="true", **OWNERS) < 60


def test_two_questions_at_once_are_waited_for_once() -> None:
    """Waits that overlap count as one."""
    run = builders.log().started().attempt().model().plan("refund.issue", "refund.issue").gate(0).gate(1)
    run = run.later(600).decided("approved", 0, latency_ms=600_000).decided("approved", 1, latency_ms=600_000)
    found = projected(run.attempt().killed())
    assert counted(found, "agent_gate_wait_seconds_sum", **OWNERS) == 1_200
    assert 0 < counted(found, "agent_run_duration_seconds_sum", success="false", **OWNERS) < 60


def test_a_message_that_is_no_event_is_counted_by_its_reason() -> None:
    """As verification names it; every reason is there from the start, so that the first one is an increase."""
    run = builders.log().started().attempt()
    run.garbage(b"{")
    found = projected(run)
    assert counted(found, "keelstep_void_messages_total", reason="NotAnEvent") == 1
    assert found.registry.get_sample_value("keelstep_void_messages_total", {"reason": "Unsigned"}) == 0
    assert counted(found, "keelstep_projected_messages_total", outcome="void") == 1
    assert counted(found, "keelstep_projected_messages_total", outcome="event") == 2


def test_what_was_stored_long_ago_is_no_news() -> None:
    """A rebuild reads years of runs in a minute: no alert may fire because of it."""
    run = builders.log().started().attempt().finished()
    found = projected(run, late_seconds=NEWS_SECONDS + 60)
    assert counted(found, "agent_runs_ended_total", outcome="succeeded", **OWNERS) == 0
    assert counted(found, "keelstep_projected_messages_total", outcome="event") == 0
    assert counted(found, "keelstep_projector_position") == run.messages[-1].position


def test_tenants_without_end_make_no_series_without_end() -> None:
    """After the first so many, every new one is `other`."""
    found = projected(*(builders.log("x", f"t{number}").started() for number in range(scrape.MOST_NAMES + 5)))
    other = {"strategy": scrape.OTHER, "tenant": scrape.OTHER}
    assert counted(found, "agent_runs_started_total", **other) == 5


def test_who_stands_by_is_not_behind() -> None:
    """Only the one that writes can be."""
    found = Metrics()
    found.begun(7)
    found.lag_messages.set(3)
    assert counted(found, "keelstep_projector_leader") == 1
    found.stood_by()
    assert counted(found, "keelstep_projector_leader") == 0
    assert counted(found, "keelstep_projector_lag_messages") == 0
    assert found.reached is None


def test_the_lag_is_the_age_of_the_oldest_message_that_is_missing() -> None:
    """Not the time since the last transaction: after a quiet night nobody is behind."""
    now = 0
    lag = Lag(now=lambda: now * clock.SECOND)
    assert lag.look(10, 10) == (0, 0)
    now = 1_000
    assert lag.look(15, 10) == (5, 0)
    now = 1_005
    assert lag.look(20, 12) == (8, 5)
    now = 1_010
    assert lag.look(20, 16) == (4, 5)
    assert lag.look(20, 20) == (0, 0)


def test_a_lag_grows_while_nothing_is_written() -> None:
    """And begins anew with another stream."""
    now = 0
    lag = Lag(now=lambda: now * clock.SECOND)
    assert lag.look(5, 3) == (2, 0)
    now = 600
    assert lag.look(9, 3) == (6, 600)
    assert lag.look(4, 0) == (4, 0)
