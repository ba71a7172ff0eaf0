"""What follows where a call came to nothing? The model is told, a person is asked, or the run ends: as its contract says."""

import dataclasses

import pytest

from keelstep.domain import call, turn, unwind
from keelstep.domain.revision import Pinned
from keelstep.testing import builders
from keelstep.testing.builders import LogBuilder
from tests.unit.domain import calls, pinned, turns


def agent(on_exhaust: str) -> Pinned:
    """The small agent whose `credit.grant` says what follows."""
    contract = pinned.contract(
        "Reversible", 1, idempotency={"mode": "Keyed", "key": ["n"]}, failurePolicy={"onExhaust": on_exhaust}
    )
    return dataclasses.replace(pinned.pinned(), contracts={**pinned.CONTRACTS, "credit.grant": contract})


def decide(log: LogBuilder, on_exhaust: str = "Escalate") -> turn.Action:
    """What the runner does next."""
    return turn.decide(log.state, agent(on_exhaust), turns.payloads(log), log.state.attempt)


def spent(status: str = "failed") -> LogBuilder:
    """The first of two calls came to nothing."""
    log = turns.planned("credit.grant", "orders.get").claim(key="k1")
    return log.result(status=status, idempotency_key="k1")


ASKED = turn.AskGates(questions=[turn.Question(plan_seq=5, index=0, tier=1, kind="exhausted")])


@pytest.mark.parametrize("status", ["failed", "unknown"])
def test_what_follows_is_the_contracts_word(status: str) -> None:
    """Told to the model, asked of a person before anything else is done, or the end of the run."""
    assert decide(spent(status), "Fail") == turn.AskTool(plan_seq=5, index=1)
    assert decide(spent(status), "Escalate") == ASKED
    ended = decide(spent(status), "Compensate")
    assert isinstance(ended, turn.Finish)
    assert (ended.finished.outcome, ended.finished.reason) == ("failed", "ToolExhausted")
    assert "credit.grant" in ended.finished.message


@pytest.mark.parametrize("on_exhaust", ["Fail", "Escalate", "Compensate"])
def test_a_call_that_is_denied_or_found_out_about_is_not_one_that_came_to_nothing(on_exhaust: str) -> None:
    """A denial is a decision, and what a read found out is known."""
    denied = turns.planned("credit.grant", "orders.get").result(status="denied")
    assert decide(denied, on_exhaust) == turn.AskTool(plan_seq=5, index=1)
    assert decide(spent("unknown").reconciled(), on_exhaust) == turn.AskTool(plan_seq=5, index=1)


def test_nothing_else_happens_until_a_person_has_answered() -> None:
    """Not even the plan's next call."""
    log = spent().gate(kind="exhausted")
    assert decide(log) == turn.Stop(reason="Parked")


@pytest.mark.parametrize("status", ["failed", "unknown"])
def test_approved_it_is_called_again_with_the_same_key(status: str) -> None:
    """As if it had not been made: the gateway is asked for it, and makes it, though its outcome was unknown."""
    log = spent(status).gate(kind="exhausted").decided().attempt()
    assert decide(log) == turn.AskTool(plan_seq=5, index=0)
    assert log.state.unknown_key_of("credit.grant") is None
    verdict = calls.verdict(log, place=(5, 0))
    assert isinstance(verdict, call.Perform)
    again = log.claim(key="k1").result(idempotency_key="k1")
    assert decide(again) == turn.AskTool(plan_seq=5, index=1)
    assert again.state.keys["k1"].status == "ok"


@pytest.mark.parametrize("verdict", ["rejected", "expired", "withdrawn"])
def test_anything_but_a_yes_leaves_it_as_it_is(verdict: str) -> None:
    """The model is told what came of it, and goes on without; what is unknown stays so."""
    log = spent("unknown").gate(kind="exhausted").decided(verdict).attempt()
    assert decide(log) == turn.AskTool(plan_seq=5, index=1)
    assert log.state.unknown_key_of("credit.grant") == "k1"
    assert log.state.results[(5, 0)].data.status == "unknown"


def test_what_was_found_to_have_happened_is_not_made_again() -> None:
    """A read found it out while the person was asked: the answer comes too late to do it twice."""
    log = spent("unknown").gate(kind="exhausted").reconciled().decided().attempt()
    assert decide(log) == turn.AskTool(plan_seq=5, index=1)
    assert log.state.keys["k1"].status == "ok"


def test_what_was_found_not_to_have_happened_is_made_again() -> None:
    """And what the read said of the first time says nothing of the second, which is undone if it must."""
    log = builders.log().started(contracts=builders.UNDOABLE).attempt().model().plan("credit.grant")
    log.claim(key="k1").result(status="unknown").gate(kind="exhausted").reconciled("failed").decided()
    log.attempt().claim(key="k1").result()
    assert [target.place for target in unwind.targets(log.state)] == [(5, 0)]


def in_doubt() -> LogBuilder:
    """A call that can be undone may have happened, and a person let it be made again."""
    log = builders.log().started(contracts=builders.UNDOABLE).attempt().model().plan("credit.grant")
    return log.claim(key="k1").result(status="unknown").gate(kind="exhausted").decided().attempt()


def test_a_failure_of_the_second_time_says_nothing_about_the_first() -> None:
    """It may have happened, whatever comes of it now: `failed` is never said of it."""
    log = in_doubt().claim(key="k1")
    (claim,) = log.state.claims.values()
    assert claim.is_doubtful
    with pytest.raises(AssertionError, match="NotAllowed"):
        log.result(status="failed")
    assert log.state.claims


def test_a_call_that_is_denied_after_all_is_in_doubt_as_before() -> None:
    """The yes came too late, or money is gone: the outcome is as unknown as it was, and nobody is asked again."""
    log = in_doubt().result(status="denied")
    (result,) = log.state.results.values()
    assert result.data.status == "unknown"
    assert log.state.unknown_key_of("credit.grant") == "k1"
    assert [target.is_known for target in unwind.targets(log.state)] == [False]
    assert not log.state.may_appeal((result.data.plan_seq, 0))


def test_what_was_let_be_made_again_and_was_not_may_have_to_be_undone() -> None:
    """The run ends before: what may have happened is not forgotten."""
    log = in_doubt().failing()
    (target,) = unwind.targets(log.state)
    assert not target.is_known
    assert unwind.standing(log.state) == ["credit.grant"]
    log.attempt().undone("denied").undo_gate().undo_decided()
    assert unwind.next_target(log.state) is None


def test_what_succeeds_the_second_time_is_undone_once() -> None:
    """The first time is no call of its own."""
    log = in_doubt().claim(key="k1").result().failing()
    assert [target.is_known for target in unwind.targets(log.state)] == [True]


def test_a_call_that_comes_to_nothing_again_is_asked_about_again() -> None:
    """Each time by a question of its own, and all of them are known."""
    log = spent().gate(kind="exhausted").decided().attempt().claim(key="k1")
    log.result(status="failed", idempotency_key="k1")
    assert decide(log) == ASKED
    log.gate(kind="exhausted").decided("rejected").attempt()
    assert decide(log) == turn.AskTool(plan_seq=5, index=1)
    assert [gate.decided.verdict for gate in log.state.questions if gate.decided] == ["approved", "rejected"]


def test_a_call_that_always_asks_is_made_again_under_the_second_answer() -> None:
    """The first approval was used; the second covers one more call, and it alone."""
    log = turns.planned("refund.issue").gate().decided().attempt().claim(key="k1")
    log.result(status="failed", idempotency_key="k1").gate(kind="exhausted").decided().attempt()
    verdict = calls.verdict(log, place=(5, 0))
    assert isinstance(verdict, call.Perform)
    assert verdict.gate is not None
    assert verdict.gate.kind == "exhausted"
    log.claim(key="k1").result(status="failed", idempotency_key="k1")
    assert all(gate.used for gate in log.state.questions)
