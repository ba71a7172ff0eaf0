"""Where do a run's money and time go?"""

import pytest

from keelstep.events import clock, envelope
from keelstep.testing import builders
from keelstep.testing.builders import LogBuilder
from keelstep.views import economics, history
from keelstep.views.economics import Economics

DEAR = envelope.Cost(tokens_in=900, tokens_out=100, micro_usd=1_250)


def _of(run: LogBuilder, until: int = 0) -> Economics:
    found = history.extend(history.begin(run.tenant, run.xid), run.messages, run.vouch)
    return economics.compute(found, until)


def _seconds(found: Economics) -> dict[str, float]:
    return {name: spent / clock.SECOND for name, spent in found.spent.items() if spent}


def test_every_moment_has_one_owner() -> None:
    """Each event comes a second after the one before: a call lasts that second, what lies between is machinery."""
    run = builders.log().started().attempt().model().plan("orders.get", "refund.issue")
    run.result(0, latency_ms=250).gate(1).later(60).decided(index=1).claim(1).result(1).model().finished()
    found = _of(run)
    # 2 model calls; a free read's own 0.25 s and a claim's second; a person for 60 s and the second to the next event
    assert _seconds(found) == {"model": 2.0, "tool": 1.25, "people": 61.0, "machinery": 7.75}
    assert sum(found.spent.values()) == found.nanoseconds == run.state.over_at - run.state.started_at


def test_a_moment_is_not_counted_twice() -> None:
    """While a gateway still works on a claim and a person is asked about another call, the tool has the time."""
    run = builders.log().started().attempt().model().plan("credit.grant", "refund.issue")
    run.claim(0).gate(1).later(10).result(0).later(5).decided(index=1)
    found = _seconds(_of(run))
    assert (found["tool"], found["people"]) == (12.0, 6.0)
    assert sum(found.values()) == (run.now - run.state.started_at) / clock.SECOND


def test_a_suspension_has_its_own_time() -> None:
    """What somebody held is neither the machinery's fault nor a question to a person."""
    run = builders.log().started().attempt().suspended().later(29).resumed().given_up()
    assert _seconds(_of(run)) == {"suspended": 30.0, "machinery": 3.0}


@pytest.mark.parametrize("category", ["model", "tool", "people", "suspended"])
def test_what_is_open_lasts_until_now(category: str) -> None:
    """A run that waits is shown with the time it has waited so far."""
    run = builders.log().started().attempt()
    match category:
        case "model":
            run.model_called()
        case "tool":
            run.model().plan("credit.grant").claim()
        case "people":
            run.model().plan("refund.issue").gate()
        case _:
            run.suspended()
    found = _of(run, until=run.now + 3600 * clock.SECOND)
    assert _seconds(found)[category] >= 3600.0


def test_an_ended_run_takes_no_more_time() -> None:
    """Whenever it is looked at later, its time is the same."""
    run = builders.log().started().attempt().model().finished()
    assert _of(run, until=run.now) == _of(run, until=run.now + 86_400 * clock.SECOND)


def test_money_is_split_by_what_used_it() -> None:
    """Each model and tool has its calls, its money and its time; the dearest comes first."""
    run = builders.log().started().attempt().model_called().model_replied(cost=DEAR).plan("orders.get")
    run.result(0).model_called().model_replied(cost=DEAR).finished()
    found = [(share.kind, share.target, share.calls, share.micro_usd) for share in _of(run).shares]
    assert found == [("model", "scripted", 2, 2_500), ("tool", "orders.get", 1, 0)]


def test_shares_add_up_to_what_was_settled() -> None:
    """A call that failed or was lost still cost what the gateway settled."""
    run = builders.log().started().attempt().model_called()
    run.model_replied(status="failed", response=None, cost=DEAR).model_called().model_replied(cost=DEAR)
    assert sum(share.micro_usd for share in _of(run).shares) == run.state.spent_micro_usd == 2_500


def test_a_log_without_a_start_has_no_time() -> None:
    """Nothing has happened yet, so nothing took time."""
    found = _of(builders.log(), until=builders.BEGIN)
    assert (found.nanoseconds, found.shares) == (0, ())
