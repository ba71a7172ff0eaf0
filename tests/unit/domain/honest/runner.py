"""One attempt, from start to exit 0, as the runner's loop does it."""

from collections.abc import Callable, Generator

from keelstep.domain import turn
from keelstep.domain.state import State
from keelstep.events import envelope, types
from tests.unit.domain.honest.world import Actor, Request, View, Wish, World


def runner(world: World, number: int) -> Actor:
    """One attempt, from start to exit 0."""
    view = View(world)
    yield
    while view.read(fresh=True).attempt < number:
        yield
    while True:
        action = turn.decide(view.state, world.pinned, world.payloads, number)
        match action:
            case turn.Stop():
                return
            case turn.AskModel():
                refusal = (yield from _ask(view, "model", number, (action.ordinal,))).refusal
                view.read(fresh=True)
                if refusal is not None:
                    then = turn.after_refusal(view.state, number, refusal.reason, refusal.message)
                    if isinstance(then, turn.Stop):
                        return
                    yield from _finish(view, number, then)
            case turn.Propose():
                steps = [
                    types.PlannedCall(
                        index=index, call_id=each.call_id, tool=each.tool, args=world.seal(each.args)
                    )
                    for index, each in enumerate(action.calls)
                ]
                plan = types.PlanProposed(ordinal=action.ordinal, steps=steps)
                yield from _own(view, number, "plan.proposed", plan, lambda now: now.ordinal not in now.plans)
            case turn.AskTool():
                answer = yield from _ask(view, "tool", number, (action.plan_seq, action.index))
                view.read(fresh=True)
                if answer.gate is not None:
                    question = turn.Question(
                        plan_seq=action.plan_seq, index=action.index, tier=answer.gate.tier
                    )
                    yield from _question(view, number, question)
                elif answer.refusal is not None:
                    return
            case turn.AskGates():
                for question in action.questions:
                    yield from _question(view, number, question)
            case turn.Finish():
                yield from _finish(view, number, action)
        yield


def _question(view: View, number: int, question: turn.Question) -> Actor:
    place = (question.plan_seq, question.index)
    data = types.GateRequested(plan_seq=place[0], index=place[1], consequence_tier=question.tier)
    yield from _own(
        view, number, "gate.requested", data,
        lambda now: not (place in now.gates or place in now.results or place in now.claims),
    )  # fmt: skip


def _finish(view: View, number: int, action: turn.Finish) -> Actor:
    yield from _own(view, number, "exec.finished", action.finished, lambda _: True)


def _own(view: View, number: int, name: str, data: types.Data, is_wanted: Callable[[State], bool]) -> Actor:
    def propose(state: State) -> Wish:
        if turn.must_stop(state, number) or not is_wanted(state):
            return None
        return name, data, number, envelope.FREE

    yield from view.world.append(view, f"a{number}", propose)


def _ask(view: View, verb: str, number: int, about: tuple[int, ...]) -> Generator[None, None, Request]:
    """Ask until somebody answers; after a while ask again."""
    while True:
        request = Request(verb, number, about, view.state.position)
        view.world.requests.append(request)
        for _ in range(view.world.random.randint(20, 60)):
            yield
            if request.is_answered:
                break
        if request.is_answered and not (request.refusal is not None and request.refusal.is_transient):
            return request
