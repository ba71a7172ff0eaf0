"""What is the result of a planned call of a builtin? Decided as a gateway decides, evaluated here.

A pure function needs no claim: should this process die before its result is stored, the next attempt finds the call
without one, and evaluates it to the same answer.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from keelstep import errors
from keelstep.domain import call
from keelstep.domain.builtins import evaluation
from keelstep.domain.outcome import Judged
from keelstep.domain.reasons import classes
from keelstep.domain.revision import Pinned
from keelstep.domain.state import Place, State
from keelstep.events import types
from keelstep.events.value import Value
from keelstep.kinds.transport import Builtin

Verdict = call.Perform | call.Deny


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One planned call, with everything but the state that its verdict rests on."""

    pinned: Pinned
    attempt: int
    place: Place
    args: Mapping[str, Any]
    args_problem: str
    now: int
    """The broker's time of the last event read back, nanoseconds since 1970: no clock of ours decides."""

    def decide(self, state: State) -> Verdict | None:
        """What to do in this state; None where the call is done.

        Raises:
            errors.FencedError: it is not for this attempt to make.
        """
        verdict = call.decide_tool(
            call.Question(
                state=state,
                pinned=self.pinned,
                attempt=self.attempt,
                place=self.place,
                args=self.args,
                args_problem=self.args_problem,
                stop=None,  # what is stopped reaches a runner through its log, whose fence then refuses the append
                now=self.now,
                asks_runner=True,
            )
        )
        match verdict:
            case call.Perform() | call.Deny():
                return verdict
            case call.Answered():
                return None
            case call.Refuse():
                raise errors.FencedError(verdict.reason)
            case call.Join() | call.AskGate() | call.Replay():
                raise AssertionError(f"no builtin is claimed, gated or repeated: {type(verdict).__name__}")

    def still(self, verdict: Verdict, decided: State) -> Callable[[State], bool]:
        """Is the verdict of one state the same in another?"""
        return lambda state: state is decided or type(self.decide(state)) is type(verdict)

    def reads(self, verdict: Verdict) -> int | None:
        """The number of the earlier result whose output the function reads; None where it reads none."""
        if isinstance(verdict, call.Deny):
            return None
        return evaluation.result_read(_function(verdict), self.args)

    def judge(self, verdict: Verdict, document: bytes | None) -> Judged | None:
        """What the function says, given the output that it reads; None where it may not be asked."""
        if isinstance(verdict, call.Deny):
            return None
        return evaluation.evaluate(_function(verdict), verdict.spec, self.args, document)

    def result(
        self,
        state: State,
        verdict: Verdict,
        judged: Judged | None,
        output: Value | None,
        shown: types.Shown | None,
    ) -> types.ToolResult:
        """The event's data."""
        planned = state.step_at(self.place)
        assert planned is not None
        pin = state.pins[planned.tool]
        if isinstance(verdict, call.Deny):
            error: types.Error | None = types.Error(
                reason=verdict.reason, message=verdict.message[:300], error_class=classes.DENIED
            )
        else:
            error = judged.error if judged is not None else None
        return types.ToolResult(
            plan_seq=self.place[0],
            index=self.place[1],
            tool=planned.tool,
            status="denied" if judged is None else judged.status,
            output=output,
            shown=shown,
            error=error,
            attempts=0 if judged is None else 1,
            contract_digest=pin.digest,
            tier=pin.tier,
        )


def _function(verdict: call.Perform) -> Builtin:
    builtin = verdict.spec.transport.builtin
    if builtin is None:
        raise errors.Stalled("RevisionInvalid", f"{verdict.planned.tool} is pinned as the builtin it is not")
    return builtin
