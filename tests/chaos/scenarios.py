"""Which runs does the matrix disturb? Together they write every event, with every outcome that anything here can cause.

A scenario's story drives one run to its end. Undisturbed, its log must show everything in `shows` and end in `ends[0]`;
disturbed, in one of `ends`. `WITHOUT_SOURCE` names what no program writes yet; a test derives the whole list from
`keelstep.events.types` and fails where neither covers it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from tests.chaos.play import STRATEGY, Play

Story = Callable[[Play], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One kind of run."""

    name: str
    story: Story
    shows: frozenset[str]
    """Events as `type` or `type{word}`, where the word is a status, verdict, outcome or scope."""
    ends: tuple[str, ...] = ("Succeeded",)
    effects: Mapping[str, int]
    """How often each of the shop's bookings, as `kind amount-or-message`, may stand in its books."""
    deadline_seconds: int = 600
    loses_calls: bool = False
    """The story itself disturbs a call: its outcome may be unknown."""
    holds_calls: bool = False
    """The shop answers when the story says so: where a fault delays the story, that may be too late for the call."""


def _plain(play: Play) -> None:
    play.ask()
    play.until_over()


def _approved(play: Play) -> None:
    play.ask()
    play.answer("Approved")
    play.until_over()


def _rejected(play: Play) -> None:
    play.ask()
    play.answer("Rejected")
    play.until_over()


def _unknown(play: Play) -> None:
    play.misbehave("/tickets", "cut-after-commit")
    play.ask()
    play.until_over()


def _overdue(play: Play) -> None:
    play.misbehave("/orders", "hold")
    play.ask()
    play.until_over()
    play.release()


def _found_out(play: Play) -> None:
    """The shop answers 500 and books nothing; nobody can tell until its books can be read."""
    play.misbehave("/credits", "fail", status=500)
    play.misbehave("/orders/1042/credits", "fail", status=500)
    play.ask()
    play.until_over()


def _undone(play: Play) -> None:
    """It books and does not answer; its books can be read only once the run has failed."""
    play.misbehave("/credits", "cut-after-commit")
    play.misbehave("/orders/1042/credits", "fail", status=500)
    play.ask()
    play.until_over()


def _overdue_undone(play: Play) -> None:
    play.misbehave("/orders/1071", "hold")
    play.ask()
    play.until_over()
    play.release()


def _suspended(play: Play) -> None:
    play.misbehave("/credits", "hold")
    play.ask()
    play.until_held()
    play.wish(suspend=True)
    play.until_phase("Suspended")
    play.release()
    play.wish(suspend=False)
    play.until_over()


def _cancelled(play: Play) -> None:
    play.misbehave("/credits", "hold")
    play.ask()
    play.until_held()
    play.wish(cancel=True)
    play.until_phase("Unwinding")
    play.release()
    play.until_over()


def _killed(kill: Story) -> Story:
    def story(play: Play) -> None:
        play.misbehave("/credits", "hold")
        play.ask()
        play.until_held()
        kill(play)
        play.release()
        play.until_over()

    return story


def _taken_over(play: Play) -> None:
    """Whoever made the call that is held dies, and nobody that the shop still answers is left."""
    play.misbehave("/credits", "hold")
    play.ask()
    if play.until_held():
        play.stage.kill(owner(play))
    play.until_over()
    play.release()


def _model_lost(play: Play) -> None:
    """The gateway that waits for the model dies."""
    board = play.stage.board

    def die(visit: object) -> str:
        return "kill"

    board.arm("gateway.before.model", 1, die)
    play.ask()
    play.until_over()


def _model_failed(play: Play) -> None:
    """The model cannot be reached for a while."""
    link = play.stage.links["gateway-model"]
    link.is_refusing = True
    try:
        play.ask()
        play.until(
            "a model call to fail",
            lambda: play.is_over or visits(play, "gateway.after.model.replied") >= 1,
        )
    finally:
        link.is_refusing = False
    play.until_over()


def visits(play: Play, point: str) -> int:
    """How often a point was passed so far."""
    return sum(visit.point == point for visit in play.stage.board.record.visits)


def owner(play: Play) -> str:
    """The gateway that sent last."""
    sent = [visit.name for visit in play.stage.board.record.visits if visit.point == "gateway.before.send"]
    return sent[-1] if sent else "gateway-1"


_BEGIN = frozenset(
    {
        "exec.started",
        "exec.attempt",
        "model.called",
        "model.replied{ok}",
        "plan.proposed",
    }
)
_CLAIMED = _BEGIN | {"tool.called", "tool.result{ok}"}
_DONE = frozenset({"exec.finished{succeeded}"})
_HELD = {"credit 7.00": 1, "credit 8.00": 1}


def _kill_tool(play: Play) -> None:
    play.kill("toolcontracts", "credit")


ALL: tuple[Scenario, ...] = (
    Scenario(
        name="work",
        story=_plain,
        shows=_CLAIMED | _DONE,
        effects={"credit 3.00": 1, "reply once": 1},
    ),
    Scenario(
        name="counted",
        story=_plain,
        shows=_CLAIMED | _DONE,
        effects={"credit 5.00": 1},
    ),
    Scenario(
        name="equal",
        story=_plain,
        shows=_CLAIMED | _DONE,
        effects={"credit 4.00": 1},
    ),
    Scenario(
        name="failed",
        story=_plain,
        shows=_BEGIN | {"tool.called", "tool.result{failed}"} | _DONE,
        effects={},
    ),
    Scenario(
        name="unknown",
        story=_unknown,
        shows=_BEGIN | {"tool.called", "tool.result{unknown}", "tool.result{denied}"} | _DONE,
        effects={"reply lost": 1, "reply not again": 1},
        loses_calls=True,
    ),
    Scenario(
        name="approved",
        story=_approved,
        shows=_CLAIMED | {"gate.requested", "gate.decided{approved}"} | _DONE,
        effects={"refund 5.00": 1},
    ),
    Scenario(
        name="escalated",
        story=_approved,
        shows=_CLAIMED | {"policy.evaluated", "gate.requested", "gate.decided{approved}"} | _DONE,
        effects={"credit 5.50": 1},
    ),
    Scenario(
        name="rejected",
        story=_rejected,
        shows=_BEGIN | {"gate.requested", "gate.decided{rejected}", "tool.result{denied}"} | _DONE,
        effects={},
    ),
    Scenario(
        name="expired",
        story=_plain,
        shows=_BEGIN | {"gate.requested", "gate.decided{expired}", "tool.result{denied}"} | _DONE,
        effects={},
    ),
    Scenario(
        name="withdrawn",
        story=_plain,
        shows=_BEGIN | {"gate.requested", "gate.decided{withdrawn}", "tool.result{denied}"} | _DONE,
        effects={},
    ),
    Scenario(
        name="suspended",
        story=_suspended,
        shows=_CLAIMED | {"exec.suspended", "exec.resumed"} | _DONE,
        effects=_HELD,
        holds_calls=True,
    ),
    Scenario(
        name="cancelled",
        story=_cancelled,
        shows=_CLAIMED | {"exec.cancelled", "exec.finished{cancelled}"},
        ends=("Cancelled", "Succeeded"),
        effects=_HELD,
        holds_calls=True,
    ),
    Scenario(
        name="overdue",
        story=_overdue,
        shows=_BEGIN | {"exec.finished{failed}"},
        ends=("Failed",),
        effects={"credit 3.00": 1, "reply once": 1},
        deadline_seconds=4,
    ),
    Scenario(
        name="found-out",
        story=_found_out,
        shows=_CLAIMED | {"tool.result{unknown}", "tool.reconciled{failed}"} | _DONE,
        effects={"credit 2.00": 1},
        loses_calls=True,
    ),
    Scenario(
        name="undone",
        story=_undone,
        shows=_BEGIN
        | {
            "tool.called",
            "tool.result{unknown}",
            "tool.result{failed}",
            "exec.unwinding",
            "tool.reconciled{ok}",
        }
        | {"tool.result{ok}", "exec.finished{failed}"},
        ends=("Failed",),
        effects={"credit 2.50": 1, "revocation 2.50": 1},
        loses_calls=True,
    ),
    Scenario(
        name="overdue-undone",
        story=_overdue_undone,
        shows=_CLAIMED | {"exec.unwinding", "exec.finished{failed}"},
        ends=("Failed",),
        effects={"credit 2.75": 1, "revocation 2.75": 1},
        deadline_seconds=6,
        loses_calls=True,
        holds_calls=True,
    ),
    Scenario(
        name="killed-run",
        story=_killed(lambda play: play.kill("executions", "run")),
        shows=_CLAIMED | {"exec.killed{execution}"},
        ends=("Killed", "Succeeded"),
        effects=_HELD,
        holds_calls=True,
    ),
    Scenario(
        name="killed-strategy",
        story=_killed(lambda play: play.kill("agentstrategies", STRATEGY)),
        shows=_CLAIMED | {"exec.killed{strategy}"},
        ends=("Killed", "Succeeded"),
        effects=_HELD,
        holds_calls=True,
    ),
    Scenario(
        name="killed-tenant",
        story=_killed(Play.kill_tenant),
        shows=_CLAIMED | {"exec.killed{tenant}"},
        ends=("Killed", "Succeeded"),
        effects=_HELD,
        holds_calls=True,
    ),
    Scenario(
        name="killed-tool",
        story=_killed(_kill_tool),
        shows=_CLAIMED | {"tool.result{denied}"} | _DONE,
        effects=_HELD,
        holds_calls=True,
    ),
    Scenario(
        name="taken-over",
        story=_taken_over,
        shows=_CLAIMED | {"tool.retried"} | _DONE,
        effects=_HELD,
        holds_calls=True,
        loses_calls=True,
    ),
    Scenario(
        name="model-lost",
        story=_model_lost,
        shows=_CLAIMED | {"model.replied{lost}"} | _DONE,
        effects={"credit 9.00": 1},
    ),
    Scenario(
        name="model-failed",
        story=_model_failed,
        shows=_CLAIMED | {"model.replied{failed}"} | _DONE,
        effects={"credit 3.00": 1, "reply once": 1},
    ),
)

WITHOUT_SOURCE: Mapping[str, str] = {
    "feedback.given{good}": "nobody can give feedback yet",
    "feedback.given{bad}": "nobody can give feedback yet",
}
"""What the log may hold and no program writes, and why."""


def named(name: str) -> Scenario:
    """The scenario of this name."""
    return next(each for each in ALL if each.name == name)
