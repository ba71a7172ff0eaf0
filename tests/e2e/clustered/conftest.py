"""A keelstep on three brokers, with two gateways; whatever a test ends it starts again."""

from collections.abc import Iterator
from functools import partial

import pytest

from hack.local import world
from hack.local.platform import Platform

GATEWAYS = ("gateway", "second-gateway")


@pytest.fixture(scope="package")
def clustered(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """Every stream is kept by three servers; everything else as ever."""
    with world.running(tmp_path_factory.mktemp("clustered"), brokers=3) as started:
        gateways = [partial(started.start_gateway, name) for name in GATEWAYS]
        world.at_once(started.start_operator, *gateways, started.start_views)
        yield started
