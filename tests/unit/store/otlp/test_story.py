"""Do a run's spans say what its log says, each once, whoever tells it and however often?"""

import pytest

from keelstep.events import clock, envelope, types
from keelstep.store.otlp import names, wire
from keelstep.store.otlp.span import Kind
from keelstep.store.otlp.story import Story, trace_id
from keelstep.testing import builders
from tests.integration.store import samples
from tests.unit.domain import stories
from tests.unit.store.otlp import told

TRACE = "5e1f" * 8
LOGS = {file.stem: told.kept_in(file) for file in told.CORPUS} | {
    f"life {seed}": told.lived(seed) for seed in range(12)
}
OVER = [name for name, events in LOGS.items() if told.at_the_end(events).is_over]
BEGINNINGS = {"exec.started", "exec.attempt", "model.called", "gate.requested", "feedback.given"}
"""Events that begin a span; a call begins one by its claim, or by its result where it has none."""


def test_a_run_is_one_trace_of_its_own_trace_id_under_one_root() -> None:
    """Attempts, approvals and verdicts are the run's children; calls are their attempt's."""
    found = told.named(samples.refund(TRACE))
    assert list(found) == [
        "chat scripted",
        "execute_tool orders.get",
        "execute_tool math.add",
        "chat scripted #2",
        "execute_tool credit.grant",
        "chat scripted #3",
        "wait_for_approval refund.issue",
        "attempt 1",
        "execute_tool refund.issue",
        "chat scripted #4",
        "attempt 2",
        "invoke_agent support",
        "feedback",
    ]
    assert {span.trace_id.hex() for span in found.values()} == {TRACE}
    root = found["invoke_agent support"]
    assert root.parent_id == b""
    for name in ("attempt 1", "attempt 2", "wait_for_approval refund.issue", "feedback"):
        assert found[name].parent_id == root.span_id
    for name in ("chat scripted", "execute_tool orders.get", "execute_tool math.add", "chat scripted #3"):
        assert found[name].parent_id == found["attempt 1"].span_id
    for name in ("execute_tool refund.issue", "chat scripted #4"):
        assert found[name].parent_id == found["attempt 2"].span_id


@pytest.mark.parametrize("name", LOGS)
def test_every_span_has_an_id_of_its_own_and_a_parent_in_its_trace(name: str) -> None:
    """No span hangs in the air, whatever happened to the run."""
    found = told.spans(LOGS[name])
    ids = {span.span_id for span in found}
    assert len(ids) == len(found)
    over = any(not span.parent_id for span in found)
    assert not over or all(span.parent_id in ids for span in found if span.parent_id)
    assert all(span.begun <= span.ended for span in found)


@pytest.mark.parametrize("name", OVER)
def test_every_beginning_in_the_log_of_an_ended_run_is_one_span(name: str) -> None:
    """Nothing is sampled away: calls, attempts, questions and the run itself."""
    events = [event for event, _ in LOGS[name]]
    calls = [event.data.claim_seq for event in events if isinstance(event.data, types.ToolResult)]
    begun = sum(event.type in BEGINNINGS for event in events) + len(calls)
    assert len(told.spans(LOGS[name])) == begun


@pytest.mark.parametrize("name", LOGS)
def test_a_story_told_again_from_any_event_on_makes_the_same_spans(name: str) -> None:
    """Who goes on after a crash reads what came before and sends what comes after, byte for byte the same."""
    events = LOGS[name]
    whole = told.spans(events)
    for cut in range(0, len(events), 3):
        again = Story(events[0][0].execution)
        sent = told.spans(events[:cut], again)
        assert wire.encode([*sent, *told.spans(events[cut:], again)]) == wire.encode(whole)
        restored = Story(events[0][0].execution)
        told.spans(events[:cut], restored)
        assert wire.encode(told.spans(events[cut:], restored)) == wire.encode(whole[len(sent) :])


def test_a_model_call_says_its_tokens_its_cost_and_who_answered() -> None:
    """In the words of OpenTelemetry's conventions; only money is ours."""
    run = builders.log().started().attempt().model_called(model="openai/gpt-4o").model_replied(
        model="azure/gpt-4o-mini",
        cost=envelope.Cost(tokens_in=900, tokens_out=80, micro_usd=1_500),
        routing=[
            types.Route(model="openai/gpt-4o", latency_ms=10, error="RateLimited"),
            types.Route(model="azure/gpt-4o-mini", latency_ms=20),
        ],
        latency_ms=30,
    )  # fmt: skip
    span = told.named(run)["chat gpt-4o"]
    assert span.kind is Kind.CLIENT
    said = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-4o",
        "gen_ai.response.model": "gpt-4o-mini",
        "gen_ai.usage.input_tokens": 900,
        "gen_ai.usage.output_tokens": 80,
        "keelstep.cost_usd": 0.0015,
        "keelstep.outcome": "ok",
    }
    assert said.items() <= span.attributes.items()
    (note,) = span.notes
    assert (note.name, note.attributes["error.type"]) == ("fallback", "RateLimited")
    assert span.ended - span.begun == clock.SECOND  # the broker's time, not what was said to have taken


def test_a_tool_call_says_what_it_was_under_which_terms() -> None:
    """Name, the model's own id of the call, tier, key, and the approval that allowed it."""
    run = samples.refund(TRACE)
    found = told.named(run)
    span = found["execute_tool refund.issue"]
    approval = next(event.seq for event in run.events if event.type == "gate.decided")
    said = {
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": "refund.issue",
        "gen_ai.tool.call.id": "call-0",
        "keelstep.approval_seq": approval,
        "keelstep.tier": 3,
        "keelstep.contract.digest": builders.PINS["refund.issue"].digest,
        "keelstep.latency_ms": 250,
        "keelstep.performances": 1,
    }
    assert said.items() <= span.attributes.items()


def test_a_call_that_was_taken_over_is_one_span_with_a_note() -> None:
    """The same claim, the same key, another owner."""
    span = told.named(samples.refund(TRACE))["execute_tool credit.grant"]
    (note,) = span.notes
    assert note.name == "tool.retried"
    assert note.attributes == {"keelstep.reason": "OwnerSilent", "keelstep.performance": 2}


def test_a_call_without_a_claim_took_as_long_as_its_result_says() -> None:
    """Nothing was stored when it began."""
    run = builders.log().started().attempt().model().plan("orders.get").later(5).result(latency_ms=2_500)
    span = told.named(run)["execute_tool orders.get"]
    assert span.ended - span.begun == 2_500_000_000


def test_a_question_lasts_until_its_answer_or_until_the_run_is_over() -> None:
    """The time a person took is one span, apart from the attempts around it."""
    asked = builders.log().started().attempt().model().plan("refund.issue").gate().later(600)
    answered = told.named(samples.refund(TRACE))["wait_for_approval refund.issue"]
    assert answered.attributes["keelstep.verdict"] == "approved"
    assert answered.attributes["keelstep.tier"] == 3
    left = told.named(asked.killed())["wait_for_approval refund.issue"]
    assert left.ended - left.begun > 600 * clock.SECOND
    assert "keelstep.verdict" not in left.attributes


def test_an_attempt_ends_with_the_last_that_was_done_in_it() -> None:
    """While a person thinks no attempt goes on."""
    run = (
        builders.log().started().attempt().model().plan("refund.issue").gate().later(600).decided().attempt()
    )
    found = told.named(run)
    assert found["attempt 1"].ended == found["wait_for_approval refund.issue"].begun


def test_the_run_says_how_it_ended_and_what_it_came_to() -> None:
    """As the fold has it; tokens not in the words whose sum over a trace would count them twice."""
    run = samples.refund(TRACE)
    root = told.named(run)["invoke_agent support"]
    said = {
        "gen_ai.agent.name": "support",
        "gen_ai.agent.version": "1.0.0",
        "keelstep.outcome": "succeeded",
        "keelstep.steps": run.state.step,
        "keelstep.tokens": run.state.tokens,
        "keelstep.cost_usd": run.state.spent_micro_usd / 1_000_000,
    }
    assert said.items() <= root.attributes.items()
    assert not any(name.startswith("gen_ai.usage") for name in root.attributes)
    assert (root.begun, root.ended) == (run.state.started_at, run.state.over_at)


@pytest.mark.parametrize("name", LOGS)
def test_what_a_run_came_to_is_what_the_fold_says_at_its_end(name: str) -> None:
    """Steps, tokens and cost, whatever happened: calls that were lost, refused, replayed."""
    roots = [span for span in told.spans(LOGS[name]) if not span.parent_id]
    state = told.at_the_end(LOGS[name])
    assert len(roots) == state.is_over
    for root in roots:
        assert root.attributes[names.STEPS] == state.step
        assert root.attributes[names.TOKENS] == state.tokens
        assert root.attributes[names.COST] == state.spent_micro_usd / 1_000_000
        assert (root.begun, root.ended) == (state.started_at, state.over_at)


def test_what_was_undone_says_what_it_undid() -> None:
    """As a call of the contract that undoes, and a person who does it by hand is asked about that one."""
    run = stories.failing()
    result = next(event.seq for event in run.events if event.type == "tool.result")
    run.undo().undone("failed", error=types.Error(reason="ToolFailed")).undo_gate().undo_decided()
    run.given_up(reason="CriteriaNotMet")
    found = told.named(run)
    undoing, asked = found["execute_tool credit.revoke"], found["wait_for_approval credit.revoke"]
    assert undoing.attributes[names.UNDOES] == asked.attributes[names.UNDOES] == result
    assert undoing.error == "ToolFailed"
    assert asked.attributes[names.QUESTION] == "undo"
    assert asked.attributes[names.VERDICT] == "approved"
    (note,) = found["invoke_agent support"].notes
    assert (note.name, note.attributes[names.REASON]) == ("exec.unwinding", "CriteriaNotMet")


def test_what_was_found_out_and_what_the_rules_said_are_notes_of_the_run() -> None:
    """Which contract was read and which rule matched, without the rule's own words."""
    run = builders.log().started().attempt().model().plan("credit.grant").claim().result(status="unknown")
    run.reconciled().model().plan("refund.issue").ruled()
    found = {note.name: note.attributes for note in told.named(run.finished())["invoke_agent support"].notes}
    finding = {names.TOOL_NAME: "credit.grant", names.OUTCOME: "ok", names.VIA: "orders.get"}
    ruling = {names.TOOL_NAME: "refund.issue", names.EFFECT: "escalate", names.RULE: "contract/ask"}
    assert finding.items() <= found["tool.reconciled"].items()
    assert ruling.items() <= found["policy.evaluated"].items()


def test_a_call_answered_by_another_run_says_by_which() -> None:
    """No tool was called, and its span says whose result it was."""
    origin = types.Origin(execution="e" * 32, seq=7, answered="2026-08-03T10:00:00Z")
    pin = types.Pin(digest="c" * 64, tier=0, cached=True)
    run = builders.log().started(contracts={"orders.get": pin}).attempt().model().plan("orders.get")
    run.result(cached=origin, contract_digest=pin.digest)
    assert told.named(run)["execute_tool orders.get"].attributes[names.CACHED] == "e" * 32


def test_what_failed_is_an_error_with_its_reason() -> None:
    """Of a call its class, of the run its reason; a success has none."""
    run = builders.log().started().attempt().model().plan("orders.get")
    run.result(status="failed", error=types.Error(reason="ToolFailed", error_class="Timeout"))
    run.model().finished("failed", reason="CriteriaNotMet")
    found = told.named(run)
    assert found["execute_tool orders.get"].error == "Timeout"
    assert found["execute_tool orders.get"].attributes["error.type"] == "Timeout"
    assert found["invoke_agent support"].error == "CriteriaNotMet"
    assert found["chat scripted"].error == ""
    assert "error.type" not in found["chat scripted"].attributes


def test_a_killed_run_is_an_error_and_what_ends_later_still_belongs_to_it() -> None:
    """A gateway records the outcome of what had begun."""
    run = builders.log().started().attempt().model().plan("credit.grant").claim().killed().result()
    found = told.named(run)
    root = found["invoke_agent support"]
    assert (root.error, root.attributes["keelstep.outcome"]) == ("Killed", "killed")
    assert [note.name for note in root.notes] == ["exec.killed"]
    assert found["execute_tool credit.grant"].parent_id == found["attempt 1"].span_id
    assert found["execute_tool credit.grant"].ended > root.ended


def test_a_run_that_ended_before_it_began_makes_no_span() -> None:
    """Nothing was started: no strategy, no trace."""
    run = builders.log()
    run.forge("exec.finished", types.ExecFinished(outcome="cancelled", reason="Deleted"), writer="op")
    assert told.spans(told.of(run)) == []


def test_no_payload_no_person_and_no_persons_words_leave_with_a_span() -> None:
    """Goals, arguments, outputs and replies stay in the log, and so do names and what people wrote."""
    secret = "s3cr3t-words"
    run = builders.log()
    run.started(goal=builders.value(secret), inputs=builders.value(secret), requester=secret).attempt()
    run.model({"role": "assistant", "content": secret}).plan("refund.issue", args={"note": secret})
    run.suspended(secret).resumed(secret).gate()
    approver = types.Approver(user=secret, verdict="approved", reason=secret)
    run.decided(approvers=[approver], reason=secret).attempt().claim().result(output=secret)
    run.model().finished(output=builders.value(secret), message=secret).feedback()
    assert secret in run.messages[0].payload.decode()
    assert secret.encode() not in wire.encode(told.spans(told.of(run)))


def test_what_a_runner_makes_up_is_bent_and_sent() -> None:
    """NUL, numbers beyond use, a foreign trace id and words without end do not stop the spans of others."""
    run = builders.log().started().attempt().model()
    call = types.PlannedCall(index=0, call_id="\x00" + "x" * 5_000, tool="orders.get", args=builders.value())
    plan = types.PlanProposed(ordinal=1, steps=[call])
    odd = run.forge("plan.proposed", plan, writer="a1", id="\x00", trace_id="theirs", step=2**53 - 1)
    assert isinstance(odd, envelope.Event)
    run.result(latency_ms=-(2**53 - 1))
    found = told.named(run.model().plan("orders.get").result(latency_ms=2**53 - 1))
    assert found["execute_tool orders.get"].attributes[names.TOOL_CALL] == "\ufffd" + "x" * 999
    assert found["execute_tool orders.get #2"].begun == 0
    assert {span.trace_id for span in found.values()} == {bytes.fromhex("7" * 32)}
    assert wire.encode(list(found.values()))


def test_a_trace_id_that_is_none_becomes_one_that_is_always_the_same() -> None:
    """The run's own wherever it is one."""
    assert trace_id(TRACE).hex() == TRACE
    for odd in ("", "7f3a", "0" * 32, TRACE.upper(), "\ud800"):
        assert len(trace_id(odd)) == 16
        assert trace_id(odd) == trace_id(odd) != trace_id(odd + "x")


def test_a_run_that_plans_without_end_does_not_make_a_span_without_end() -> None:
    """The notes of one span are bounded."""
    run = builders.log().started().attempt()
    for _ in range(120):
        run.model().plan("math.add").builtin()
    found = told.named(run.finished())
    assert len(found["attempt 1"].notes) == 100


def test_a_plan_of_calls_without_end_does_not_make_a_note_without_end() -> None:
    """The first of them are named."""
    run = builders.log().started().attempt().model().plan(*["math.add"] * 80)
    (note,) = told.named(run.killed())["attempt 1"].notes
    assert note.attributes[names.PLANNED] == ("math.add",) * 50
