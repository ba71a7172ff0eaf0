"""Any messages, valid, forged, mutated or out of order, fold to a state that makes sense (DESIGN §4).

The machine plays everybody at once: honest writers take steps that may or may not be allowed, others store whatever
they like under any writer's name, with valid signatures where they hold a key.
"""

import contextlib
import copy
import gc
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from msgspec import structs

from keelstep.domain import execution
from keelstep.domain.state import State
from keelstep.events import envelope, types
from keelstep.events.frame import Stored
from keelstep.testing import builders
from tests.unit.domain import stories

WRITERS = st.sampled_from(["op", "gw", "a1", "a2", "a1", "gw", "op", "a0", "root"])
TOOLS = st.sampled_from([*builders.PINS, "shop.burn"])
SMALL = st.integers(min_value=0, max_value=9)
DIGESTS = st.sampled_from(["0" * 64, "3" * 64, "e" * 64, builders.value().digest])
VALUES = st.sampled_from([builders.value(), builders.value({"other": 1})])
KEYS = st.sampled_from(["k1", "k2", ""])
STATUSES = st.sampled_from(["ok", "failed", "unknown", "denied"])
MAYBE = st.one_of(st.none(), SMALL)
STEPS = st.lists(
    st.builds(types.PlannedCall, index=st.integers(0, 2), call_id=KEYS, tool=TOOLS, args=VALUES), max_size=3
)
DATA: dict[str, st.SearchStrategy[Any]] = {
    "exec.attempt": st.builds(types.ExecAttempt, attempt=SMALL, pod=KEYS, reason=KEYS),
    "model.called": st.builds(
        types.ModelCalled, ordinal=SMALL, model=KEYS, request=VALUES, reserved_micro_usd=SMALL, owner=KEYS,
        deadline=KEYS, price_table=KEYS,
    ),
    "model.replied": st.builds(
        types.ModelReplied, ordinal=SMALL, status=st.sampled_from(["ok", "failed", "lost"]),
        response=st.one_of(st.none(), VALUES),
    ),
    "plan.proposed": st.builds(types.PlanProposed, ordinal=SMALL, steps=STEPS),
    "tool.called": st.builds(
        types.ToolCalled, plan_seq=SMALL, index=SMALL, tool=TOOLS, args=VALUES, contract_digest=DIGESTS,
        idempotency_key=KEYS, estimate_micro_usd=SMALL, tier=st.integers(0, 3), owner=KEYS, deadline=KEYS,
        gate_seq=MAYBE, valid_until=KEYS, undoes=MAYBE,
    ),
    "tool.retried": st.builds(
        types.ToolRetried, claim_seq=SMALL, plan_seq=SMALL, index=SMALL, owner=KEYS, deadline=KEYS, reason=KEYS,
        attempt_number=SMALL, is_certain=st.booleans(),
    ),
    "tool.result": st.builds(
        types.ToolResult, plan_seq=SMALL, index=SMALL, tool=TOOLS, status=STATUSES, claim_seq=MAYBE,
        output=st.one_of(st.none(), VALUES), idempotency_key=KEYS, replayed_seq=MAYBE, undoes=MAYBE,
    ),
    "tool.reconciled": st.builds(
        types.ToolReconciled, plan_seq=SMALL, index=SMALL, tool=TOOLS, result_seq=SMALL, idempotency_key=KEYS,
        status=st.sampled_from(["ok", "failed"]), via=TOOLS, output=st.one_of(st.none(), VALUES),
    ),
    "policy.evaluated": st.builds(
        types.PolicyEvaluated, plan_seq=SMALL, index=SMALL, tool=TOOLS,
        verdict=st.builds(types.PolicyVerdict, effect=st.sampled_from(["allow", "deny", "escalate"])),
    ),
    "gate.requested": st.builds(
        types.GateRequested, plan_seq=SMALL, index=SMALL, consequence_tier=SMALL,
        kind=st.sampled_from(["approval", "exhausted", "undo"]), undoes=MAYBE,
    ),
    "gate.decided": st.builds(
        types.GateDecided, plan_seq=SMALL, index=SMALL, request_seq=SMALL, args_digest=DIGESTS,
        contract_digest=DIGESTS, verdict=st.sampled_from(["approved", "rejected", "expired", "withdrawn"]),
    ),
    **{
        name: st.builds(types.Interruption, by=KEYS, reason=KEYS)
        for name in ("exec.suspended", "exec.resumed", "exec.cancelled", "exec.killed")
    },
    "exec.unwinding": st.builds(types.Unwinding, reason=KEYS),
    "exec.finished": st.builds(
        types.ExecFinished, outcome=st.sampled_from(["succeeded", "failed", "cancelled"]), reason=KEYS
    ),
    "feedback.given": st.builds(types.Feedback, by=KEYS, verdict=st.sampled_from(["good", "bad"])),
}  # fmt: skip
HONEST = [
    "attempt", "attempt", "model_called", "model_replied", "model", "plan", "claim", "claim", "taken_over", "tried_again",
    "result", "result", "builtin", "ruled", "gate", "decided", "suspended", "resumed", "cancelled", "killed", "finished",
    "given_up", "feedback",
]  # fmt: skip
COSTS = st.builds(envelope.Cost, tokens_in=SMALL, tokens_out=SMALL, micro_usd=SMALL)


class Everybody(RuleBasedStateMachine):
    """One log, to which everybody writes."""

    @initialize(story=st.sampled_from([stories.begun, stories.running, stories.planned, stories.approved]))
    def begin(self, story: stories.Story) -> None:
        """A run that got somewhere."""
        self.run = story()
        self.before = self.run.state

    @rule(name=st.sampled_from(HONEST), tool=TOOLS, index=st.integers(0, 1), status=STATUSES)
    def somebody_tries_an_honest_step(self, name: str, tool: str, index: int, status: str) -> None:
        """A step that an honest writer takes in some state, not necessarily this one."""
        self.before = self.run.state
        step = getattr(self.run, name)
        arguments: dict[str, tuple[object, ...]] = {
            "plan": (tool, "refund.issue"), "claim": (index,), "taken_over": (index,), "tried_again": (index,),
            "gate": (index,),
            "result": (index, status), "builtin": (index,), "decided": ("approved", index),
        }  # fmt: skip
        places = {place[1] for place in (*self.run.state.claims, *self.run.state.gates)}
        if name in ("taken_over", "tried_again", "decided") and index not in places:
            return
        plan = self.run.state.plan
        if name in arguments and name != "plan":
            if plan is None or index >= len(plan.steps) or plan.steps[index].tool not in builders.PINS:
                return
            if name in ("taken_over", "tried_again") and (plan.seq, index) not in self.run.state.claims:
                return
            if name == "decided" and (plan.seq, index) not in self.run.state.gates:
                return
        with contextlib.suppress(AssertionError):  # the builder says that the step is not valid here
            step(*arguments.get(name, ()))

    @rule(data=st.data(), name=st.sampled_from(sorted(DATA)), writer=WRITERS, cost=COSTS)
    def somebody_stores_an_event(
        self, data: st.DataObject, name: str, writer: str, cost: envelope.Cost
    ) -> None:
        """In its place, whatever it says, by whoever."""
        self.before = self.run.state
        self.run.forge(name, data.draw(DATA[name]), writer=writer, cost=cost)

    @rule(data=st.data(), name=st.sampled_from(sorted(DATA)), writer=WRITERS, seq=SMALL, attempt=SMALL)
    def somebody_stores_an_event_out_of_its_place(
        self, data: st.DataObject, name: str, writer: str, seq: int, attempt: int
    ) -> None:
        """With another seq and attempt than are due."""
        self.before = self.run.state
        self.run.forge(name, data.draw(DATA[name]), writer=writer, seq=seq, attempt=attempt)

    @rule(data=st.data(), writer=WRITERS)
    def somebody_stores_an_older_message_again(self, data: st.DataObject, writer: str) -> None:
        """Byte for byte, with its signature, under any writer's name."""
        self.before = self.run.state
        old = data.draw(st.sampled_from(self.run.messages))
        self.run.garbage(old.payload, writer=writer, signature=old.signature)

    @rule(payload=st.binary(max_size=40), writer=WRITERS)
    def somebody_stores_bytes(self, payload: bytes, writer: str) -> None:
        """That are no event at all."""
        self.before = self.run.state
        self.run.garbage(payload, writer=writer)

    @invariant()
    def a_void_message_changes_nothing_but_position_and_count(self) -> None:
        """Whatever it says."""
        now, before = self.run.state, self.before
        if now.seq == before.seq:
            told = {"position": 0, "voids": 0, "voids_since": 0}
            assert structs.replace(now, **told) == structs.replace(before, **told)

    @invariant()
    def what_is_over_stays_over(self) -> None:
        """No message leads out of a terminal state, and none changes how it ended."""
        if self.before.is_over:
            assert self.run.state.finished == self.before.finished
            assert self.run.state.killed == self.before.killed
            assert self.run.state.attempt == self.before.attempt
            assert len(self.run.state.claims) <= len(self.before.claims)

    @invariant()
    def the_sums_are_right(self) -> None:
        """Money is never negative, and what is reserved is what is open."""
        check_sums(self.run.state)

    @invariant()
    def the_chain_is_whole(self) -> None:
        """The state's head is the hash of the last valid event's bytes."""
        assert self.run.state.seq == len(self.run.events)
        assert self.run.state.position == self.run.messages[-1].position

    def teardown(self) -> None:
        """In one go or in any chunks, the log folds to the same state."""
        if not hasattr(self, "run"):
            return
        state, outcomes = execution.fold(
            execution.begin(self.run.xid, self.run.tenant), self.run.messages, self.run.vouch
        )
        assert state == self.run.state
        assert sum(isinstance(outcome, execution.Void) for outcome in outcomes) == state.voids
        assert [outcome for outcome in outcomes if isinstance(outcome, envelope.Event)] == self.run.events
        half = len(self.run.messages) // 2
        begun = execution.begin(self.run.xid, self.run.tenant)
        middle = execution.resume(begun, self.run.messages[:half], self.run.vouch)
        kept = copy.deepcopy(middle)
        assert execution.resume(middle, self.run.messages[half:], self.run.vouch) == state
        assert middle == kept, "a fold changed the state that it began with"
        assert begun == execution.begin(self.run.xid, self.run.tenant)


def check_sums(state: State) -> None:
    """What is counted twice, once in the state and once here."""
    open_call = state.open_model_call
    reserved = sum(claim.estimate_micro_usd for claim in state.claims.values())
    assert state.reserved_micro_usd == reserved + (open_call.reserved_micro_usd if open_call else 0)
    assert state.spent_micro_usd >= 0
    assert state.tokens >= 0
    assert state.pending_gates == sum(gate.decided is None for gate in state.gates.values())
    for tool in builders.PINS:
        unknown = [
            key for key, known in state.keys.items() if (known.tool, known.status) == (tool, "unknown")
        ]
        assert (state.unknown_key_of(tool) in unknown) if unknown else state.unknown_key_of(tool) is None
    assert not set(state.claims) & set(state.results)
    assert {claim.key for claim in state.claims.values()} == {
        key for key, known in state.keys.items() if known.status == "open"
    }


TestEverybody = Everybody.TestCase
TestEverybody.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)


def test_a_message_that_was_folded_already_is_the_callers_error() -> None:
    """Messages come in stream order, each once."""
    run = stories.running()
    with pytest.raises(ValueError, match="comes after"):
        execution.advance(run.state, run.messages[-1], run.vouch)


@pytest.mark.parametrize("collects", [True, False])
def test_a_long_fold_leaves_pythons_garbage_collector_as_it_was(collects: bool) -> None:
    """Nothing is collected while it works; what the process had set holds again after it, also where it failed."""
    run, seen = stories.finished(), []

    def told() -> Iterator[Stored]:
        for message in run.messages:
            seen.append(gc.isenabled())
            yield message
        raise RuntimeError

    was_enabled = gc.isenabled()
    (gc.enable if collects else gc.disable)()
    try:
        with pytest.raises(RuntimeError):
            execution.resume(execution.begin(run.xid, run.tenant), told(), run.vouch)
        assert gc.isenabled() == collects
    finally:
        (gc.enable if was_enabled else gc.disable)()
    assert not any(seen)


def test_a_log_is_bound_to_its_run() -> None:
    """The same messages are void in another run's log, each of them."""
    run = stories.finished()
    state, _ = execution.fold(execution.begin("x2", run.tenant), run.messages, run.vouch)
    assert (state.seq, state.voids) == (0, len(run.messages))


def test_barren_attempts_count_until_runner_or_gateway_writes() -> None:
    """The attempt limit counts attempts in a row that left nothing; void messages are nothing (DESIGN §5, park)."""
    run = stories.running().attempt().attempt()
    assert run.state.barren_attempts == 3
    run.garbage(b"{}", writer="a3")
    run.suspended().resumed()
    assert run.state.barren_attempts == 3
    assert run.model_called().state.barren_attempts == 0


def test_a_provisional_time_is_no_part_of_the_chain() -> None:
    """Two readers that were told different times of a message agree on everything else."""
    run = stories.claimed()
    moved = [structs.replace(message, stored_at=message.stored_at + 5) for message in run.messages]
    state, _ = execution.fold(execution.begin(run.xid, run.tenant), moved, run.vouch)
    assert (state.head, state.seq, set(state.claims)) == (
        run.state.head,
        run.state.seq,
        set(run.state.claims),
    )


def test_a_replayed_result_counts_as_a_step_but_not_as_another_success() -> None:
    """Criteria ask how often a tool succeeded: an answer given twice happened once."""
    run = stories.claimed().result().result(1, "denied").model().plan("credit.grant")
    key, known = next(iter(run.state.keys.items()))
    before = run.state.tool_calls
    run.result(idempotency_key=key, replayed_seq=known.seq)
    assert run.state.successes["credit.grant"] == 1
    assert run.state.tool_calls == before + 1
