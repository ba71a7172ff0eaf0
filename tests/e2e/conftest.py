"""One whole keelstep for the run; each test in a tenant of its own."""

import secrets
from collections.abc import Iterator

import pytest

from hack.local import world
from hack.local.platform import Platform
from hack.local.world import Tenant


@pytest.fixture(scope="session")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """Cluster, broker, operator, gateway, shop and model."""
    with world.running(tmp_path_factory.mktemp("e2e")) as started:
        started.start_operator()
        started.start_gateway()
        yield started


@pytest.fixture
def tenant(platform: Platform) -> Tenant:
    """The refund example in a namespace of this test's own."""
    made = Tenant(platform=platform, name=f"refunds-{secrets.token_hex(3)}")
    made.furnish()
    return made
