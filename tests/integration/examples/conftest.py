"""The example's shop and model as running processes, for the tests of this folder."""

import pathlib
from collections.abc import AsyncIterator

import pytest

from examples.refund import testing


@pytest.fixture(scope="session")
async def running_shop(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[testing.Shop]:
    """One shop for all tests; they tell their bookings apart by their own idempotency keys."""
    async with testing.running_service(tmp_path_factory.mktemp("shop")) as shop:
        yield shop


@pytest.fixture
async def shop(running_shop: testing.Shop) -> AsyncIterator[testing.Shop]:
    """The shop, healthy again after the test."""
    yield running_shop
    await running_shop.clear_faults()


@pytest.fixture
async def own_shop(tmp_path: pathlib.Path) -> AsyncIterator[testing.Shop]:
    """A shop of the test's own, to be ended at will; its folder is `tmp_path`."""
    async with testing.running_service(tmp_path) as shop:
        yield shop
