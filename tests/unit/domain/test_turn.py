"""What a runner does next, in every situation (DESIGN §5, an agent's turn)."""

import msgspec
import pytest

from keelstep.domain import turn
from keelstep.testing.builders import LogBuilder
from tests.unit.domain import pinned, turns


def finish(action: turn.Action) -> tuple[str, str]:
    """Outcome and reason of the end."""
    assert isinstance(action, turn.Finish)
    return action.finished.outcome, action.finished.reason


def asks(action: turn.Action, ordinal: int, failures: int = 0) -> bool:
    """Does it ask for this model call?"""
    return isinstance(action, turn.AskModel) and (action.ordinal, action.failures) == (ordinal, failures)


def failed(log: LogBuilder, reason: str = "Down", error_class: str = "Unavailable") -> LogBuilder:
    """The next model call fails."""
    return log.model_called().model_replied(
        status="failed", response=None, error=turns.error(reason, error_class)
    )


def test_a_fresh_run_asks_the_model() -> None:
    """For its first call."""
    assert asks(turns.decide(turns.run()), 1)


def test_an_open_model_call_is_asked_for_again() -> None:
    """The gateway answers it once; a new attempt asks for the same ordinal."""
    assert asks(turns.decide(turns.run().model_called()), 1)
    assert asks(turns.decide(turns.run().model_called().attempt()), 1)


def test_a_reply_with_calls_is_proposed_as_a_plan() -> None:
    """With what the runner thinks of each call's tier; the gateway decides."""
    action = turns.decide(turns.run().model(turns.calls("orders.get", "refund.issue", content="because")))
    assert isinstance(action, turn.Propose)
    assert [call.tool for call in action.calls] == ["orders.get", "refund.issue"]
    assert (action.ordinal, action.summary) == (1, "because")
    assert action.policy_checks == ["orders.get:tier0:free", "refund.issue:tier3:gate"]


def test_a_plans_calls_are_asked_for_in_order() -> None:
    """One after the other, each once its predecessor has a result."""
    log = turns.planned("orders.get", "credit.grant")
    assert turns.decide(log) == turn.AskTool(plan_seq=5, index=0)
    assert turns.decide(log.result(0)) == turn.AskTool(plan_seq=5, index=1)
    assert turns.decide(log.claim(1)) == turn.AskTool(plan_seq=5, index=1)
    assert asks(turns.decide(log.result(1)), 2)


def test_a_call_that_needs_a_person_asks_for_it_and_for_the_rest_of_the_plan() -> None:
    """All the plan's questions at once; calls before the first of them run free."""
    log = turns.planned("orders.get", "refund.issue", "credit.grant", "letter.send")
    assert turns.decide(log) == turn.AskTool(plan_seq=5, index=0)
    action = turns.decide(log.result(0))
    assert action == turn.AskGates(
        questions=[turn.Question(plan_seq=5, index=1, tier=3), turn.Question(plan_seq=5, index=3, tier=3)]
    )


def test_a_later_attempt_asks_the_questions_that_are_missing() -> None:
    """An attempt that died between two questions is completed by the next one's fold."""
    log = turns.planned("refund.issue", "letter.send").gate(0)
    assert turns.decide(log) == turn.AskGates(questions=[turn.Question(plan_seq=5, index=1, tier=3)])


def test_a_run_with_open_questions_parks() -> None:
    """No pod waits for a person."""
    log = turns.planned("refund.issue", "letter.send").gate(0).gate(1)
    assert turns.decide(log) == turn.Stop(reason="Parked")
    assert turns.decide(log.decided("approved", 0)) == turn.Stop(reason="Parked")


@pytest.mark.parametrize("verdict", ["approved", "rejected", "expired", "withdrawn"])
def test_an_answered_question_is_taken_to_the_gateway_whatever_the_answer(verdict: str) -> None:
    """It performs the call, or records why not."""
    log = turns.planned("refund.issue").gate().decided(verdict).attempt()
    assert turns.decide(log) == turn.AskTool(plan_seq=5, index=0)


def test_a_question_that_only_the_gateway_wanted_parks_too() -> None:
    """The gateway may ask for a gate where the runner would not have."""
    log = turns.planned("credit.grant").gate(0, tier=1)
    assert turns.decide(log) == turn.Stop(reason="Parked")
    assert turns.decide(log.decided().attempt()) == turn.AskTool(plan_seq=5, index=0)


def test_a_tool_that_is_not_pinned_is_left_to_the_gateway_to_deny() -> None:
    """No person is asked about what is not allowed anyway."""
    log = turns.run().model(turns.calls("orders.get")).plan("shop.burn")
    assert turns.decide(log) == turn.AskTool(plan_seq=5, index=0)


@pytest.mark.parametrize("free", [0, 1, 2, 3])
def test_tier_3_asks_whatever_the_strategy_may_do_alone(free: int) -> None:
    """Below, what exceeds the strategy's own tier asks (DESIGN §6)."""
    for tool, tier in (("credit.grant", 1), ("ticket.reply", 2), ("refund.issue", 3)):
        action = turns.decide(turns.planned(tool), autonomy={"maxTier": free})
        assert isinstance(action, turn.AskGates) == (tier > free or tier == 3)


def test_a_call_with_rules_is_asked_of_the_gateway_before_a_person_is() -> None:
    """Nobody is asked about what a rule denies; once the rules have spoken, their answer is in the log."""
    ruled = turns.planned("refund.issue")
    changed = pinned.with_policy("refund.issue", {"name": "a", "when": "true", "effect": "Allow"})
    assert turn.decide(ruled.state, changed, {}, 1) == turn.AskTool(plan_seq=5, index=0)
    asks = turn.AskGates(questions=[turn.Question(plan_seq=5, index=0, tier=3)])
    assert turn.decide(ruled.ruled("allow").state, changed, {}, 1) == asks
    log = turns.run(policy="e" * 64).model().plan("refund.issue")
    assert turns.decide(log) == turn.AskTool(plan_seq=5, index=0)


def test_a_rule_that_asks_for_a_person_is_asked_on_by_the_next_attempt() -> None:
    """Whatever the tier: the attempt that was told may have died before it asked."""
    log = turns.planned("orders.get").ruled("escalate").attempt()
    assert turns.decide(log) == turn.AskGates(questions=[turn.Question(plan_seq=5, index=0, tier=3)])


# the end


def test_a_final_reply_ends_the_run() -> None:
    """With its output, and what it took."""
    log = turns.planned("orders.get").result().model(turns.FINAL)
    action = turns.decide(log)
    assert finish(action) == ("succeeded", "Completed")
    assert isinstance(action, turn.Finish)
    assert action.output == b'{"text":"All done."}'
    assert (action.finished.steps_n, action.finished.tokens, action.finished.micro_usd) == (3, 30, 100)


def criteria(*expressions: str) -> list[dict[str, str]]:
    """Criteria named by their number."""
    return [{"name": f"c{index}", "expression": text} for index, text in enumerate(expressions)]


@pytest.mark.parametrize(
    "expression",
    [
        "output.text == 'All done.'", "trace.tools['orders.get'] == 1", "trace.tools['refund.issue'] == 0",
        "trace.modelCalls == 2 && trace.toolCalls == 1 && trace.steps == 3 && trace.tokens == 30",
    ],
)  # fmt: skip
def test_criteria_look_at_the_output_and_the_trace(expression: str) -> None:
    """Each of the fields that the strategy's documentation names."""
    log = turns.planned("orders.get").result().model(turns.FINAL)
    assert finish(turns.decide(log, successCriteria=criteria(expression))) == ("succeeded", "Completed")


@pytest.mark.parametrize(
    "expression", ["output.text == ''", "output.missing == 1", "output.text", "nothing(", "other == 1"]
)
def test_a_criterion_that_does_not_hold_or_cannot_be_evaluated_fails_the_run(expression: str) -> None:
    """Fail closed, and say which one; the others are told too."""
    action = turns.decide(turns.run().model(turns.FINAL), successCriteria=criteria("true", expression))
    assert finish(action) == ("failed", "CriteriaNotMet")
    assert isinstance(action, turn.Finish)
    assert [each.holds for each in action.finished.criteria] == [True, False]
    assert action.finished.message.startswith("not met: c1")
    is_wrong = bool(action.finished.criteria[1].error)
    assert ("(cannot be evaluated: " in action.finished.message) == is_wrong
    assert action.output is not None


def test_a_malformed_reply_goes_back_to_the_model_at_most_twice() -> None:
    """The third in a row ends the run, with what was wrong."""
    log = turns.run().model(turns.NONSENSE)
    assert asks(turns.decide(log), 2)
    assert asks(turns.decide(log.model(turns.NONSENSE)), 3)
    action = turns.decide(log.model(turns.NONSENSE))
    assert finish(action) == ("failed", "ModelMalformed")
    assert isinstance(action, turn.Finish)
    assert "UnknownTool" in action.finished.message


def test_a_good_reply_after_two_malformed_ones_is_a_good_reply() -> None:
    """And wipes the slate: two more corrections may follow."""
    log = turns.run().model(turns.NONSENSE).model(turns.NONSENSE).model(turns.calls("orders.get"))
    assert isinstance(turns.decide(log), turn.Propose)
    log.plan("orders.get", args={"n": 1}).result().model(turns.NONSENSE).model(turns.NONSENSE)
    assert asks(turns.decide(log), 6)


def test_a_failed_model_call_between_malformed_replies_does_not_wipe_the_slate() -> None:
    """It says nothing about the model's manners."""
    log = failed(turns.run().model(turns.NONSENSE).model(turns.NONSENSE)).model(turns.NONSENSE)
    assert finish(turns.decide(log)) == ("failed", "ModelMalformed")


def test_model_calls_that_fail_are_tried_again_and_three_in_a_row_end_the_run() -> None:
    """Each under an ordinal of its own, with a longer wait before it."""
    log = failed(turns.run())
    assert asks(turns.decide(log), 2, failures=1)
    assert asks(turns.decide(failed(log)), 3, failures=2)
    assert finish(turns.decide(failed(log))) == ("failed", "ModelUnavailable")


def test_a_lost_model_call_counts_as_a_failed_one() -> None:
    """Its gateway died; nobody knows what the model said."""
    log = turns.run().model_called().model_replied(status="lost", response=None)
    assert asks(turns.decide(log), 2, failures=1)


@pytest.mark.parametrize("error_class", ["Refused", "Invalid"])
def test_a_model_that_refuses_is_not_asked_again(error_class: str) -> None:
    """Trying again would change nothing; the provider's reason is the run's."""
    assert finish(turns.decide(failed(turns.run(), "KeyInvalid", error_class))) == ("failed", "KeyInvalid")


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        ({"modelCalls": 1}, "ModelCallsExceeded"),
        ({"steps": 1}, "StepsExceeded"),
        ({"tokens": 15}, "TokensExceeded"),
    ],
)
def test_a_limit_that_is_reached_ends_the_run_with_its_name(limits: dict[str, int], reason: str) -> None:
    """Before the model is asked once more."""
    log = turns.run().model(turns.NONSENSE)
    assert finish(turns.decide(log, limits=limits)) == ("failed", reason)


def test_a_model_that_wishes_calls_beyond_the_limit_ends_the_run() -> None:
    """What it says is heard: a final reply after the last call allowed is a good end; another wish is not."""
    log = turns.planned("orders.get").result()
    assert finish(turns.decide(log.model(turns.calls("orders.get")), limits={"toolCalls": 1})) == (
        "failed",
        "ToolCallsExceeded",
    )
    assert isinstance(turns.decide(log, limits={"toolCalls": 2}), turn.Propose)


def test_a_limit_does_not_cut_off_what_the_model_already_said() -> None:
    """The last reply allowed may still be the final one."""
    said = turns.planned("orders.get").result().model(turns.FINAL)
    assert finish(turns.decide(said, limits={"toolCalls": 1}))[0] == "succeeded"
    assert finish(turns.decide(turns.run().model(turns.FINAL), limits={"modelCalls": 1}))[0] == "succeeded"
    assert asks(turns.decide(turns.run().model_called(), limits={"modelCalls": 1}), 1)


def test_a_prompt_that_cannot_be_rendered_ends_the_run() -> None:
    """With the reason why, before anything is paid for."""
    action = turns.decide(turns.run(), prompt={"template": "{{ goal.name }}"})
    assert finish(action) == ("failed", "PromptInvalid")


def test_an_end_fits_into_an_event_whatever_went_wrong() -> None:
    """A message is cut, so that the run can end at all."""
    bad = {"tool_calls": [{"function": {"name": "x" * 100_000, "arguments": "y" * 100_000}}]}
    action = turns.decide(turns.run().model(bad).model(bad).model(bad))
    assert isinstance(action, turn.Finish)
    assert len(msgspec.json.encode(action.finished)) < 2_000


# stopping


@pytest.mark.parametrize(
    ("story", "reason"),
    [
        (lambda: turns.run().suspended(), "Suspended"),
        (lambda: turns.run().cancelled(), "Cancelled"),
        (lambda: turns.run().killed(), "RunEnded"),
        (lambda: turns.run().model().finished(), "RunEnded"),
        (lambda: turns.planned("refund.issue").suspended(), "Suspended"),
    ],
)
def test_an_attempt_that_may_not_go_on_stops(story: object, reason: str) -> None:
    """Exit 0: somebody else has decided, and the log says who."""
    assert callable(story)
    assert turns.decide(story()) == turn.Stop(reason=reason)


def test_a_replaced_attempt_stops_wherever_it_is() -> None:
    """An older one, and one that the log does not know yet."""
    log = turns.run().attempt()
    assert turns.decide(log, attempt=1) == turn.Stop(reason="Superseded")
    assert turns.decide(log, attempt=3) == turn.Stop(reason="Superseded")


@pytest.mark.parametrize(
    "reason", ["Suspended", "Superseded", "Killed", "GatePending", "Cancelled", "RunEnded", "Undecidable"]
)
def test_a_refusal_that_speaks_of_the_runs_standing_ends_the_attempt_only(reason: str) -> None:
    """A run that was suspended and resumed while its gateway answered must not end as failed, `Suspended`."""
    log = turns.run()
    assert turn.after_refusal(log.state, 1, reason, "x") == turn.Stop(reason=reason)


@pytest.mark.parametrize("reason", ["BudgetExceeded", "PriceUnknown", "StepsExceeded", "RequestTooLarge"])
def test_a_refusal_of_the_call_itself_ends_the_run(reason: str) -> None:
    """With the gateway's reason and words, unless the run is not this attempt's to end any more."""
    log = turns.run()
    assert finish(turn.after_refusal(log.state, 1, reason, "x")) == ("failed", reason)
    assert turn.after_refusal(log.suspended().state, 1, reason, "x") == turn.Stop(reason="Suspended")
