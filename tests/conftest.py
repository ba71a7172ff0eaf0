"""What every test may use: a real broker of the whole run, one of its own to hurt, a tenant of its own.

Nothing starts before a test asks for it.
"""

import os
import secrets
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import hypothesis
import pytest
import pytest_asyncio

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


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Where several processes share a run (`-n`), a folder's tests stay together, as does what they start."""
    for item in items:
        item.add_marker(pytest.mark.xdist_group(_group(item.path.relative_to(HERE))))


def _group(file: Path) -> str:
    top = file.parts[0]
    return "whole" if top in WHOLE else "/".join(file.parts[: 2 if top in ("integration", "unit") else 1])


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
