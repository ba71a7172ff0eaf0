"""A server and a caller for each test, and an authority of all tests' own."""

import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

import keelstep_gateway.transports.mcp  # noqa: F401 a second or more, that no call of a test should wait for
from tests.integration.gateway.transports import caller, certificates, server
from tests.integration.gateway.transports.caller import Caller
from tests.integration.gateway.transports.certificates import Authority
from tests.integration.gateway.transports.server import Server


@pytest_asyncio.fixture(loop_scope="session")
async def web() -> AsyncIterator[Server]:
    """A server of this test's own."""
    async with server.running() as found:
        yield found


@pytest_asyncio.fixture(loop_scope="session")
async def calls() -> AsyncIterator[Caller]:
    """A router of this test's own."""
    async with caller.calling() as found:
        yield found


@pytest.fixture(scope="session")
def vouching() -> Authority:
    """Vouches for the servers of tests."""
    return Authority()


@pytest.fixture(scope="session")
def authority(vouching: Authority) -> str:
    """Its certificate."""
    return vouching.pem


@pytest.fixture
def tls(vouching: Authority, tmp_path: Path) -> ssl.SSLContext:
    """What a server on loopback shows."""
    return certificates.server_side(vouching.issue("shop.example", "127.0.0.1"), tmp_path)
