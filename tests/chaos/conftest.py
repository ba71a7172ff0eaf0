"""One keelstep for the run; each case starts again what the one before it killed."""

import secrets
from collections.abc import Iterator

import pytest

from hack.local import world
from hack.local.platform import Platform
from hack.local.world import Tenant


@pytest.fixture(scope="package")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """Everything but operator and gateway."""
    with world.running(tmp_path_factory.mktemp("chaos")) as started:
        yield started


@pytest.fixture
def tenant(ground: Platform) -> Tenant:
    """The refund example in a namespace of this case's own, with operator and gateway as they should be."""
    world.at_once(ground.start_operator, ground.start_gateway)
    made = Tenant(platform=ground, name=f"refunds-{secrets.token_hex(3)}")
    made.furnish()
    return made
