"""The process that checks signatures."""

import os
import signal
from collections.abc import AsyncIterator

import pytest_asyncio

from keelstep.store.feed import Arrival
from keelstep.store.verifier import LARGE, Verifier
from keelstep.testing import builders
from tests.unit.store.test_rows import arrival


@pytest_asyncio.fixture(loop_scope="session")
async def verifier() -> AsyncIterator[Verifier]:
    """One that knows the builders' keys."""
    made = Verifier(builders.KEYRING)
    yield made
    await made.close()


def _batch(size: int) -> list[Arrival]:
    run = builders.log().started()
    while len(run.messages) < size - 2:
        run.suspended().resumed()
    run.garbage(b"unsigned")
    run.forge("exec.killed", run.events[0].data, writer="op", signature=run.messages[0].signature)
    return [arrival(run, stored) for stored in run.messages]


async def test_every_message_is_answered_in_order(verifier: Verifier) -> None:
    """Asked of the process or not: the same answers."""
    for size in (5, LARGE - 1, LARGE + 3, 1001):
        batch = _batch(size)
        assert list(await verifier.check(batch)) == [True] * (len(batch) - 2) + [False, False]


async def test_a_process_that_died_is_replaced(verifier: Verifier) -> None:
    """Its batch is checked here, the next one by a new process."""
    batch = _batch(LARGE)
    await verifier.check(batch)
    first = verifier._process
    assert first is not None
    os.kill(first.pid, signal.SIGKILL)
    await first.wait()
    assert sum(await verifier.check(batch)) == len(batch) - 2
    assert sum(await verifier.check(batch)) == len(batch) - 2
    assert verifier._process is not None
    assert verifier._process.pid != first.pid


async def test_a_header_that_is_no_text_vouches_for_nothing(verifier: Verifier) -> None:
    """A runner may send any bytes as a signature."""
    run = builders.log().started()
    while len(run.messages) < LARGE:
        run.forge("exec.started", run.events[0].data, writer="a1", signature="op-test:\udcff")
    assert sum(await verifier.check([arrival(run, stored) for stored in run.messages])) == 1
