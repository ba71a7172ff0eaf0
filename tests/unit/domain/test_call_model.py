"""May the model be called now, and if not, why not?"""

from collections.abc import Callable
from typing import Any

import pytest

from keelstep.domain import call, modelcall
from keelstep.domain.state import State
from keelstep.testing.builders import LogBuilder
from tests.unit.domain import pinned
from tests.unit.domain.calls import (
    KILLED,
    NOBODY_KNOWS,
    TOOL_KILLED,
    Standing,
    planned,
    run,
)


def model(
    log: LogBuilder,
    *,
    ordinal: int = 1,
    attempt: int = 1,
    estimate: int | None = 100,
    stop: Standing = None,
    **strategy: Any,
) -> call.Refuse | call.Answered | modelcall.CallModel:
    """What the gateway says to a wish for a model call."""
    state: State = log.state
    return modelcall.decide(state, pinned.pinned(**strategy), attempt, ordinal, estimate, stop)


MODEL_REFUSED: dict[str, tuple[Callable[[], object], str]] = {
    "an attempt that was replaced": (lambda: model(run().attempt(), attempt=1), "Superseded"),
    "an attempt that has not begun": (lambda: model(run(), attempt=2), "NotBegun"),
    "a killed run": (lambda: model(run().killed()), "RunEnded"),
    "a suspended run": (lambda: model(run().suspended()), "Suspended"),
    "a cancelled run": (lambda: model(run().cancelled()), "Cancelled"),
    "a run that waits for a person": (
        lambda: model(planned("refund.issue").gate(), ordinal=2),
        "GatePending",
    ),
    "a call that is open": (lambda: model(run().model_called()), "ModelCallOpen"),
    "an ordinal that is not next": (lambda: model(run(), ordinal=2), "Superseded"),
    "a plan that is not done": (lambda: model(planned("orders.get"), ordinal=2), "Superseded"),
    "a killed strategy": (lambda: model(run(), stop=KILLED["strategy"]), "Killed"),
    "what nobody knows to be free": (lambda: model(run(), stop=NOBODY_KNOWS), "ControlUnavailable"),
    "more calls than allowed": (
        lambda: model(run().model(), ordinal=2, limits={"modelCalls": 1}),
        "ModelCallsExceeded",
    ),
    "more steps than allowed": (
        lambda: model(run().model(), ordinal=2, limits={"steps": 1}),
        "StepsExceeded",
    ),
    "more tokens than allowed": (
        lambda: model(run().model(), ordinal=2, limits={"tokens": 15}),
        "TokensExceeded",
    ),
    "a model without a price": (lambda: model(run(), estimate=None), "PriceUnknown"),
    "a call that the budget does not cover": (
        lambda: model(run(budget_micro_usd=99)),
        "BudgetExceeded",
    ),
}


@pytest.mark.parametrize("case", MODEL_REFUSED.values(), ids=MODEL_REFUSED.keys())
def test_a_model_call_is_refused_for(case: tuple[Callable[[], object], str]) -> None:
    """Nothing is reserved and nothing recorded."""
    decide, reason = case
    found = decide()
    assert isinstance(found, call.Refuse)
    assert found.reason == reason


def test_a_models_kill_of_one_tool_does_not_stop_the_model() -> None:
    """A tool's kill ends nothing."""
    assert isinstance(model(run(), stop=TOOL_KILLED), modelcall.CallModel)


def test_a_recorded_reply_answers_whatever_became_of_the_run() -> None:
    """It was bought once."""
    assert isinstance(model(run().model().killed()), call.Answered)
