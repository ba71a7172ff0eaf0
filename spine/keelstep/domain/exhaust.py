"""What follows where a call came to nothing, with every attempt used up? What its contract's `onExhaust` says.

    Fail        the model is told, and decides what to do without it
    Escalate    a person is asked: may it be called again, or does it stay as it is?
    Compensate  the run ends failed, and what it did is undone

Asked by the runner of the calls of its latest plan; whether a person's yes lets a call begin is the gateway's to decide.
"""

from collections.abc import Iterator

from keelstep.domain.revision import Pinned
from keelstep.domain.state import Place, State
from keelstep.kinds.failure import OnExhaust


def appeals(state: State, pinned: Pinned) -> list[Place]:
    """Calls that came to nothing and that a person must be asked about, who has not been asked since."""
    return [place for place, _ in _exhausted(state, pinned, OnExhaust.ESCALATE) if state.may_appeal(place)]


def ends_run(state: State, pinned: Pinned) -> str:
    """The tool whose failure ends the run; nothing where none does."""
    return next((tool for _, tool in _exhausted(state, pinned, OnExhaust.COMPENSATE)), "")


def _exhausted(state: State, pinned: Pinned, what: OnExhaust) -> Iterator[tuple[Place, str]]:
    """Calls of the latest plan that came to nothing, and their tools, where the contract says that this follows."""
    plan = state.plan
    if plan is None or not any(spec.failure_policy.on_exhaust is what for spec in pinned.contracts.values()):
        return  # the question is asked before every call: a long plan is not gone through for nothing
    for call in plan.steps:
        place = (plan.seq, call.index)
        spec = pinned.contracts.get(call.tool)
        if spec is None or spec.failure_policy.on_exhaust is not what:
            continue
        if state.came_to_nothing(place):
            yield place, call.tool
