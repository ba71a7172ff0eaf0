"""One attempt, from start to exit 0, as the runner's loop does it."""

from collections.abc import Callable, Generator

from keelstep.domain import turn, unwind
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
                    yield from _end(view, number, then)
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
            case turn.Finish() | turn.Unwind():
                yield from _end(view, number, action)
            case turn.AskUndo():
                answer = yield from _ask(view, "undo", number, (action.seq,))
                target = unwind.next_target(view.read(fresh=True))
                if target is None or target.seq != action.seq:
                    continue
                if answer.gate is not None:
                    yield from _question(
                        view, number,
                        turn.Question(plan_seq=action.seq, index=0, tier=answer.gate.tier, undoes=action.seq),
                    )  # fmt: skip
                elif answer.refusal is not None:
                    return
        yield


def _question(view: View, number: int, question: turn.Question) -> Actor:
    data = types.GateRequested(
        plan_seq=question.plan_seq, index=question.index, consequence_tier=question.tier, kind=question.kind,
        undoes=question.undoes,
    )  # fmt: skip
    yield from _own(
        view, number, "gate.requested", data, lambda now: turn.is_to_ask(now, question),
        is_undoing=question.undoes is not None,
    )  # fmt: skip


def _end(view: View, number: int, action: turn.Finish | turn.Unwind) -> Actor:
    if isinstance(action, turn.Finish):
        yield from _own(view, number, "exec.finished", action.finished, lambda _: True)
    else:
        yield from _own(view, number, "exec.unwinding", action.unwinding, lambda _: True)


def _own(
    view: View,
    number: int,
    name: str,
    data: types.Data,
    is_wanted: Callable[[State], bool],
    *,
    is_undoing: bool = False,
) -> Actor:
    must_stop = turn.must_stop_undoing if is_undoing else turn.must_stop

    def propose(state: State) -> Wish:
        if must_stop(state, number) or not is_wanted(state):
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
