"""May the model be called now? What a gateway decides of a runner's wish, as `call` does of tools."""

from dataclasses import dataclass

from keelstep.domain import call
from keelstep.domain.revision import Pinned
from keelstep.domain.state import State


@dataclass(frozen=True, slots=True, kw_only=True)
class CallModel:
    """Call the model, reserving its highest cost."""


def decide(
    state: State,
    pinned: Pinned,
    attempt: int,
    ordinal: int,
    estimate_micro_usd: int | None,
    stop: call.Standing,
) -> call.Refuse | call.Answered | CallModel:
    """What to do about a runner's wish to call the model. An open call of this ordinal is the caller's to join."""
    known = state.models.get(ordinal)
    if known is not None and known.reply is not None:
        return call.Answered()
    ended = call.held_back(state, attempt)
    if ended is not None:
        return ended
    if state.pending_gates:
        return call.Refuse(reason="GatePending", message="the run waits for a person")
    if known is not None:
        return call.Refuse(reason="ModelCallOpen", message="this call is in flight", is_transient=True)
    if ordinal != state.ordinal + 1 or state.open_model_call is not None or not state.is_plan_resolved:
        return call.Refuse(reason="Superseded", message=f"the next model call is not number {ordinal}")
    if isinstance(stop, call.Unknowable):
        return call.unknowable(stop)
    if stop is not None and stop.scope != "tool":
        return call.Refuse(reason="Killed", message=f"{stop.scope} is killed: {stop.reason}")
    limits = pinned.strategy.limits
    if state.ordinal >= limits.model_calls:
        return call.Refuse(
            reason="ModelCallsExceeded", message=f"limit of {limits.model_calls} model calls reached"
        )
    if state.step >= limits.steps:
        return call.Refuse(reason="StepsExceeded", message=f"limit of {limits.steps} steps reached")
    if state.tokens >= limits.tokens:
        return call.Refuse(reason="TokensExceeded", message=f"limit of {limits.tokens} tokens reached")
    if estimate_micro_usd is None:
        return call.Refuse(
            reason="PriceUnknown", message=f"the price table does not list {pinned.strategy.model.name}"
        )
    if state.spent_micro_usd + state.reserved_micro_usd + estimate_micro_usd > call.cap_micro_usd(
        state, pinned
    ):
        return call.Refuse(
            reason="BudgetExceeded", message="the run's budget does not cover another model call"
        )
    return CallModel()
