"""A stage of each test's own."""

import pytest

from keelstep.testing.broker import RunningBroker
from tests.integration.spine.stage import Stage


@pytest.fixture
def stage(broker: RunningBroker, tenant: str, xid: str) -> Stage:
    """An execution on the run's broker."""
    return Stage(broker, tenant, xid)


@pytest.fixture
def own_stage(own_broker: RunningBroker, tenant: str, xid: str) -> Stage:
    """An execution on a broker to hurt."""
    return Stage(own_broker, tenant, xid)
