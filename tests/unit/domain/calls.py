"""Runs of the small agent, and what a gateway says to a wish for one of their calls."""

from typing import Any

from keelstep.domain import call, revision
from keelstep.domain.state import Place
from keelstep.testing import builders
from keelstep.testing.builders import LogBuilder
from tests.unit.domain import pinned

Standing = call.Standing
KILLED = {scope: call.Stop(scope=scope, reason="fraud") for scope in ("tenant", "strategy", "execution")}
TOOL_KILLED = call.Stop(scope="tool", reason="fraud")
NOBODY_KNOWS = call.Unknowable(reason="ControlUnavailable", message="not connected")
ARGS = {"n": 1}


def run(**started: Any) -> LogBuilder:
    """A run of the small agent, its first attempt begun."""
    return builders.log().started(contracts=pinned.pins(), **started).attempt()


def planned(*tools: str, args: object = None, **started: Any) -> LogBuilder:
    """The model wants these calls."""
    return run(**started).model().plan(*tools, args=ARGS if args is None else args)


def verdict(
    log: LogBuilder,
    *,
    index: int = 0,
    attempt: int | None = None,
    place: Place | None = None,
    args: dict[str, Any] | None = None,
    problem: str = "",
    stop: Standing = None,
    now: int | None = None,
    pins: revision.Pinned | None = None,
) -> call.Verdict:
    """What the gateway says to a wish for a call of the latest plan."""
    plan_seq = log.state.plan.seq if log.state.plan is not None else 0
    return call.decide_tool(
        call.Question(
            state=log.state,
            pinned=pins or pinned.pinned(),
            attempt=log.state.attempt if attempt is None else attempt,
            place=place or (plan_seq, index),
            args=ARGS if args is None else args,
            args_problem=problem,
            stop=stop,
            now=log.now if now is None else now,
        )
    )


def approved(**decision: Any) -> LogBuilder:
    """An irreversible call with a person's answer."""
    return planned("refund.issue").gate().decided(**decision)
