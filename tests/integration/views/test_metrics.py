"""What does the views server tell Prometheus?"""

import asyncio
import ssl
import urllib.error
import urllib.request
from pathlib import Path

from keelstep.testing.broker import RunningBroker
from keelstep.testing.scraping import Scrape
from keelstep.views import resources
from tests.integration.kinds import plane
from tests.integration.views import stage

KIND = "executiontraces"


async def test_requests_are_counted_and_probes_are_not(
    broker: RunningBroker, governed: plane.Governed, tmp_path: Path
) -> None:
    """With the status that was answered, a refusal as well; on a port of its own, without a certificate."""
    scrape = Scrape()
    environ = {**stage.environment(broker, governed), "KEELSTEP_METRICS_PORT": str(scrape.port)}
    async with stage.running(environ, tmp_path / "views.log") as (_, port):
        await scrape.until("keelstep_views_log_reachable", 1)
        address = f"https://127.0.0.1:{port}"
        assert await asyncio.to_thread(_status, f"{address}/livez") == 200
        assert await asyncio.to_thread(_status, f"{address}/apis/{resources.API_VERSION}/{KIND}") == 401
        total = "keelstep_views_requests_total"
        assert await scrape.of(total, resource=KIND, verb="list", code="401") == 1
        assert await scrape.of(total, code="200") == 0
        assert await scrape.of("keelstep_views_request_seconds_count", resource=KIND, verb="list") == 1


def _status(url: str) -> int:
    """What a stranger is answered."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        with urllib.request.urlopen(url, timeout=10, context=context) as response:
            return int(response.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code
