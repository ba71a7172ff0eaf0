"""One whole keelstep for the run; each test in a tenant of its own."""

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from hack.local import ops, world
from hack.local.platform import Platform
from hack.local.world import Tenant

OWN = ("bad_input.yaml", "builtins.yaml", "undone.yaml")
SCRIPTS = [*(Path(__file__).parent / name for name in OWN), ops.SCRIPT]
_TRACE = b"Traceback (most recent call last)"


@pytest.fixture(scope="package")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """Cluster, broker, operator, gateway, views, shop and model."""
    with world.running(tmp_path_factory.mktemp("e2e"), *SCRIPTS) as started:
        world.at_once(started.start_operator, started.start_gateway, started.start_views)
        yield started


@pytest.fixture
def tenant(platform: Platform) -> Tenant:
    """The refund example in a namespace of this test's own."""
    return furnished(platform)


@pytest.fixture(scope="package")
def shared(platform: Platform) -> Tenant:
    """The same for tests that do not get in each other's way: each names what it makes after itself."""
    return furnished(platform)


@pytest.fixture(scope="module")
def programs_stay_calm(platform: Platform) -> Iterator[None]:
    """Whatever a file's tests do to them, no program of ours writes a stack trace."""
    logs = platform.folder / "logs"
    before = {file: file.stat().st_size for file in logs.glob("*.log")}
    yield
    for file in sorted(logs.glob("*.log")):
        said = file.read_bytes()[before.get(file, 0) :]
        place = said.find(_TRACE)
        assert place < 0, f"{file.name}: {said[max(0, place - 500) : place + 2500].decode(errors='replace')}"


def furnished(platform: Platform) -> Tenant:
    """The refund example in a namespace of its own."""
    made = Tenant(platform=platform, name=f"refunds-{secrets.token_hex(3)}")
    made.furnish()
    return made
