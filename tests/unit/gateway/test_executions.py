"""Is there ever more than one hold on an execution? Two would not know each other's calls in flight."""

import asyncio
import weakref

import pytest
from nacl.signing import SigningKey

from keelstep.events import signing
from keelstep.log import client, follow
from keelstep.log.objects import Objects
from keelstep.log.reader import StreamReader
from keelstep_gateway.executions import Executions
from keelstep_gateway.metrics import Metrics

TENANT = "shop"


@pytest.fixture
def executions() -> Executions:
    """A gateway's, which keeps one hold; nothing here asks a broker."""
    nc = client.Connection()
    return Executions(
        nc=nc,
        reader=StreamReader(nc, 0),
        objects=Objects(nc),
        signer=signing.Signer("test", SigningKey.generate()),
        keyring=signing.Keyring({}, {}),
        metrics=Metrics(),
        shard=0,
        most=1,
        concurrency=1,
    )


async def test_a_hold_that_somebody_works_with_is_found_again(executions: Executions) -> None:
    """However many came after it, and whoever dropped it: a request may hold it that has not begun its call yet."""
    first = executions.hold(TENANT, "x")
    executions.hold(TENANT, "y")
    assert len(executions) == 1
    assert executions.hold(TENANT, "x") is first
    executions.forget(TENANT, "x")
    assert not executions.is_held(TENANT, "x")
    assert executions.hold(TENANT, "x") is first


async def test_a_hold_that_was_dropped_still_hears_and_still_flies(executions: Executions) -> None:
    """Else whoever works with it decides on what is old, and an end waits for nobody."""
    first = executions.hold(TENANT, "x")
    executions.forget(TENANT, "x")
    heard = follow.Heard(tenant=TENANT, xid="x", writer="gw", position=7, stored_at=1, type="tool.called")
    executions.hear(heard)
    assert first.heard == 7
    may_end, has_begun = asyncio.Event(), asyncio.Event()

    async def work() -> None:
        has_begun.set()
        await may_end.wait()

    flying = asyncio.create_task(first.fly("k", work))
    await has_begun.wait()
    assert len(executions.flights()) == 1
    may_end.set()
    await flying


async def test_a_hold_that_nobody_works_with_is_gone(executions: Executions) -> None:
    """A cache that is never emptied is a leak."""
    gone = weakref.ref(executions.hold(TENANT, "x"))
    assert gone() is not None
    executions.hold(TENANT, "y")
    assert gone() is None
