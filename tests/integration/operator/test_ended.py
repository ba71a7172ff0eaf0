"""Is what has ended left alone? There may be thousands of it, more than the operator holds logs of."""

from pathlib import Path

from keelstep.testing import eventually
from keelstep.testing.scraping import Scrape
from tests.integration.kinds import api
from tests.integration.operator import manifests
from tests.integration.operator import stage as stages
from tests.integration.operator.actors import Cast
from tests.integration.operator.stage import Stage, condition

RECONCILES = "keelstep_reconcile_seconds_count"


async def test_neither_a_resync_nor_a_kill_looks_at_a_run_that_is_over(tmp_path: Path) -> None:
    """Each look would read its log again, and what has just been asked for would wait for all of them."""
    async with stages.running(tmp_path) as stage:
        scrape = Scrape()
        await stage.operator.stop()
        await stage.operator.start(KEELSTEP_METRICS_PORT=str(scrape.port), KEELSTEP_RESYNC_SECONDS="0.2")
        run, cast = await Cast.begun(stage)
        stage.patch(run, {"spec": {"cancel": True}})
        await stage.until_phase(run, "Cancelled")
        await stage.until_gone(manifests.core("Pod", cast.tenant, "run-a1"))
        looks = -1.0

        async def is_left_alone() -> bool:
            nonlocal looks
            before, looks = looks, await scrape.of(RECONCILES, kind="Execution")
            strategies = await scrape.of(RECONCILES, kind="AgentStrategy")
            await scrape.until(RECONCILES, strategies + 5, kind="AgentStrategy")
            return looks == before

        await eventually.awaited(is_left_alone, "five resyncs later nobody has looked at it")
        await _kill(stage, manifests.strategy(cast.tenant, "other"))
        assert await scrape.of(RECONCILES, kind="Execution") == looks


async def _kill(stage: Stage, strategy: api.Object) -> None:
    stage.create(strategy)
    stage.patch(strategy, {"spec": {"killSwitch": {"engaged": True, "reason": "enough"}}})
    await stage.until(
        strategy, lambda found: condition(found, "Killed").get("reason") == "Killed", "it is acknowledged"
    )
