"""Do the economics tell the truth? The views' numbers against the shop's own books and the price table.

Nothing here is computed by keelstep: costs come from what the model server said it used and the published prices,
effects from the shop's ledger.
"""

import asyncio
from decimal import Decimal
from pathlib import Path
from typing import Any

import asyncpg  # type: ignore[import-untyped]  # it ships none
import pytest
import yaml

from examples import refund
from hack.local import postgres
from hack.local.world import Tenant
from tests.e2e import record
from tests.integration.store import samples

RUNS = ("small-claim", "refund-approved", "refund-rejected")
MILLION = Decimal(1_000_000)
TOOL_PRICES = {"credit.grant": Decimal("0.001"), "refund.issue": Decimal("0.002")}
"""What the contracts say a call costs."""


@pytest.fixture
def settled(tenant: Tenant) -> Tenant:
    """Three runs over: a store credit, a refund approved, a refund rejected."""
    tenant.ask(*RUNS)
    tenant.answer(tenant.until_gate("refund-approved"), "Approved")
    tenant.answer(tenant.until_gate("refund-rejected"), "Rejected")
    for run in RUNS:
        tenant.until_phase(run, "Succeeded")
    over = "SELECT 1 FROM gold.executions WHERE tenant = $1 AND outcome_success"
    tenant.until("the views to tell of it", lambda: len(ask(tenant, over, tenant.name)) == len(RUNS))
    return tenant


def ask(tenant: Tenant, sql: str, *values: object) -> list[Any]:
    """Rows of the views."""

    async def fetch() -> list[Any]:
        connection = await asyncpg.connect(postgres.dsn(tenant.platform.places.postgres))
        try:
            return list(await connection.fetch(sql, *values))
        finally:
            await connection.close()

    return asyncio.run(fetch())


def priced(tenant: Tenant, run: str) -> Decimal:
    """What a run must cost: the tokens the model server counted at the table's prices, and the calls that were made."""
    table = yaml.safe_load((Path(refund.__file__).parent / "prices.yaml").read_text())["models"]
    log = record.assert_sound(tenant, run)
    cost = Decimal(0)
    for event in log:
        if event["type"] == "model.replied":
            price = table[event["data"]["model"]]
            used = event["cost"]
            cost += Decimal(used["tokens_in"]) * Decimal(price["inputUSDPerMillionTokens"]) / MILLION
            cost += Decimal(used["tokens_out"]) * Decimal(price["outputUSDPerMillionTokens"]) / MILLION
        if event["type"] == "tool.result" and event["data"]["status"] == "ok":
            cost += TOOL_PRICES.get(event["data"]["tool"], Decimal(0))
    return cost


def test_what_a_run_cost_is_what_the_price_table_says(settled: Tenant) -> None:
    """Status, view and price table agree to the last micro-dollar."""
    for run in RUNS:
        expected = priced(settled, run)
        status = settled.status(run)
        sql = "SELECT total_cost, tokens, steps_n, gate_escalations FROM gold.executions WHERE execution_id = $1"
        (row,) = ask(settled, sql, status["executionID"])
        assert Decimal(status["costUSD"]) == expected
        assert row["total_cost"] == expected
        assert (row["tokens"], row["steps_n"]) == (status["tokens"], status["step"])
        assert row["gate_escalations"] == (0 if run == "small-claim" else 1)


def test_every_effect_in_the_trace_is_one_booking_of_the_shop(settled: Tenant) -> None:
    """Tool calls that the trace shows as done, against the shop's own ledger, by idempotency key."""
    keys = {
        event["data"]["idempotency_key"]: event["data"]["tool"]
        for run in RUNS
        for event in record.assert_sound(settled, run)
        if event["type"] == "tool.called"
    }
    booked = [each for each in settled.platform.ledger() if each["key"] in keys]
    sql = """SELECT count(*) FROM traces.steps AS told JOIN gold.executions AS run USING (trace_id)
             WHERE run.tenant = $1 AND event_type = 'tool.result' AND target = ANY($2) AND summary LIKE 'ok%'"""
    ((shown,),) = ask(settled, sql, settled.name, sorted(set(keys.values())))
    assert len(booked) == len(keys) == shown
    assert sum(each["kind"] == "refund" for each in booked) == 1


def test_the_missions_queries_run_on_the_same_data(settled: Tenant) -> None:
    """The trace query with a run's own id, the economics query word for word."""
    trace = settled.status("refund-approved")["traceID"]
    rows = ask(settled, samples.TRACE_QUERY.replace("7f3a", trace))
    types = [row["event_type"] for row in rows]
    assert types[0] == "exec.started"
    assert types[-1] == "exec.finished"
    assert types.count("gate.decided") == 1
    assert types.count("step.completed") == settled.status("refund-approved")["step"]

    def agrees() -> bool:
        """The same division by hand; other tenants' runs go on, so both are asked until nothing came between."""
        by_version = {row["strategy_version"]: row for row in ask(settled, samples.ECONOMICS_QUERY)}
        sql = """SELECT count(*) AS executions, sum(total_cost) / sum(outcome_success::int) AS cost_per_success
                 FROM gold.executions WHERE strategy_version = '1.0.0'"""
        (facts,) = ask(settled, sql)
        found = by_version["1.0.0"]
        return found["executions"] >= len(RUNS) and all(found[name] == facts[name] for name in facts.keys())  # noqa: SIM118

    settled.until("the economics to agree with the same sum by hand", agrees)
