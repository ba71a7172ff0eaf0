"""Who looks at a keelstep while it works? A Prometheus that scrapes every program, and a collector of traces.

Both real: Prometheus itself, built from its modules, and an HTTP server that reads OTLP. Asserts nothing.
"""

import asyncio
import json
import subprocess
import threading
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hack.local import world
from hack.local.platform import Platform
from keelstep.testing import ports
from keelstep.testing.scraping import Scrape
from tests.integration.store.collector import Collector, collecting

PROGRAMS = ("operator", "gateway", "projector", "views")
_ANSWER_SECONDS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Prometheus:
    """A Prometheus that answers."""

    port: int

    def ask(self, query: str) -> list[Any]:
        """What PromQL comes to now: one entry for each line.

        Raises:
            AssertionError: it is no PromQL, or cannot be evaluated.
        """
        url = f"http://127.0.0.1:{self.port}/api/v1/query?{urllib.parse.urlencode({'query': query})}"
        try:
            with urllib.request.urlopen(url, timeout=_ANSWER_SECONDS) as reply:
                found = json.load(reply)
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{query}: {error.read().decode()}") from error
        result: list[Any] = found["data"]["result"]
        return result

    def is_ready(self) -> bool:
        """It answers; while it starts it says 503, or nothing."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/-/ready", timeout=_ANSWER_SECONDS):
                return True
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            return False


@contextmanager
def prometheus(binary: Path, folder: Path, listening: dict[str, int]) -> Iterator[Prometheus]:
    """A Prometheus that scrapes these programs twice a second while the block lasts."""
    folder.mkdir()
    scraped = [
        {"job_name": program, "static_configs": [{"targets": [f"127.0.0.1:{port}"]}]}
        for program, port in listening.items()
    ]
    file = folder / "prometheus.yaml"
    timing = {"scrape_interval": "500ms", "scrape_timeout": "400ms"}
    file.write_text(json.dumps({"global": timing, "scrape_configs": scraped}))  # JSON is YAML
    port = ports.one()
    arguments = (
        f"--config.file={file}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--log.level=warn",
    )
    with (folder / "log").open("wb") as log:
        running = subprocess.Popen([binary, *arguments], stdout=log, stderr=log)
        try:
            yield Prometheus(port=port)
        finally:
            running.terminate()
            running.wait(timeout=30)


@contextmanager
def collector() -> Iterator[Collector]:
    """A collector of traces, in a thread of its own, while the block lasts."""
    ready: list[Collector] = []
    loop = asyncio.new_event_loop()
    started, over = threading.Event(), asyncio.Event()

    async def serve() -> None:
        async with collecting() as made:
            ready.append(made)
            started.set()
            await over.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()), daemon=True)
    thread.start()
    assert started.wait(timeout=30)
    try:
        yield ready[0]
    finally:
        loop.call_soon_threadsafe(over.set)
        thread.join(timeout=30)
        loop.close()


def start(platform: Platform, endpoint: str) -> dict[str, int]:
    """Start every program with its metrics, the projector with its traces; the ports of the metrics."""
    listening = {program: Scrape().port for program in PROGRAMS}
    served = {program: {"KEELSTEP_METRICS_PORT": str(port)} for program, port in listening.items()}
    projector = {**served["projector"], "KEELSTEP_OTLP_ENDPOINT": endpoint}
    world.at_once(
        lambda: platform.start_operator(**served["operator"]),
        lambda: platform.start_gateway(**served["gateway"]),
        lambda: platform.start_views(projector=projector, views=served["views"]),
    )
    return listening
