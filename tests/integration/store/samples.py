"""Logs with known answers: a refund told from start to end, and two strategy versions whose economics are by hand."""

import secrets

from keelstep.events import envelope, types
from keelstep.testing import builders
from keelstep.testing.builders import LogBuilder

TRACE_QUERY = "SELECT step_n, event_type, summary FROM traces.steps WHERE trace_id = '7f3a'"
ECONOMICS_QUERY = """
SELECT strategy_version, COUNT(*) AS executions, AVG(outcome_success::int) AS success_rate, \
APPROX_PERCENTILE(total_cost, 0.5) AS p50_cost, APPROX_PERCENTILE(total_cost, 0.95) AS p95_cost, \
APPROX_PERCENTILE(steps_n, 0.95) AS p95_steps, AVG(gate_escalations) AS gates_per_exec, \
SUM(total_cost) / NULLIF(SUM(outcome_success::int),0) AS cost_per_success \
FROM gold.executions WHERE started_at >= CURRENT_DATE - 14 GROUP BY 1 ORDER BY cost_per_success; \
-- the number that decides the A/B
"""
"""Both as the mission asks them, word for word."""


def new(tenant: str = builders.TENANT) -> LogBuilder:
    """The log of an execution that no other test uses."""
    return builders.log(secrets.token_hex(16), tenant)


def cost(micro_usd: int) -> envelope.Cost:
    """What one model call came to."""
    return envelope.Cost(tokens_in=100, tokens_out=20, micro_usd=micro_usd)


def traced(trace_id: str, **data: object) -> LogBuilder:
    """A log that has begun, under a trace id of choice."""
    run = new()
    given = builders.log(run.xid, run.tenant).started(**data).events[0]
    outcome = run.forge("exec.started", given.data, writer="op", trace_id=trace_id)
    assert isinstance(outcome, envelope.Event)
    return run


def refund(trace_id: str = "7f3a") -> LogBuilder:
    """A free read and a builtin, a claim that is taken over, a gate, an approved refund, the end, and a verdict."""
    run = traced(trace_id).attempt()
    run.model(cost=cost(40_000)).plan("orders.get", "math.add").result(0).builtin(1)
    run.model(cost=cost(20_000)).plan("credit.grant").claim().taken_over().result()
    run.model(cost=cost(30_000)).plan("refund.issue").gate()
    run.decided(approvers=[types.Approver(user="bob", verdict="approved", reason="fair")], latency_ms=9_000)
    run.attempt(reason="Decided").claim().result(latency_ms=250)
    return run.model(cost=cost(10_000)).finished().feedback()


STORY = [
    (0, "exec.started", "strategy support 1.0.0 for ann, budget 1 USD, 5 tools"),
    (0, "exec.attempt", "attempt 1 in pod refund-7-a1 (Started)"),
    (1, "model.called", "call 1, reserved 0.0001 USD"),
    (1, "model.replied", "call 1 ok"),
    (1, "step.completed", "step 1: scripted call 1 ok"),
    (1, "plan.proposed", "2 calls: orders.get, math.add"),
    (2, "tool.called", "tier 0, no claim needed"),
    (2, "tool.result", "ok"),
    (2, "step.completed", "step 2: orders.get ok"),
    (3, "tool.called", "tier 0, no claim needed"),
    (3, "tool.result", "ok"),
    (3, "step.completed", "step 3: math.add ok"),
    (4, "model.called", "call 2, reserved 0.0001 USD"),
    (4, "model.replied", "call 2 ok"),
    (4, "step.completed", "step 4: scripted call 2 ok"),
    (4, "plan.proposed", "1 call: credit.grant"),
    (5, "tool.called", "tier 1, key key-credit.g"),
    (5, "tool.retried", "performance 2 of claim 11 (OwnerSilent), same key"),
    (5, "tool.result", "ok"),
    (5, "step.completed", "step 5: credit.grant ok"),
    (6, "model.called", "call 3, reserved 0.0001 USD"),
    (6, "model.replied", "call 3 ok"),
    (6, "step.completed", "step 6: scripted call 3 ok"),
    (6, "plan.proposed", "1 call: refund.issue"),
    (6, "gate.requested", "call 0 of plan 16 needs a person (tier 3)"),
    (6, "gate.decided", "approved by bob: fair"),
    (6, "exec.attempt", "attempt 2 in pod refund-7-a2 (Decided)"),
    (7, "tool.called", "tier 3, key key-refund.i, approved by event 18"),
    (7, "tool.result", "ok"),
    (7, "step.completed", "step 7: refund.issue ok"),
    (8, "model.called", "call 4, reserved 0.0001 USD"),
    (8, "model.replied", "call 4 ok"),
    (8, "step.completed", "step 8: scripted call 4 ok"),
    (8, "exec.finished", "succeeded, Succeeded"),
    (8, "feedback.given", "good says ann"),
]
"""What the trace query must answer for `refund`."""


def versions() -> list[LogBuilder]:
    """Version 1.0.0 four times, 2.0.0 three times, one of these still open; and one that ended long ago is not here.

    version  cost of each              success  steps       gates
    1.0.0    0.04 0.06 0.10 0.20       1 1 0 0  1 1 3 1     0 0 1 0
    2.0.0    0.31 0.29 0.05            1 1 -    3 1 1       0 0 0
    """
    one, two = "1.0.0", "2.0.0"
    gated = _begun(one).model(cost=cost(60_000)).plan("refund.issue").gate().decided("rejected")
    gated.attempt().result(status="denied").model(cost=cost(40_000)).finished("failed")
    return [
        _begun(one).model(cost=cost(40_000)).finished(),
        _begun(one).model(cost=cost(60_000)).finished(),
        gated,
        _begun(one).model(cost=cost(200_000)).killed(),
        _begun(two).model(cost=cost(300_000)).plan("orders.get").result().model(cost=cost(10_000)).finished(),
        _begun(two).model(cost=cost(290_000)).finished(),
        _begun(two).model(cost=cost(50_000)),
    ]


def _begun(version: str) -> LogBuilder:
    return new().started(strategy_version=version).attempt()


def busy() -> list[LogBuilder]:
    """A little of everything, in several tenants: ends of each kind, open runs, voids, and an unknown event."""
    unknown = new("far").started().attempt().model()
    unknown.forge("memory.dreamt", types.Feedback(by="ann", verdict="good"), writer="gw")
    unknown.forge("exec.finished", types.ExecFinished(outcome="failed", reason="Late"), writer="a1")
    forged = new("far").started()
    forged.forge("exec.killed", types.Interruption(by="eve", reason="mine"), writer="op", signature="")
    forged.garbage(b"\xff not an event", writer="a1")
    forged.attempt().model(cost=cost(7)).plan("credit.grant").claim().killed().result()
    cancelled = new().started().attempt().model().cancelled().suspended().resumed().given_up("Cancelled")
    return [refund(), *versions(), unknown, forged, cancelled, refund("other")]
