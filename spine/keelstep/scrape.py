"""How does Prometheus get to see what a program counts, and how many series can there be?

What is counted is each program's own business: a `metrics` module with a registry of its own. Names that people choose
are labels up to a bound, so that nobody can make a program, or Prometheus, hold series without end.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import prometheus_client
from prometheus_client import CollectorRegistry

from keelstep import errors

MOST_NAMES = 200
"""Different names, or combinations of names, in one place; a histogram costs a dozen lines of every scrape for each."""
OTHER = "other"
"""What stands for every name after those."""
RUN_SECONDS = (1.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1_800.0, 3_600.0, 7_200.0)
"""Buckets for what a whole run takes."""
CALL_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)
"""Buckets for what a tool or a model takes."""
FAST_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Buckets for what our own machinery takes."""


@dataclass(slots=True)
class Bound:
    """The first so many names, or combinations of names; every further one is `other`."""

    most: int = MOST_NAMES
    _known: set[tuple[str, ...]] = field(default_factory=set)

    def of(self, *names: str) -> tuple[str, ...]:
        """The names as labels."""
        if names not in self._known:
            if len(self._known) >= self.most:
                return (OTHER,) * len(names)
            self._known.add(names)
        return names


@contextlib.asynccontextmanager
async def served(registry: CollectorRegistry, port: int) -> AsyncIterator[None]:
    """Serve a registry at `/metrics` while the context lasts; nothing where the port is 0.

    Raises:
        errors.SettingsError: the port cannot be had.
    """
    if not port:
        yield
        return
    try:
        server, thread = prometheus_client.start_http_server(port, registry=registry)
    except OSError as error:
        raise errors.SettingsError(f"KEELSTEP_METRICS_PORT: {port}: {error.strerror}") from error
    try:
        yield
    finally:
        await asyncio.to_thread(server.shutdown)
        server.server_close()
        thread.join()
