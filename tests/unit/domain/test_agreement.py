"""What a program decides, validity accepts: in every state a run reaches, whatever anybody asks for.

A dishonest runner may ask for any call at any time; a gateway that says yes must never store a void event over it.
"""

import functools
from collections import Counter
from collections.abc import Iterator

from keelstep.domain import call, execution, turn
from keelstep.domain.state import State
from keelstep.events import envelope, types
from keelstep.events.frame import Stored
from tests.unit.domain.honest import gateway, lives, model
from tests.unit.domain.honest.world import Wish, World


@functools.cache
def visited() -> list[tuple[World, State]]:
    """States that runs passed through, from all parts of their lives."""
    found = []
    for seed in range(60):
        life = lives.live(seed)
        life.stop = None
        found += [(life, state) for state in life.states]
    return found


def accepted(life: World, state: State, wish: Wish, writer: str = "gw") -> str:
    """The type of the event that a wish becomes; fails where it is void."""
    assert wish is not None
    payload = life.bytes_of(state, wish)
    stored = Stored(position=state.position + 1, writer=writer, stored_at=life.now, payload=payload)
    _, outcome = execution.advance(state, stored, lambda _, __: True)
    assert isinstance(outcome, envelope.Event), f"{wish[0]} is void at seq {state.seq}: {outcome}"
    return wish[0]


def wishes(life: World, state: State) -> Iterator[tuple[Wish, str]]:
    """Everything any runner could ask a gateway for here, and what the gateway would store."""
    attempts = {state.attempt, state.attempt - 1, state.attempt + 1}
    for attempt in attempts:
        for ordinal in range(state.ordinal + 3):
            yield model.begin(life, state, attempt, ordinal, "gw-x"), "gw"
        for plan in [*state.plans.values()]:
            for index in range(len(plan.steps) + 1):
                yield gateway.unperformed(life, state, attempt, (plan.seq, index)), "gw"
                yield gateway.claim(life, state, attempt, (plan.seq, index), "gw-x"), "gw"
    for place in state.claims:
        yield gateway.retry(life, state, place, "gw-x"), "gw"
        yield gateway.settle(life, state, place), "gw"
    yield model.lost(life, state), "gw"


def test_whatever_a_gateway_decides_to_store_is_valid() -> None:
    """An honest writer's acknowledged append is never void, in any state, for any request (DESIGN §4)."""
    kinds = Counter(
        accepted(life, state, wish, writer)
        for life, state in visited()
        for wish, writer in wishes(life, state)
        if wish is not None
    )
    assert all(
        kinds[kind] > 5
        for kind in ("model.called", "model.replied", "tool.called", "tool.retried", "tool.result")
    ), kinds


def test_whatever_a_runner_decides_to_append_is_valid() -> None:
    """`turn.decide` and validity agree in every state, for the attempt that is current."""
    kinds: Counter[str] = Counter()
    for life, state in visited():
        if state.started is None or state.attempt == 0:
            continue
        action = turn.decide(state, life.pinned, life.payloads, state.attempt)
        writer = f"a{state.attempt}"
        data: types.Data
        match action:
            case turn.Finish():
                data, name = action.finished, "exec.finished"
            case turn.Unwind():
                data, name = action.unwinding, "exec.unwinding"
            case turn.AskGates():
                question = action.questions[0]
                data = types.GateRequested(
                    plan_seq=question.plan_seq,
                    index=question.index,
                    consequence_tier=question.tier,
                    kind=question.kind,
                    undoes=question.undoes,
                )
                name = "gate.requested"
            case turn.Propose():
                steps = [
                    types.PlannedCall(index=index, call_id="c", tool=each.tool, args=life.seal(each.args))
                    for index, each in enumerate(action.calls)
                ]
                data, name = types.PlanProposed(ordinal=action.ordinal, steps=steps), "plan.proposed"
            case _:
                continue
        kinds[accepted(life, state, (name, data, state.attempt, envelope.FREE), writer)] += 1
    expected = ("exec.finished", "exec.unwinding", "gate.requested", "plan.proposed")
    assert all(kinds[kind] > 3 for kind in expected), kinds


def test_an_older_attempt_decides_to_stop_wherever_it_wakes_up() -> None:
    """A runner that was replaced finds nothing to do (DESIGN §4, outcome 4)."""
    for life, state in visited():
        if state.started is not None and state.attempt > 1:
            action = turn.decide(state, life.pinned, life.payloads, state.attempt - 1)
            assert action == turn.Stop(reason="Superseded")


def test_what_a_claim_permits_ends_with_the_run() -> None:
    """Once the run has ended or is undone, a stored claim permits nothing but undoing (DESIGN §5)."""
    checked = 0
    for _, state in visited():
        for place, claim in state.claims.items():
            refusal = call.may_send(state, claim.seq, place, claim.owner, None)
            if state.is_over or (state.is_unwinding and claim.undoes is None):
                assert refusal == "RunEnded"
                checked += 1
            assert call.may_send(state, claim.seq, place, "gw-other", None) == "ClaimTakenOver"
            assert call.may_send(state, claim.seq + 1, place, claim.owner, None) == "ClaimClosed"
    assert checked > 0


def test_the_lives_visited_are_the_same_for_everybody() -> None:
    """A seed is a life: a failure here can be run again."""
    assert lives.live(7).messages == lives.live(7).messages
