"""What every test may use: a real broker of the whole run, one of its own to hurt, a tenant of its own.

Nothing starts before a test asks for it.
"""

import os
import secrets
import signal
from collections.abc import AsyncIterator
from pathlib import Path, PurePosixPath

import hypothesis
import pytest
import pytest_asyncio
from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]

from keelstep.testing.broker import RunningBroker

# no test asserts a time, and a busy machine is no fault of the code's; the same examples every time, so that a change
# fails for what it changed: `KEELSTEP_EXPLORE=1 pytest tests/unit` looks for new ones
hypothesis.settings.register_profile(
    "keelstep",
    deadline=None,
    derandomize="KEELSTEP_EXPLORE" not in os.environ,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("keelstep")
# a run that a shell started in the background is deaf to Ctrl-C, and so would be every program that a test interrupts
signal.signal(signal.SIGINT, signal.default_int_handler)


HERE = Path(__file__).parent
WHOLE = frozenset({"chaos", "e2e", "node", "release"})
"""Folders whose tests start whole platforms: one after the other, so that no two want the machine at once."""


class ByFolder(LoadScopeScheduling):  # type: ignore[misc]  # the library has no types
    """Where several processes share a run (`-n`), a folder's tests stay together, as does what they start."""

    def _split_scope(self, nodeid: str) -> str:
        top, *below = PurePosixPath(nodeid.partition("::")[0]).relative_to(HERE.name).parts
        return "whole" if top in WHOLE else "/".join((top, *below[: top in ("integration", "unit")]))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> ByFolder:
    """Ours: xdist_group marks are not heard with pytest 9.2 (pytest-xdist issue 1386)."""
    return ByFolder(config, log)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def broker(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RunningBroker]:
    """The run's nats-server: two accounts, four streams. Tests share it, each in its own tenant."""
    async with RunningBroker(tmp_path_factory.mktemp("broker")) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="session")
async def own_broker(tmp_path: Path) -> AsyncIterator[RunningBroker]:
    """A nats-server of this test's own, to kill, restart or freeze."""
    async with RunningBroker(tmp_path) as running:
        yield running


@pytest.fixture
def tenant() -> str:
    """A tenant that no other test uses."""
    return f"t-{secrets.token_hex(4)}"


@pytest.fixture
def xid() -> str:
    """An execution that no other test uses."""
    return secrets.token_hex(16)
