"""Where do these tests play? On the operator's own stage, which is closed again whatever happens."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

from tests.integration.operator import stage as stages
from tests.integration.operator.stage import Stage


@contextlib.asynccontextmanager
async def running(folder: Path) -> AsyncIterator[Stage]:
    """A governed API server, a broker and the operator."""
    found = await stages.start(folder)
    try:
        yield found
    finally:
        await found.operator.stop()
        await found.broker.__aexit__(None, None, None)
        found.governed.close()
