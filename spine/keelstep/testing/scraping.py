"""What does a program tell Prometheus? Its metrics, read over HTTP as a scrape would."""

import asyncio
import urllib.error
import urllib.request

from prometheus_client import parser

from keelstep.testing import eventually, ports


class Scrape:
    """The metrics of a program that was told to serve them on a port that was free a moment ago."""

    def __init__(self) -> None:
        self.port = ports.one()

    async def text(self) -> str:
        """All of them."""
        return await asyncio.to_thread(self._read)

    async def of(self, name: str, **labels: str) -> float:
        """One sample; 0 where there is none."""
        for family in parser.text_string_to_metric_families(await self.text()):
            for sample in family.samples:
                if sample.name == name and labels.items() <= sample.labels.items():
                    return float(sample.value)
        return 0.0

    async def until(self, name: str, at_least: float, **labels: str) -> None:
        """Wait until a sample is that high; the program may not serve yet."""

        async def is_there() -> bool:
            try:
                return await self.of(name, **labels) >= at_least
            except (urllib.error.URLError, ConnectionError, TimeoutError):
                return False

        await eventually.awaited(is_there, f"{name} of at least {at_least}", within_seconds=60)

    def _read(self) -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=30) as response:
            return str(response.read(), "utf-8")
