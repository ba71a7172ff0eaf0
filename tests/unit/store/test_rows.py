"""What a message becomes in the tables, and what a hostile one cannot do there."""

from collections.abc import Callable

import pytest

from keelstep.events import envelope, types
from keelstep.events.frame import Stored
from keelstep.store import fold, prepare, rows, verifier
from keelstep.store.feed import Arrival
from keelstep.testing import builders
from keelstep.testing.builders import LogBuilder


def _judged(run: LogBuilder) -> list[fold.Judged]:
    return judged(run, fold.Fold())


def judged(run: LogBuilder, held: fold.Fold) -> list[fold.Judged]:
    """What a fold makes of everything in a log."""
    batch = vouched([arrival(run, stored) for stored in run.messages])
    held.restore(held.missing(batch), {})
    return held.judge(batch)


def vouched(arrivals: list[Arrival]) -> list[fold.Vouched]:
    """Messages and whether they are signed."""
    signed = verifier.answers(builders.KEYRING, verifier.questions(arrivals))
    return [fold.Vouched(arrival=each, is_signed=one) for each, one in zip(arrivals, signed, strict=True)]


def arrival(run: LogBuilder, stored: Stored) -> Arrival:
    """A message as the feed brings it."""
    subject = f"spine.{run.shard}.{run.tenant}.{run.xid}.{stored.writer}"
    return Arrival(tenant=run.tenant, xid=run.xid, stored=stored, subject=subject, receipt="", pending=0)


def _named(columns: tuple[str, ...], row: rows.Row) -> dict[str, object]:
    assert len(columns) == len(row)
    return dict(zip(columns, row, strict=True))


def _lines(run: LogBuilder) -> list[dict[str, object]]:
    return [_named(rows.LINE_COLUMNS, row) for each in _judged(run) for row in rows.lines(0, each)]


def _execution(run: LogBuilder) -> dict[str, object]:
    (row,) = prepare.build(0, _judged(run)).executions
    return _named(rows.EXECUTION_COLUMNS, row)


def test_a_free_read_is_shown_as_called_and_as_answered_and_ends_its_step() -> None:
    """Tier 0 needs no claim, yet nobody should miss the call in the trace."""
    run = builders.log().started().attempt().model().plan("orders.get").result()
    shown = [(line["event_type"], line["part"], line["step_n"]) for line in _lines(run)[-3:]]
    assert shown == [("tool.called", 0, 2), ("tool.result", 1, 2), ("step.completed", 2, 2)]


@pytest.mark.parametrize("status", ["denied"])
def test_a_refused_call_is_not_shown_as_called(status: str) -> None:
    """It was not."""
    run = builders.log().started().attempt().model().plan("credit.grant").result(status=status)
    assert [line["event_type"] for line in _lines(run)[-2:]] == ["tool.result", "step.completed"]
    assert "tool.called" not in {line["event_type"] for line in _lines(run)}


def test_an_answer_that_is_repeated_is_not_shown_as_called() -> None:
    """An equal later call is answered by the earlier result."""
    run = builders.log().started().attempt().model().plan("credit.grant").claim(key="k").result()
    first = run.state.seq
    run.model().plan("credit.grant").result(replayed_seq=first, idempotency_key="k")
    called = [line for line in _lines(run) if line["event_type"] == "tool.called"]
    assert len(called) == 1


def test_a_claimed_call_is_shown_once() -> None:
    """Its claim is the call."""
    run = builders.log().started().attempt().model().plan("credit.grant").claim().result()
    assert [line["event_type"] for line in _lines(run)[-3:]] == [
        "tool.called",
        "tool.result",
        "step.completed",
    ]


def test_only_the_line_that_settles_a_cost_carries_it() -> None:
    """What a runner says of cost counts for nothing, and no cost is counted twice."""
    spent = envelope.Cost(tokens_in=3, tokens_out=4, micro_usd=5)
    run = builders.log().started().attempt().model(cost=spent).plan("math.add")
    result = types.ToolResult(
        plan_seq=run.state.seq, index=0, tool="math.add", status="ok", output=builders.value()
    )
    run.forge("tool.result", result, writer="a1", cost=envelope.Cost(micro_usd=99))
    costs = [(line["event_type"], line["micro_usd"]) for line in _lines(run) if line["micro_usd"]]
    assert costs == [("model.replied", 5)]
    assert _execution(run)["micro_usd"] == 5


def test_a_trace_belongs_to_the_run_and_not_to_what_an_event_claims() -> None:
    """A runner must not write into another's trace."""
    run = builders.log().started().attempt().model()
    steps = [types.PlannedCall(index=0, call_id="c", tool="math.add", args=builders.value())]
    run.forge("plan.proposed", types.PlanProposed(ordinal=1, steps=steps), writer="a1", trace_id="another")
    assert {line["trace_id"] for line in _lines(run)} == {run.state.trace_id}


def test_a_message_that_is_no_event_has_no_line() -> None:
    """It is kept, with its reason."""
    run = builders.log().started()
    run.garbage(b"nothing")
    last = _judged(run)[-1]
    assert list(rows.lines(0, last)) == []
    row = _named(rows.MESSAGE_COLUMNS, rows.message(0, last))
    assert (row["payload"], row["outcome"], row["reason"]) == (b"nothing", "void", "NotAnEvent")


def test_an_execution_that_never_began_has_no_row() -> None:
    """Void messages alone make no execution."""
    run = builders.log()
    run.garbage(b"nothing")
    assert prepare.build(0, _judged(run)).executions == []


End = tuple[Callable[[LogBuilder], LogBuilder], tuple[str | None, bool | None, str | None]]
ENDS: dict[str, End] = {
    "it succeeded": (lambda run: run.finished(), ("succeeded", True, "Succeeded")),
    "it failed": (lambda run: run.finished("failed"), ("failed", False, "Failed")),
    "it was given up": (lambda run: run.given_up("TooMany"), ("failed", False, "TooMany")),
    "it was killed": (lambda run: run.killed("danger"), ("killed", False, "danger")),
    "it is cancelled and still unwinds": (lambda run: run.cancelled(), (None, None, None)),
    "it is open": (lambda run: run, (None, None, None)),
}


@pytest.mark.parametrize("case", ENDS)
def test_the_outcome_says_how_it_ended_and_nothing_while_it_is_open(case: str) -> None:
    """NULL is not failure."""
    end, expected = ENDS[case]
    row = _execution(end(builders.log().started().attempt().model()))
    assert (row["outcome"], row["outcome_success"], row["outcome_reason"]) == expected
    assert (row["finished_at"] is None) == (row["duration_ms"] is None) == (expected[0] is None)


TEXTS = {
    "plain": ("plain", "plain"),
    "beyond ASCII": ("größer → 🚢", "größer → 🚢"),
    "NUL": ("a\x00b", "a\ufffdb"),
    "NUL beyond ASCII": ("ä\x00", "ä\ufffd"),
    "half a surrogate pair": ("a\udc80b", "a?b"),
}


@pytest.mark.parametrize("case", TEXTS)
def test_text_is_bent_to_what_postgres_can_hold(case: str) -> None:
    """One hostile message must not stop the tables."""
    given, expected = TEXTS[case]
    assert rows.text(given) == expected
