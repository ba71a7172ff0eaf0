"""What humans and Kubernetes decided, as an operator records it."""

from typing import Literal

from keelstep.domain import call, unwind
from keelstep.domain.state import Place, State
from keelstep.events import clock, envelope, types
from tests.unit.domain.honest import agent
from tests.unit.domain.honest.gateway import undo_question
from tests.unit.domain.honest.runner import runner
from tests.unit.domain.honest.world import TICK, Actor, View, Wish, World


def operator(world: World) -> Actor:
    """What humans and Kubernetes decided: starts, attempts, answers, interruptions, the end nobody else writes."""
    view = View(world)
    goal = world.seal(b"help")
    inputs = world.seal(b"{}")

    def start(state: State) -> Wish:
        if state.started is not None:
            return None
        data = types.ExecStarted(
            name="run", goal=goal, inputs=inputs, strategy="support", strategy_version="1",
            strategy_digest="d" * 64, contracts=agent.pins(), budget_micro_usd=40_000, requester="ann",
            deadline=clock.text(world.now + 3600 * clock.SECOND), spec_digest="s" * 64,
        )  # fmt: skip
        return "exec.started", data, 0, envelope.FREE

    yield from world.append(view, "op", start)
    while True:
        view.read()
        yield
        yield from world.append(view, "op", lambda state: _decision(world, state))
        if view.state.attempt > max(world.runners, default=0) and view.state.attempt not in world.runners:
            _spawn(world, view.state)
        if view.state.is_over and not view.state.claims and view.state.open_model_call is None:
            return


def _spawn(world: World, state: State) -> None:
    """A pod for the current attempt, unless there was one."""
    if (
        any(name == f"a{state.attempt}" for name, _ in world.actors)
        or state.attempt_at < world.now - 30 * TICK
    ):
        return
    world.runners.add(state.attempt)
    world.actors.append((f"a{state.attempt}", runner(world, state.attempt)))


def _decision(world: World, state: State) -> Wish:
    if state.is_over or state.started is None:
        return None
    luck = 1.0 if world.is_calm else world.random.random()
    by = types.Interruption(by="ann", reason="x")
    if state.is_unwinding and world.stop is None:
        return _unwinding(world, state)
    if world.stop is not None:
        return "exec.killed", by, state.attempt, envelope.FREE
    if luck < 0.002:
        world.stop, world.stopped_at = call.Stop(scope="strategy", reason="x"), world.now
        return "exec.killed", by, state.attempt, envelope.FREE
    if luck < 0.004:
        return "exec.cancelled", by, state.attempt, envelope.FREE
    if state.suspended is not None:
        return ("exec.resumed", by, state.attempt, envelope.FREE) if luck > 0.7 else None
    if luck < 0.02:
        return "exec.suspended", by, state.attempt, envelope.FREE
    for gate in state.gates.values():
        if gate.decided is None:
            return (
                _answer(world, state, gate.place, gate.request_seq) if world.random.random() < 0.3 else None
            )
    if state.attempt in world.runners:
        return None
    if state.barren_attempts >= 5:
        if unwind.is_needed(state):
            return "exec.unwinding", types.Unwinding(reason="AttemptsExhausted"), state.attempt, envelope.FREE
        ended = types.ExecFinished(outcome="failed", reason="AttemptsExhausted")
        return "exec.finished", ended, state.attempt, envelope.FREE
    return _next_attempt(state)


def _next_attempt(state: State) -> Wish:
    number = state.attempt + 1
    return (
        "exec.attempt",
        types.ExecAttempt(attempt=number, pod=f"run-a{number}", reason="Missing"),
        number,
        envelope.FREE,
    )


def _unwinding(world: World, state: State) -> Wish:
    """Attempts that undo, answers about undoings, the end."""
    if unwind.next_target(state) is None:
        if state.claims or state.open_model_call is not None:
            return None
        outcome: Literal["failed", "cancelled"] = "failed" if state.unwinding is not None else "cancelled"
        return "exec.finished", types.ExecFinished(outcome=outcome, reason="X"), state.attempt, envelope.FREE
    target = unwind.next_target(state)
    gate = state.gates.get(target.undo_place) if target is not None else None
    if gate is not None and gate.decided is None:
        return _answer(world, state, gate.place, gate.request_seq) if world.random.random() < 0.3 else None
    if state.attempt_seq < state.unwinding_seq and not state.is_unwound_by_runner:
        return _next_attempt(state)
    return None if state.attempt in world.runners else _next_attempt(state)


def _answer(world: World, state: State, place: Place, request_seq: int) -> Wish:
    planned = state.step_at(place)
    if planned is None:  # it stands in no plan: an undoing
        made = undo_question(world, state, state.attempt, place[0]).call
        assert made is not None
        planned = made.planned
    seconds = world.random.choice([1, 600, 600])
    data = types.GateDecided(
        plan_seq=place[0], index=place[1], request_seq=request_seq, args_digest=planned.args.digest,
        verdict=world.random.choice(["approved", "approved", "approved", "rejected", "expired"]),
        contract_digest=agent.DIGESTS[planned.tool],
        valid_until=clock.text(world.now + seconds * clock.SECOND),
    )  # fmt: skip
    return "gate.decided", data, state.attempt, envelope.FREE
