"""An honest operator, honest gateways and honest runners, in any order, with stale reads and crashes at every line.

Each test asks one question of the same lives; a life is a seed, so a failure is a number to run again.
"""

import functools
from collections import Counter

import pytest

from keelstep.domain import contract, execution, unwind
from keelstep.events import registry, types
from tests.unit.domain.honest import agent
from tests.unit.domain.honest import lives as lived
from tests.unit.domain.honest.world import TENANT, XID, World

SEEDS = range(150)
BUDGET = 40_000


@functools.cache
def lives() -> tuple[World, ...]:
    """Every run to its end. That one is lived at all means: no honest append was void, and the run ended in time."""
    return tuple(lived.live(seed) for seed in SEEDS)


def of(life: World, kind: type[types.Data]) -> list[types.Data]:
    """The data of a life's events of one type."""
    return [event.data for event in life.events if isinstance(event.data, kind)]


def test_no_honest_append_is_void_and_every_run_ends() -> None:
    """What an honest writer's fence let through is an event; whoever dies, the others bring the run to its end."""
    assert all(life.state.is_over and life.state.voids == 0 for life in lives())


def test_the_lives_are_eventful() -> None:
    """The other tests would hold in an empty world: here everything happens, crashes and take-overs included."""
    seen = Counter(event.type for life in lives() for event in life.events)
    results = Counter(data.status for life in lives() for data in of(life, types.ToolResult))  # type: ignore[attr-defined]
    assert set(registry.KINDS) - set(seen) == {"feedback.given", "policy.evaluated", "tool.reconciled"}
    assert all(results[status] > 10 for status in ("ok", "failed", "unknown", "denied"))
    assert any(data.replayed_seq for life in lives() for data in of(life, types.ToolResult))  # type: ignore[attr-defined]
    assert sum(life.state.attempt > 1 for life in lives()) > 20
    assert {life.state.finished.outcome for life in lives() if life.state.finished} == {
        "succeeded", "failed", "cancelled",
    }  # fmt: skip


def test_each_planned_call_ends_in_exactly_one_result() -> None:
    """Never two, but where a person let it be made again; and where the run succeeded, none without one (DESIGN §5)."""
    for life in lives():
        results = [data for data in of(life, types.ToolResult) if isinstance(data, types.ToolResult)]
        places = Counter((data.plan_seq, data.index) for data in results if data.undoes is None)
        again = Counter(
            gate.place
            for gate in life.state.questions
            if gate.kind == "exhausted" and gate.decided is not None and gate.decided.verdict == "approved"
        )
        assert all(times <= 1 + again[place] for place, times in places.items())
        planned = {(plan.seq, call.index) for plan in life.state.plans.values() for call in plan.steps}
        assert set(places) <= planned
        if life.state.finished is not None and life.state.finished.outcome == "succeeded":
            assert set(places) == planned


def test_what_a_run_did_that_failed_or_was_cancelled_is_undone_the_last_first() -> None:
    """Whoever dies: each call that a contract undoes is undone, done by hand, or given up by a person (DESIGN §7)."""
    settled: Counter[str] = Counter()
    for life in lives():
        ended, undone = life.state.finished, undoings(life)
        if ended is None or ended.outcome == "succeeded":
            assert ended is None or not undone
            continue
        assert unwind.next_target(life.state) is None
        targets = unwind.targets(life.state)
        settled.update(unwind.status(life.state, target.seq) for target in targets)
        assert undone == sorted(undone, reverse=True)
    assert all(settled[how] > 1 for how in unwind.SETTLED), settled


def test_a_call_is_undone_at_most_once_with_a_key_of_its_own_and_only_if_it_may_have_happened() -> None:
    """By the contract that the call's own names; nothing is undone twice, nor before the run ends."""
    seen = 0
    for life in lives():
        events = [event for event in life.events if isinstance(event.data, types.ToolCalled)]
        assert len(undoings(life)) == len(set(undoings(life)))
        ended = [event.seq for event in life.events if event.type in ("exec.cancelled", "exec.unwinding")]
        for event in events:
            data = event.data
            assert isinstance(data, types.ToolCalled)
            assert (data.tool == agent.UNDO) == (data.undoes is not None)
            if data.undoes is None:
                assert not ended or event.seq < min(ended)
                continue
            seen += 1
            assert event.seq > min(ended)
            (before,) = [each.data for each in life.events if each.seq == data.undoes]
            assert isinstance(before, types.ToolResult)
            assert (before.tool, before.status) == ("credit.grant", "ok")
            assert data.idempotency_key == f"undo{before.idempotency_key}"
    assert seen > 5


def undoings(life: World) -> list[int]:
    """What was to be undone, in the order in which that was claimed."""
    claims = [data for data in of(life, types.ToolCalled) if isinstance(data, types.ToolCalled)]
    return [claim.undoes for claim in claims if claim.undoes is not None]


def test_every_claim_and_every_model_call_ends_also_in_an_ended_run() -> None:
    """Gateways sweep: an owner that died leaves nothing open (DESIGN §5, take-over)."""
    for life in lives():
        assert not life.state.claims
        assert life.state.open_model_call is None
        assert life.state.reserved_micro_usd == 0


def test_each_approval_is_used_at_most_once_and_tier_3_never_goes_without() -> None:
    """Approval covers exactly these arguments, this contract, once (DESIGN §6)."""
    for life in lives():
        claims = [data for data in of(life, types.ToolCalled) if isinstance(data, types.ToolCalled)]
        used = [claim.gate_seq for claim in claims if claim.gate_seq is not None]
        assert len(used) == len(set(used))
        verdicts = {
            event.seq: event.data for event in life.events if isinstance(event.data, types.GateDecided)
        }
        for claim in claims:
            if claim.tier == 3 or claim.gate_seq is not None:
                assert claim.gate_seq is not None
                decided = verdicts[claim.gate_seq]
                assert decided.verdict == "approved"
                assert decided.args_digest == claim.args.digest


def test_what_must_not_be_repeated_is_performed_at_most_once() -> None:
    """A contract that promises nothing is sent once, whoever dies when; one that honours keys has one effect a key."""
    for life in lives():
        sent = Counter((effect.tool, effect.key) for effect in life.effects if effect.tool != "orders.get")
        for (tool, key), times in sent.items():
            if not contract.is_repeatable(life.pinned.contracts[tool]):
                assert times == 1, (tool, key)
        assert sum(effect.is_first for effect in life.effects) == len({effect.key for effect in life.effects})


def test_a_call_that_is_tried_again_ends_failed_only_where_no_attempt_did_anything() -> None:
    """A failure proves nothing about the attempts before it (DESIGN §5, outcome)."""
    seen = 0
    for life in lives():
        again = {
            data.claim_seq for data in of(life, types.ToolRetried) if isinstance(data, types.ToolRetried)
        }
        results = [data for data in of(life, types.ToolResult) if isinstance(data, types.ToolResult)]
        performed = {data.idempotency_key for data in results if data.status in ("ok", "unknown")}
        for data in results:
            if data.claim_seq in again and data.status == "failed" and data.idempotency_key not in performed:
                seen += 1
                assert not any(effect.key == data.idempotency_key for effect in life.effects)
    assert seen


def test_nothing_is_sent_after_the_kill_switch_and_nothing_begins_after_the_record() -> None:
    """CONTROL is asked just before the send; after `exec.killed` only what was open is closed (DESIGN §7)."""
    for life in lives():
        if life.stop is not None:
            assert all(effect.at <= life.stopped_at for effect in life.effects)
        kinds = [event.type for event in life.events]
        if "exec.killed" in kinds:
            assert set(kinds[kinds.index("exec.killed") + 1 :]) <= {"tool.result", "model.replied"}


def test_money_is_never_negative_and_never_over_the_cap_at_any_prefix() -> None:
    """Spent and reserved together stay within the budget, after every single event (DESIGN §8)."""
    for life in lives():
        for state in life.states:
            assert state.spent_micro_usd >= 0
            assert state.reserved_micro_usd >= 0
            assert state.spent_micro_usd + state.reserved_micro_usd <= BUDGET
            assert state.pending_gates == sum(gate.decided is None for gate in state.gates.values())


@pytest.mark.parametrize("size", [1, 2, 7])
def test_a_log_folds_to_the_same_state_in_any_chunks(size: int) -> None:
    """In one go or bit by bit, in every program: the same messages give the same state."""
    for life in lives()[:40]:
        state = execution.begin(XID, TENANT)
        for start in range(0, len(life.messages), size):
            state, _ = execution.fold(state, life.messages[start : start + size], lambda _, __: True)
        assert state == life.state
