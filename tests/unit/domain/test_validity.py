"""A message is an event or void: every event type in states that allow it and states that refuse it (DESIGN §4)."""

import pytest

from keelstep.domain import validity
from keelstep.events import envelope, types
from keelstep.testing import builders
from keelstep.testing.builders import LogBuilder
from tests.unit.domain import forgeries, stories
from tests.unit.domain.forgeries import (
    answer_of,
    claim,
    forge,
    gateway_result,
    granted,
    key_of,
    no_claim,
    result,
    ruled,
    runner_result,
    step,
    unknown,
)
from tests.unit.domain.stories import Step, Story, fate

KILL = types.Interruption(by="mallory", reason="x")


def kill(_: LogBuilder) -> types.Data:
    """What only the operator may write."""
    return KILL


def ask(run: LogBuilder) -> types.Data:
    """What only a runner may write, and may."""
    assert run.state.plan is not None
    return types.GateRequested(plan_seq=run.state.plan.seq, index=1, consequence_tier=3)


def end(_: LogBuilder) -> types.Data:
    """What runner and operator may write."""
    return types.ExecFinished(outcome="succeeded", reason="Completed")


MISPLACED: dict[str, tuple[Story, Step, str]] = {
    "another tenant's name": (stories.begun, forge("exec.killed", kill, "op", tenant="other"), "ForeignSubject"),
    "another run's xid": (stories.begun, forge("exec.killed", kill, "op", execution="x2"), "ForeignSubject"),
    "a seq that was there": (stories.begun, forge("exec.killed", kill, "op", seq=1), "OutOfSequence"),
    "a seq that is not due": (stories.begun, forge("exec.killed", kill, "op", seq=3), "OutOfSequence"),
    "another event's hash": (stories.begun, forge("exec.killed", kill, "op", prev="a" * 64), "BrokenChain"),
    "a writer nobody knows": (stories.begun, forge("exec.killed", kill, "root"), "WrongWriter"),
    "attempt zero": (stories.begun, forge("exec.killed", kill, "a0"), "WrongWriter"),
    "an attempt with a leading zero": (stories.replied, forge("exec.finished", end, "a01"), "WrongWriter"),
    "an attempt of ten thousand digits": (stories.replied, forge("exec.finished", end, "a" + "9" * 9999), "WrongWriter"),
    "an old attempt": (lambda: stories.replied().attempt(), forge("exec.finished", end, "a1", attempt=1), "OldAttempt"),
    "an old attempt that says it is the current one": (
        lambda: stories.replied().attempt(), forge("exec.finished", end, "a1"), "OldAttempt",
    ),
    "an attempt that has not begun": (stories.replied, forge("exec.finished", end, "a2", attempt=2), "OldAttempt"),
    "a gateway that decided before a new attempt": (
        lambda: stories.planned("orders.get").attempt(), forge("tool.result", result, "gw", attempt=1), "OldAttempt",
    ),
    "a runner that stops the run": (stories.running, forge("exec.killed", kill), "WrongWriter"),
    "a runner that asks the rules": (
        stories.planned, forge("policy.evaluated", ruled), "WrongWriter",
    ),
    "a gateway that asks a person": (stories.planned, forge("gate.requested", ask, "gw"), "WrongWriter"),
    "an operator without a signature": (
        stories.running, lambda run: run.forge("exec.killed", KILL, writer="op", signature=""), "Unsigned",
    ),
    "a gateway with the operator's signature": (
        stories.called,
        lambda run: run.forge(
            "model.replied", types.ModelReplied(ordinal=1, status="failed"), writer="gw",
            signature=run.messages[0].signature,
        ),
        "Unsigned",
    ),
    "bytes that are no event": (stories.running, lambda run: run.garbage(b"[" * 60_000), "NotAnEvent"),
}  # fmt: skip


@pytest.mark.parametrize("case", MISPLACED)
def test_a_message_that_is_not_the_next_of_its_log_is_void(case: str) -> None:
    """Tenant, xid, seq, prev, writer, attempt and signature must all be right (DESIGN §4, valid or void)."""
    story, step, reason = MISPLACED[case]
    assert fate(story(), step) == reason


ALLOWED: dict[str, tuple[Story, Step]] = {
    "the first event starts it": (builders.log, step("started")),
    "a first attempt": (stories.begun, step("attempt")),
    "a next attempt, even while a call is open": (stories.claimed, step("attempt")),
    "a next attempt once every question is answered": (lambda: stories.parked().decided(), step("attempt")),
    "an attempt with a question open, to unwind": (lambda: stories.parked().cancelled(), step("attempt")),
    "a first model call": (stories.running, step("model_called")),
    "a model call after a failed one": (
        lambda: stories.called().model_replied(status="failed", response=None), step("model_called"),
    ),
    "a model call once the plan is done": (
        lambda: stories.planned("orders.get").result(), step("model_called"),
    ),
    "a reply after the end, since its call was open": (lambda: stories.killed(stories.called), step("model_replied")),
    "a plan after a reply": (stories.replied, step("plan", "orders.get")),
    "a claim of a planned call": (stories.planned, step("claim")),
    "a claim of a call out of its turn: order is the gateway's to keep": (
        lambda: stories.planned("orders.get", "credit.grant"), step("claim", 1),
    ),
    "a claim under its approval": (stories.approved, step("claim")),
    "a claim again after a failure": (
        lambda: stories.claimed().result(status="failed").result(1, "denied").model().plan("credit.grant"),
        step("claim"),
    ),
    "a take-over of an open claim": (stories.claimed, step("taken_over")),
    "a result of a claim": (stories.claimed, step("result")),
    "a failure of a claim that was made once": (stories.claimed, step("result", status="failed")),
    "a result of a claim after the end": (lambda: stories.killed(stories.claimed), step("result")),
    "an unknown outcome after the end": (lambda: stories.killed(stories.claimed), step("result", status="unknown")),
    "a result of a claim while held": (lambda: stories.claimed().suspended(), step("result")),
    "a result of a claim under a later attempt": (lambda: stories.claimed().attempt(), step("result")),
    "a free read's result": (lambda: stories.planned("orders.get"), step("result")),
    "a free read's result after the end": (lambda: stories.killed(lambda: stories.planned("orders.get")), step("result")),
    "a refusal": (stories.planned, step("result", status="denied")),
    "a replay of a recorded result": (granted, gateway_result(idempotency_key=key_of, replayed_seq=answer_of)),
    "a builtin's result by the runner": (lambda: stories.planned("math.add"), step("builtin")),
    "a builtin's refusal by the runner": (lambda: stories.planned("math.add"), runner_result("denied")),
    "a builtin's failure by the runner": (lambda: stories.planned("math.add"), runner_result("failed")),
    "a question": (stories.planned, step("gate", 1)),
    "the plan's other questions": (
        lambda: stories.planned("refund.issue", "refund.issue").gate(0), step("gate", 1),
    ),
    "an answer": (stories.parked, step("decided")),
    "an answer while held": (lambda: stories.parked().suspended(), step("decided", "rejected")),
    "a hold": (stories.running, step("suspended")),
    "a release": (lambda: stories.running().suspended(), step("resumed")),
    "a cancellation before any attempt": (stories.begun, step("cancelled")),
    "a kill of a held run": (lambda: stories.running().suspended(), step("killed")),
    "an end by the runner": (stories.replied, step("finished")),
    "an end by the operator, whatever is open": (stories.claimed, step("given_up")),
    "feedback after the end": (stories.finished, step("feedback")),
}  # fmt: skip


@pytest.mark.parametrize("case", ALLOWED)
def test_the_state_allows(case: str) -> None:
    """What an honest writer may do in this state is an event."""
    story, next_step = ALLOWED[case]
    assert fate(story(), next_step) == ""


REFUSED: dict[str, tuple[Story, Step]] = {
    "anything before the start": (builders.log, step("attempt")),
    "a second start": (stories.begun, step("started")),
    "a start that pins a version it is not written in": (builders.log, step("started", event_version=2)),
    "an attempt that skips a number": (stories.running, step("attempt", attempt=3)),
    "the same attempt again": (stories.running, step("attempt", attempt=1)),
    "an attempt while a person is asked": (stories.parked, step("attempt")),
    "an attempt while held": (lambda: stories.begun().suspended(), step("attempt")),
    "an attempt after the end": (stories.finished, step("attempt")),
    "a model call without an attempt": (stories.begun, step("model_called")),
    "a model call that skips an ordinal": (stories.running, step("model_called", ordinal=2)),
    "a model call beside an open one": (stories.called, step("model_called")),
    "a model call before the plan is done": (stories.planned, step("model_called")),
    "a model call while a person is asked": (stories.parked, step("model_called")),
    "a model call while held": (lambda: stories.running().suspended(), step("model_called")),
    "a model call after the end": (stories.finished, step("model_called")),
    "a reply without a call": (stories.running, step("model_replied", ordinal=1)),
    "a second reply": (stories.replied, step("model_replied")),
    "a reply to another call": (stories.called, step("model_replied", ordinal=2)),
    "a good reply that says nothing": (stories.called, step("model_replied", response=None)),
    "a plan without a reply": (stories.running, step("plan", "orders.get", ordinal=0)),
    "a plan while the model is asked": (stories.called, step("plan", "orders.get")),
    "a plan after a failed model call": (
        lambda: stories.called().model_replied(status="failed", response=None), step("plan", "orders.get"),
    ),
    "a second plan from one reply": (lambda: stories.planned("orders.get").result(), step("plan", "orders.get")),
    "a plan from an older reply": (
        lambda: stories.replied().model(), step("plan", "orders.get", ordinal=1),
    ),
    "an empty plan": (stories.replied, step("plan")),
    "a plan while held": (lambda: stories.replied().suspended(), step("plan", "orders.get")),
    "a plan after a cancellation": (lambda: stories.replied().cancelled(), step("plan", "orders.get")),
    "a claim of a call nobody planned": (stories.planned, claim(index=7)),
    "a claim in an older plan": (
        lambda: stories.planned("orders.get").result().model().plan("credit.grant"), claim(plan_seq=5),
    ),
    "a claim of another tool than planned": (stories.planned, claim(tool="ticket.reply")),
    "a claim with other arguments than planned": (stories.planned, claim(args=builders.value({"amount": "9"}))),
    "a claim under another contract than pinned": (stories.planned, claim(contract_digest="9" * 64)),
    "a claim of a tool that was not pinned": (lambda: stories.replied().plan("shop.burn"), claim()),
    "a claim below its contract's tier": (stories.planned, claim(tier=0)),
    "a claim beside an open one": (stories.claimed, claim(idempotency_key="k2")),
    "a claim after its result": (lambda: stories.claimed().result(), claim(idempotency_key="k2")),
    "a claim of a key in flight elsewhere": (
        lambda: stories.planned("credit.grant", "credit.grant").claim(0, key="k"), claim(index=1, idempotency_key="k"),
    ),
    "a claim of a key that is done": (granted, claim(idempotency_key=key_of)),
    "a claim while an earlier outcome is unknown": (unknown, claim(idempotency_key="another")),
    "a claim of tier 3 without an approval": (lambda: stories.planned("refund.issue"), claim(tier=3)),
    "a claim that calls itself tier 2 where the contract says 3": (lambda: stories.planned("refund.issue"), claim(tier=2)),
    "a claim under a rejection": (
        lambda: stories.parked().decided("rejected").attempt(), step("claim"),
    ),
    "a claim under an approval of other arguments": (
        lambda: stories.parked().decided(args_digest="e" * 64).attempt(), step("claim"),
    ),
    "a claim under an approval of another contract": (
        lambda: stories.parked().decided(contract_digest="e" * 64).attempt(), step("claim"),
    ),
    "a claim under another event than the approval": (stories.approved, step("claim", gate_seq=6)),
    "a claim while a person is asked": (stories.parked, step("claim", gate_seq=None, tier=2)),
    "a claim while held": (lambda: stories.planned().suspended(), step("claim")),
    "a claim after a cancellation": (lambda: stories.planned().cancelled(), step("claim")),
    "a claim after the end": (lambda: stories.killed(stories.planned), step("claim")),
    "a take-over of nothing": (stories.planned, forge("tool.retried", no_claim, "gw")),
    "a take-over while held": (lambda: stories.claimed().suspended(), step("taken_over")),
    "a take-over after a cancellation": (lambda: stories.claimed().cancelled(), step("taken_over")),
    "a take-over after the end": (lambda: stories.killed(stories.claimed), step("taken_over")),
    "a result that was there": (lambda: stories.claimed().result(), gateway_result()),
    "a result of a call nobody planned": (stories.planned, gateway_result(index=0, plan_seq=4)),
    "a result of another tool than planned": (lambda: stories.planned("orders.get"), gateway_result(tool="credit.grant")),
    "a result beside the claim": (stories.claimed, gateway_result()),
    "a result of another claim": (stories.claimed, step("result", claim_seq=2)),
    "a refusal of what was claimed": (stories.claimed, step("result", status="denied")),
    "a failure of a claim that passed on": (stories.taken, step("result", status="failed")),
    "an effect without a claim": (stories.planned, gateway_result()),
    "a costly read without a claim": (
        lambda: builders.log().started(
            contracts={"orders.get": types.Pin(digest="0" * 64, tier=0, estimate_micro_usd=5)}
        ).attempt().model().plan("orders.get"),
        gateway_result(),
    ),
    "a refusal while held": (lambda: stories.planned().suspended(), step("result", status="denied")),
    "a refusal after the end": (lambda: stories.killed(stories.planned), step("result", status="denied")),
    "a replay of nothing": (stories.planned, gateway_result(idempotency_key="k", replayed_seq=1)),
    "a replay of another event": (granted, gateway_result(idempotency_key=key_of, replayed_seq=1)),
    "a runner's result of a tool that is no builtin": (stories.planned, runner_result()),
    "a runner's result that says nobody knows": (lambda: stories.planned("math.add"), runner_result("unknown")),
    "a gateway's result of a builtin": (lambda: stories.planned("math.add"), gateway_result()),
    "a gateway's refusal of a builtin": (lambda: stories.planned("math.add"), gateway_result(status="denied")),
    "a claim of a builtin": (lambda: stories.planned("math.add"), claim()),
    "a runner's refusal of a tool that is no builtin": (stories.planned, runner_result("denied")),
    "a runner's result of a claim": (lambda: stories.planned("math.add"), runner_result(claim_seq=5)),
    "a runner's replay": (lambda: stories.planned("math.add"), runner_result(replayed_seq=5)),
    "a runner's result after the end": (lambda: stories.killed(lambda: stories.planned("math.add")), runner_result()),
    "rules asked about nothing": (stories.replied, forge("policy.evaluated", ruled, "gw")),
    "rules asked about another tool than planned": (
        lambda: stories.planned("orders.get"), forge("policy.evaluated", ruled, "gw"),
    ),
    "rules asked twice": (lambda: stories.planned().ruled(), step("ruled", "escalate")),
    "rules asked about what is under way": (stories.claimed, step("ruled", "escalate")),
    "rules asked about what is done": (lambda: stories.claimed().result(), step("ruled", "escalate")),
    "rules asked while a person is": (stories.parked, step("ruled", "escalate", 1)),
    "rules asked while held": (lambda: stories.planned().suspended(), step("ruled", "escalate")),
    "rules asked after the end": (lambda: stories.killed(stories.planned), step("ruled", "escalate")),
    "rules that deny, without a refusal": (stories.planned, step("ruled", "deny")),
    "a claim of what a rule asks a person about": (lambda: stories.planned("credit.grant").ruled(), claim()),
    "a free read of what a rule asks a person about": (lambda: stories.planned("orders.get").ruled(), gateway_result()),
    "a question about nothing": (stories.replied, forge(
        "gate.requested", lambda _: types.GateRequested(plan_seq=4, index=0, consequence_tier=3),
    )),
    "a question about a tool that was not pinned": (lambda: stories.replied().plan("shop.burn"), step("gate", 0)),
    "the same question again": (stories.parked, step("gate", 0)),
    "a question about what is under way": (stories.claimed, step("gate", 0)),
    "a question about what is done": (lambda: stories.claimed().result(), step("gate", 0)),
    "a question while held": (lambda: stories.planned().suspended(), step("gate", 1)),
    "a question after the end": (lambda: stories.killed(stories.planned), step("gate", 1)),
    "an answer to nothing": (stories.planned, forge("gate.decided", lambda _: types.GateDecided(
        plan_seq=5, index=0, request_seq=6, verdict="approved", args_digest="", contract_digest="",
    ), "op")),
    "a second answer": (lambda: stories.parked().decided("rejected"), step("decided")),
    "an answer to another question": (stories.parked, step("decided", request_seq=1)),
    "an answer after the end": (lambda: stories.killed(stories.parked), step("decided")),
    "a second hold": (lambda: stories.running().suspended(), step("suspended")),
    "a release of what is not held": (stories.running, step("resumed")),
    "a second cancellation": (lambda: stories.running().cancelled(), step("cancelled")),
    "a kill after the end": (stories.finished, step("killed")),
    "an end after the end": (stories.killed, step("given_up")),
    "an end by the runner while a call is open": (stories.claimed, step("finished")),
    "an end by the runner while the model is asked": (stories.called, step("finished")),
    "an end by the runner while a person is asked": (stories.parked, step("finished")),
    "an end by the runner while held": (lambda: stories.replied().suspended(), step("finished")),
    "a cancellation in the runner's words": (stories.replied, step("finished", "cancelled")),
    "feedback before the end": (stories.running, step("feedback")),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_the_state_refuses(case: str) -> None:
    """What the state does not allow is void, whoever wrote it, and changes nothing."""
    story, next_step = REFUSED[case]
    assert fate(story(), next_step) == "NotAllowed"


def test_an_approval_is_used_once() -> None:
    """A claim under an approval uses it up, even where the call then failed (DESIGN §6)."""
    run = stories.approved().claim().result(status="failed")
    gate = next(iter(run.state.gates.values()))
    assert gate.used
    assert fate(run, claim(gate_seq=gate.decided_seq, tier=3, idempotency_key="again")) == "NotAllowed"


def test_a_runners_word_changes_no_key() -> None:
    """A forged builtin result under a real call's key neither replays nor reopens that call."""
    run = stories.claimed().result(0, "ok").result(1, "denied").model().plan("math.add", "credit.grant")
    key = key_of(run)
    before = run.state.keys
    for status in ("ok", "failed"):
        fate(run, runner_result(status, idempotency_key=key))
    assert run.state.keys == before
    assert (
        fate(run, claim(index=1, tool="credit.grant", contract_digest="1" * 64, tier=1, idempotency_key=key))
        == "NotAllowed"
    )


def test_a_runners_word_costs_nothing() -> None:
    """Money and tokens are counted from gateway events, never from runner fields (DESIGN §8)."""
    run = stories.planned("math.add")
    before = run.state.spent_micro_usd, run.state.tokens
    spent = envelope.Cost(tokens_in=10**6, micro_usd=10**9)
    assert fate(run, forge("tool.result", result, cost=spent)) == ""
    assert (run.state.spent_micro_usd, run.state.tokens) == before


def future(run: LogBuilder, **fields: object) -> bytes:
    """An event of a program that is newer than this one."""
    return forgeries.with_fields(run, "exec.dreamt", {"of": "sheep"}, **fields)


@pytest.mark.parametrize("fields", [{}, {"v": 2}, {"v": 2, "type": "exec.killed"}], ids=str)
def test_a_runner_cannot_stop_a_log_with_an_unknown_type(fields: dict[str, object]) -> None:
    """What a runner may write is fixed by the version its run is pinned to; anything else is void, for everybody."""
    run = stories.running()
    assert fate(run, forgeries.raw(lambda run: future(run, **fields))) == "UnknownType"
    assert not run.state.undecidable
    assert run.killed().state.is_over


def test_nothing_is_decided_past_an_operators_newer_event() -> None:
    """Signed and in its place, but unknown: the fold stops there, and says at what (DESIGN §4, Undecidable)."""
    run = stories.running()
    outcome = run.garbage(future(run, v=2), writer="op")
    assert isinstance(outcome, envelope.Undecidable)
    assert run.state.undecidable == "exec.dreamt v2"
    before = run.state
    run.forge("exec.killed", KILL, writer="op")
    assert not run.state.is_over
    assert (run.state.seq, run.state.undecidable) == (before.seq, before.undecidable)


@pytest.mark.parametrize(
    "fields", [{"seq": 9}, {"prev": "a" * 64}, {"execution": "x2"}, {"tenant": "other"}], ids=str
)
def test_a_void_message_of_an_unknown_type_stops_nobody(fields: dict[str, object]) -> None:
    """Only a message that would be the next event can be undecidable."""
    run = stories.running()
    assert fate(run, forgeries.raw(lambda run: future(run, **fields), "op")) in {
        "OutOfSequence", "BrokenChain", "ForeignSubject",
    }  # fmt: skip
    assert not run.state.undecidable


def test_an_unsigned_unknown_event_stops_nobody() -> None:
    """Whoever could write on the operator's subject still lacks the operator's key."""
    run = stories.running()
    payload = future(run)
    assert fate(run, lambda run: run.garbage(payload, writer="op", signature="")) == "Unsigned"


@pytest.mark.parametrize(
    ("token", "expected"),
    [
        ("op", (types.Writer.OPERATOR, 0)),
        ("gw", (types.Writer.GATEWAY, 0)),
        ("a1", (types.Writer.RUNNER, 1)),
        ("a120", (types.Writer.RUNNER, 120)),
        ("", None), ("a", None), ("a0", None), ("a01", None), ("a-1", None), ("a1 ", None), ("b1", None),
        ("a\u0661", None), ("a\u00b2", None), ("ops", None), ("OP", None), ("a" + "1" * 5000, None),
    ],
)  # fmt: skip
def test_a_writer_token_is_read_one_way(token: str, expected: object) -> None:
    """The subject's last token says who wrote; the broker enforces it, so it must not be read in two ways."""
    assert validity.writer_of(token) == expected
