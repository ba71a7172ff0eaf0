"""Which runs does the matrix disturb? Together they write every event, with every outcome that anything here can cause.

A scenario's story drives one run to its end. Undisturbed, its log must show everything in `shows` and end in `ends[0]`;
disturbed, in one of `ends`. `WITHOUT_SOURCE` names what no program writes yet; a test derives the whole list from
`keelstep.events.types` and fails where neither covers it.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from tests.chaos import stories
from tests.chaos.play import STRATEGY, Play
from tests.chaos.stories import Story


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
_BOTH = {f"credit 1.1{number}": 1 for number in (1, 2, 3, 4, 5, 6)}
"""Of a run and its rival."""


ALL: tuple[Scenario, ...] = (
    Scenario(
        name="work",
        story=stories.plain,
        shows=_CLAIMED | _DONE,
        effects={"credit 3.00": 1, "reply once": 1},
    ),
    Scenario(
        name="counted",
        story=stories.plain,
        shows=_CLAIMED | _DONE,
        effects={"credit 5.00": 1},
    ),
    Scenario(
        name="equal",
        story=stories.plain,
        shows=_CLAIMED | _DONE,
        effects={"credit 4.00": 1},
    ),
    Scenario(
        name="failed",
        story=stories.plain,
        shows=_BEGIN | {"tool.called", "tool.result{failed}"} | _DONE,
        effects={},
    ),
    Scenario(
        name="unknown",
        story=stories.unknown,
        shows=_BEGIN | {"tool.called", "tool.result{unknown}", "tool.result{denied}"} | _DONE,
        effects={"reply lost": 1, "reply not again": 1},
        loses_calls=True,
    ),
    Scenario(
        name="approved",
        story=stories.approved,
        shows=_CLAIMED | {"gate.requested", "gate.decided{approved}"} | _DONE,
        effects={"refund 5.00": 1},
    ),
    Scenario(
        name="escalated",
        story=stories.approved,
        shows=_CLAIMED | {"policy.evaluated", "gate.requested", "gate.decided{approved}"} | _DONE,
        effects={"credit 5.50": 1},
    ),
    Scenario(
        name="rejected",
        story=stories.rejected,
        shows=_BEGIN | {"gate.requested", "gate.decided{rejected}", "tool.result{denied}"} | _DONE,
        effects={},
    ),
    Scenario(
        name="expired",
        story=stories.plain,
        shows=_BEGIN | {"gate.requested", "gate.decided{expired}", "tool.result{denied}"} | _DONE,
        effects={},
    ),
    Scenario(
        name="withdrawn",
        story=stories.plain,
        shows=_BEGIN | {"gate.requested", "gate.decided{withdrawn}", "tool.result{denied}"} | _DONE,
        effects={},
    ),
    Scenario(
        name="suspended",
        story=stories.suspended,
        shows=_CLAIMED | {"exec.suspended", "exec.resumed"} | _DONE,
        effects=_HELD,
        holds_calls=True,
    ),
    Scenario(
        name="cancelled",
        story=stories.cancelled,
        shows=_CLAIMED | {"exec.cancelled", "exec.finished{cancelled}"},
        ends=("Cancelled", "Succeeded"),
        effects=_HELD,
        holds_calls=True,
    ),
    Scenario(
        name="overdue",
        story=stories.overdue,
        shows=_BEGIN | {"exec.finished{failed}"},
        ends=("Failed",),
        effects={"credit 3.00": 1, "reply once": 1},
        deadline_seconds=4,
    ),
    Scenario(
        name="found-out",
        story=stories.found_out,
        shows=_CLAIMED | {"tool.result{unknown}", "tool.reconciled{failed}"} | _DONE,
        effects={"credit 2.00": 1},
        loses_calls=True,
    ),
    Scenario(
        name="undone",
        story=stories.undone,
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
        story=stories.overdue_undone,
        shows=_CLAIMED | {"exec.unwinding", "exec.finished{failed}"},
        ends=("Failed",),
        effects={"credit 2.75": 1, "revocation 2.75": 1},
        deadline_seconds=6,
        loses_calls=True,
        holds_calls=True,
    ),
    Scenario(
        name="killed-run",
        story=stories.killed(lambda play: play.kill("executions", "run")),
        shows=_CLAIMED | {"exec.killed{execution}"},
        ends=("Killed", "Succeeded"),
        effects=_HELD,
        holds_calls=True,
    ),
    Scenario(
        name="killed-strategy",
        story=stories.killed(lambda play: play.kill("agentstrategies", STRATEGY)),
        shows=_CLAIMED | {"exec.killed{strategy}"},
        ends=("Killed", "Succeeded"),
        effects=_HELD,
        holds_calls=True,
    ),
    Scenario(
        name="killed-tenant",
        story=stories.killed(Play.kill_tenant),
        shows=_CLAIMED | {"exec.killed{tenant}"},
        ends=("Killed", "Succeeded"),
        effects=_HELD,
        holds_calls=True,
    ),
    Scenario(
        name="killed-tool",
        story=stories.killed(stories.kill_tool),
        shows=_CLAIMED | {"tool.result{denied}"} | _DONE,
        effects=_HELD,
        holds_calls=True,
    ),
    Scenario(
        name="taken-over",
        story=stories.taken_over,
        shows=_CLAIMED | {"tool.retried"} | _DONE,
        effects=_HELD,
        holds_calls=True,
        loses_calls=True,
    ),
    Scenario(
        name="model-lost",
        story=stories.model_lost,
        shows=_CLAIMED | {"model.replied{lost}"} | _DONE,
        effects={"credit 9.00": 1},
    ),
    Scenario(
        name="model-failed",
        story=stories.model_failed,
        shows=_CLAIMED | {"model.replied{failed}"} | _DONE,
        effects={"credit 3.00": 1, "reply once": 1},
    ),
    Scenario(
        name="paced",
        story=stories.paced,
        shows=_CLAIMED | {"tool.called{waited}"} | _DONE,
        effects=_BOTH,
    ),
    Scenario(
        name="capped",
        story=stories.capped,
        shows=_CLAIMED | {"tool.called{waited}"} | _DONE,
        effects=_BOTH,
    ),
    Scenario(
        name="left-alone",
        story=stories.left_alone,
        shows=_CLAIMED | {"tool.result{failed}", "tool.result{BreakerOpen}"} | _DONE,
        effects={f"credit 1.2{number}": 1 for number in (1, 2, 3, 4)},
    ),
    Scenario(
        name="spent",
        story=stories.spent,
        shows=_BEGIN | {"tool.result{TenantBudgetExceeded}"} | _DONE,
        ends=("Succeeded", "Failed"),
        effects={f"credit 1.3{number}": 1 for number in (1, 2, 3)},
    ),
    Scenario(
        name="drifted",
        story=stories.drifted,
        shows=_BEGIN | {"tool.result{Drifted}"} | _DONE,
        effects={},
    ),
    Scenario(
        name="discarded",
        story=stories.discarded,
        shows=_BEGIN | {"exec.finished{failed}", "feedback.given{bad}"},
        ends=("Failed",),
        effects={},
    ),
)

WITHOUT_SOURCE: Mapping[str, str] = {
    "feedback.given{good}": "a discard is a bad one; nobody can give another yet",
}
"""What the log may hold and no program writes, and why."""


def named(name: str) -> Scenario:
    """The scenario of this name."""
    return next(each for each in ALL if each.name == name)
