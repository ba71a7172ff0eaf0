"""What does the operator tell Prometheus of the cluster, and of its own work?"""

import socket

from keelstep.testing.scraping import Scrape
from tests.integration.operator import manifests
from tests.integration.operator.actors import Cast
from tests.integration.operator.stage import Stage


async def test_what_waits_for_a_person_is_shown(stage: Stage) -> None:
    """A question is counted while it waits, and ages; its run shows by its phase; a kill in force by its scope."""
    scrape = Scrape()
    await stage.operator.stop()
    await stage.operator.start(KEELSTEP_METRICS_PORT=str(scrape.port))
    try:
        await scrape.until("keelstep_leader", 1)
        before = await scrape.of("keelstep_executions", phase="WaitingForApproval")
        run = manifests.execution(stage.tenant())
        stage.create(run)
        cast = await Cast.of(stage, run)
        await cast.ask_for_refund(summary="The kettle leaks.")
        await stage.until_phase(run, "WaitingForApproval", "ApprovalRequired")
        await scrape.until("keelstep_executions", before + 1, phase="WaitingForApproval")
        assert await scrape.of("agent_human_review_queue_depth") >= 1
        assert await scrape.of("agent_human_review_oldest_seconds") > 0
        kills = await scrape.of("agent_kill_switch_active", scope="execution")
        stage.patch(run, {"spec": {"killSwitch": {"engaged": True, "reason": "enough"}}})
        await scrape.until("agent_kill_switch_active", kills + 1, scope="execution")
        assert await scrape.of("keelstep_events_appended_total", type="exec.started") >= 1
        assert await scrape.of("keelstep_reconcile_seconds_count", kind="Execution") >= 1
    finally:
        await stage.operator.stop()
        await stage.operator.start()


async def test_a_port_that_is_taken_is_said_in_a_line(stage: Stage) -> None:
    """Exit 2, naming the setting; no stack trace."""
    with socket.socket() as taken:
        taken.bind(("0.0.0.0", 0))
        taken.listen()
        status, said = await stage.operator.failed(KEELSTEP_METRICS_PORT=str(taken.getsockname()[1]))
    assert status == 2
    assert "KEELSTEP_METRICS_PORT" in said
    assert "Traceback" not in said
