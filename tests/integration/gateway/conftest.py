"""A broker, a shop, a model and a gateway for all tests of this folder; each test has a tenant of its own."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import yaml

from examples.refund import render, testing
from keelstep.testing.broker import RunningBroker
from tests.integration.gateway import programs
from tests.integration.gateway.driver import Run, Spec, Stage
from tests.integration.gateway.programs import Fleet, Program

SCRIPT = Path(__file__).parent / "script.yaml"
PRICES = Path(__file__).parent / "prices.yaml"

Begin = Callable[..., Awaitable[Run]]


@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def stage(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    """A broker of this folder's own: gateways on a shared one would answer other folders' calls."""
    async with RunningBroker(tmp_path_factory.mktemp("broker")) as broker:
        yield await Stage.open(broker)


@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def running_shop(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[testing.Shop]:
    """One shop for all tests."""
    async with testing.running_service(tmp_path_factory.mktemp("shop")) as shop:
        yield shop


@pytest_asyncio.fixture(loop_scope="session")
async def shop(running_shop: testing.Shop) -> AsyncIterator[testing.Shop]:
    """The shop, healthy again after the test."""
    yield running_shop
    await running_shop.clear_faults()


@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def model() -> AsyncIterator[str]:
    """The scripted model with this folder's script."""
    async with testing.running_model(SCRIPT) as url:
        yield url


@pytest.fixture(scope="package")
def running_fleet(stage: Stage, model: str, tmp_path_factory: pytest.TempPathFactory) -> Fleet:
    """What gateways are started with."""
    folder = tmp_path_factory.mktemp("fleet")
    for each in ("output", "credentials"):
        (folder / each).mkdir()
    return Fleet(
        broker=stage.broker,
        folder=folder / "output",
        prices=PRICES,
        providers=programs.write_providers(folder / "providers.yaml", model),
        credentials=folder / "credentials",
    )


@pytest.fixture
def fleet(running_fleet: Fleet, running_shop: testing.Shop, tenant: str) -> Fleet:
    """The same, with the shop's token granted by this test's tenant."""
    running_fleet.grant(tenant, render.TOKEN_KEY, running_shop.token)
    return running_fleet


@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def shared_gateway(running_fleet: Fleet) -> AsyncIterator[Program]:
    """One gateway for every test that does not hurt it."""
    async with running_fleet.gateway(preload_models="true", model_timeout_seconds="5") as program:
        yield program


@pytest_asyncio.fixture(loop_scope="session")
async def gateway(shared_gateway: Program, fleet: Fleet) -> Program:
    """The shared gateway."""
    assert shared_gateway.is_running, shared_gateway.output.read_text()[-3000:]
    return shared_gateway


@pytest.fixture
def contracts(shop: testing.Shop) -> dict[str, Spec]:
    """The example's contracts by name, as specs that a test may change."""
    text = render.render(shop.url, shop.token)["contracts.yaml"]
    return {each["metadata"]["name"]: each["spec"] for each in yaml.safe_load_all(text)}


@pytest.fixture
def strategy(shop: testing.Shop) -> Spec:
    """The example's strategy, as a spec that a test may change."""
    text = render.render(shop.url, shop.token)["strategies.yaml"]
    found: Spec = next(iter(yaml.safe_load_all(text)))["spec"]
    return found


@pytest.fixture
def begin(stage: Stage, tenant: str, strategy: Spec, contracts: dict[str, Spec]) -> Begin:
    """Starts runs of this test's tenant, with the strategy and contracts as the test has changed them."""

    async def begun(**options: Any) -> Run:
        return await Run.start(stage, tenant, strategy, contracts, **options)

    return begun


@pytest_asyncio.fixture(loop_scope="session")
async def own_stage(own_broker: RunningBroker) -> Stage:
    """A broker that no other gateway serves."""
    return await Stage.open(own_broker)


@pytest.fixture
def own_fleet(
    own_stage: Stage, fleet: Fleet, shop: testing.Shop, tenant: str, model: str, tmp_path: Path
) -> Fleet:
    """Gateways of that broker."""
    fleet.grant(tenant, render.TOKEN_KEY, shop.token)
    return Fleet(
        broker=own_stage.broker,
        folder=fleet.folder,
        prices=fleet.prices,
        providers=programs.write_providers(tmp_path / "providers.yaml", model),
        credentials=fleet.credentials,
    )


@pytest.fixture
def own_begin(own_stage: Stage, tenant: str, strategy: Spec, contracts: dict[str, Spec]) -> Begin:
    """Starts runs there."""

    async def begun(**options: Any) -> Run:
        return await Run.start(own_stage, tenant, strategy, contracts, **options)

    return begun
