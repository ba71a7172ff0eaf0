"""What gateways note of tools that are not the reviewed ones reaches whoever shows it, and nothing is noted twice."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest_asyncio

from keelstep.domain import drift
from keelstep.events import clock
from keelstep.kinds.transport import Mcp
from keelstep.log import drifts, subjects, tail
from keelstep.log.identities import Role
from keelstep.testing import eventually
from keelstep.testing.broker import RunningBroker

TOOL = drift.Tool(description="Close one incident.", input={"type": "object"})
MCP = Mcp.model_validate(
    {
        "tool": "close",
        "http": {"url": "https://incidents.shop.example/mcp"},
        "pinned": drift.digest(TOOL).wire(),
    }
)
WORDS = "the MCP server says something else of the tool: description"


@pytest_asyncio.fixture(loop_scope="session")
async def board(broker: RunningBroker) -> AsyncIterator[drifts.Board]:
    """What the operator knows."""
    client = await broker.connect(Role.OPERATOR)
    told: list[tuple[str, str]] = []
    running = drifts.Board(nc=client, on_change=lambda tenant, key: told.append((tenant, key)))
    task = asyncio.create_task(running.run())
    try:
        yield running
        assert not task.done()
        assert all(key == drift.key(MCP) for _, key in told)
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        await client.close()


@pytest_asyncio.fixture(loop_scope="session")
async def notes(broker: RunningBroker) -> AsyncIterator[drifts.Notes]:
    """A gateway's."""
    client = await broker.connect(Role.GATEWAY)
    yield drifts.Notes(nc=client)
    await client.close()


async def settled(notes: drifts.Notes, tenant: str, message: str) -> int:
    """Tell it and wait until it is dealt with; how far the stream is then."""
    notes.tell(tenant, MCP, message)
    await notes.flush()
    return (await tail.place(notes.nc, subjects.LIMITS_STREAM)).last


async def test_a_drift_is_shown_until_the_tool_is_as_it_was(
    board: drifts.Board, notes: drifts.Notes, broker: RunningBroker, tenant: str
) -> None:
    """Noted by one gateway, taken back by another one that meets the tool as reviewed."""
    await settled(notes, tenant, WORDS)
    await eventually.true(lambda: board.note(tenant, MCP), "the note is heard of")
    found = board.note(tenant, MCP)
    assert found is not None
    assert (found.message, found.is_drifted) == (WORDS, True)
    other = await broker.connect(Role.GATEWAY)
    await settled(drifts.Notes(nc=other), tenant, "")

    def is_lifted() -> bool:
        note = board.note(tenant, MCP)
        return note is not None and not note.is_drifted

    await eventually.true(is_lifted, "it is taken back")
    await other.close()


async def test_what_is_known_is_not_written_again(notes: drifts.Notes, tenant: str) -> None:
    """A tool that was always as reviewed has no note; one that drifted has one for many calls."""
    before = await settled(notes, tenant, "")
    assert await settled(notes, tenant, "") == before
    after = await settled(notes, tenant, WORDS)
    assert after == before + 1
    assert await settled(notes, tenant, WORDS) == after


async def test_a_note_is_written_again_before_the_stream_forgets_it(notes: drifts.Notes, tenant: str) -> None:
    """While calls are still refused a day later."""
    after = await settled(notes, tenant, WORDS)
    notes.now = lambda: clock.now() + (drifts.AGAIN_SECONDS + 1) * clock.SECOND
    assert await settled(notes, tenant, WORDS) == after + 1


def test_a_note_is_of_one_reviewed_tool_of_one_server() -> None:
    """Contracts that call the same reviewed tool share it; another review, tool or server has its own."""
    others = (
        {"pinned": drift.digest(drift.Tool(description="Close them all.")).wire()},
        {"tool": "open"},
        {"http": {"url": "https://other.shop.example/mcp"}},
    )
    keys = {drift.key(Mcp.model_validate({**MCP.wire(), **each})) for each in others}
    same = Mcp.model_validate({**MCP.wire(), "onError": "NotPerformed"})
    assert drift.key(same) == drift.key(MCP)
    assert len(keys | {drift.key(MCP)}) == 4
