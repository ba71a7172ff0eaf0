"""Which states are held, and that what is let go comes back the same."""

from keelstep.domain.state import State
from keelstep.events import types
from keelstep.store import fold
from keelstep.store.feed import Arrival
from keelstep.testing import builders
from keelstep.testing.builders import LogBuilder
from tests.unit.store.test_rows import arrival, judged, vouched


def _run(xid: str, position: int = 0) -> LogBuilder:
    return builders.log(xid).skip(position).started().attempt().model()


def _is_held(held: fold.Fold, run: LogBuilder) -> bool:
    batch = vouched([arrival(run, run.messages[-1])])
    return not held.missing(batch)


def _recorded(run: LogBuilder) -> dict[fold.Key, list[fold.Recorded]]:
    entries = [
        fold.Recorded(
            stored=each.arrival.stored, is_signed=getattr(each.outcome, "reason", "") != fold.UNSIGNED
        )
        for each in judged(run, fold.Fold())
    ]
    return {(run.tenant, run.xid): entries}


def test_what_was_not_needed_for_longest_is_let_go_first() -> None:
    """Until what is held fits again."""
    held = fold.Fold(held_events=6)
    old, new = _run("old"), _run("new", 10)
    judged(old, held)
    judged(new, held)
    held.trim(committed=100)
    assert (_is_held(held, old), _is_held(held, new)) == (False, True)


def test_nothing_is_let_go_before_postgres_has_it() -> None:
    """It could not be folded again."""
    held = fold.Fold(held_events=0)
    run = _run("x1")
    judged(run, held)
    held.trim(committed=run.position - 1)
    assert _is_held(held, run)
    held.trim(committed=run.position)
    assert not _is_held(held, run)


def test_an_execution_that_ended_is_let_go_at_once() -> None:
    """Little comes after the end."""
    held = fold.Fold()
    over, still = _run("over").finished(), _run("still", 10)
    judged(over, held)
    judged(still, held)
    held.trim(committed=100)
    assert (_is_held(held, over), _is_held(held, still)) == (False, True)


def test_a_state_folded_again_from_its_rows_is_the_same() -> None:
    """Void and unsigned messages included, without checking a signature twice."""
    run = _run("x1").plan("refund.issue").gate()
    run.forge("exec.killed", types.Interruption(by="eve", reason="mine"), writer="op", signature="")
    run.garbage(b"\x00")
    run.decided().attempt().claim()
    again = fold.Fold()
    again.restore([(run.tenant, run.xid)], _recorded(run))
    before = run.state
    run.result()
    batch = vouched([arrival(run, run.messages[-1])])
    (last,) = again.judge(batch)
    assert _comparable(last.after) == _comparable(run.state)
    assert before.voids == 2


def test_a_signature_counts_for_its_writer_and_subject_only() -> None:
    """Another execution's signature, or none, vouches for nothing; a runner has none to show."""
    run, other = _run("x1"), _run("x2")
    good = arrival(run, run.messages[0])
    moved = Arrival(
        tenant=other.tenant,
        xid=other.xid,
        stored=good.stored,
        subject="spine.0.shop.x2.op",
        receipt="",
        pending=0,
    )
    unsigned = arrival(run, run.plan("math.add").messages[-1])
    assert [each.is_signed for each in vouched([good, moved, unsigned])] == [
        True,
        False,
        False,
    ]


def _comparable(state: State) -> str:
    return repr(state)
