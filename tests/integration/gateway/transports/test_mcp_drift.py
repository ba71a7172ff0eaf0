"""What if an MCP server says something else of a tool than what was reviewed? The call is refused before it is sent."""

import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from keelstep.domain import drift, outcome
from keelstep.kinds.contract import ToolContractSpec
from keelstep.testing import eventually, ports
from keelstep_gateway.transports import mcp_pins
from tests.integration.gateway.transports import caller, sdk
from tests.integration.gateway.transports.caller import Caller, contract
from tests.integration.gateway.transports.test_mcp_commands import PROGRAM, noted, server

HERE = Path(__file__).parent
CHANGING = str(HERE / "changing_server.py")
TOOL: dict[str, Any] = {
    "name": "t",
    "description": "Close one incident.",
    "inputSchema": {"type": "object", "properties": {"id": {"type": "string"}}},
}
PINNED = drift.digest(drift.read(TOOL)).wire()
CHANGED: dict[str, tuple[dict[str, Any] | None, str]] = {
    "another description": (TOOL | {"description": "Close them all."}, "of the tool: description"),
    "another schema": (TOOL | {"inputSchema": {"type": "object"}}, "of the tool: input"),
    "another hint": (TOOL | {"annotations": {"destructiveHint": True}}, "of the tool: annotations"),
    "no such tool": (None, "does not offer the tool any more"),
}


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a server said is believed for one call only."""
    monkeypatch.setattr(mcp_pins, "FRESH_SECONDS", 0.0)


@pytest_asyncio.fixture(loop_scope="session")
async def running(tmp_path: Path) -> AsyncIterator[Caller]:
    """A router that may run the tests' servers."""
    async with caller.calling(commands=sdk.allowing(tmp_path, [sys.executable, CHANGING, "*"])) as calls:
        yield calls


@pytest_asyncio.fixture(loop_scope="session", params=["by standard input", "by HTTP"])
async def where(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[dict[str, Any]]:
    """A contract's way to the changing server."""
    said = str(tmp_path / "said.json")
    if request.param == "by standard input":
        yield {"stdio": {"command": [sys.executable, CHANGING, said]}}
        return
    port = ports.one()
    module = [__package__ + ".changing_server", said, str(port)]
    root = HERE.parents[3]
    async with sdk.serving(root, root, module, port) as url:
        yield {"http": {"url": url}}


def says(folder: Path, tool: dict[str, Any] | None) -> None:
    """What the server says from now on."""
    if tool is None:
        (folder / "said.json").unlink()
    else:
        (folder / "said.json").write_text(json.dumps(tool))


def pinned(where: dict[str, Any], **fields: Any) -> ToolContractSpec:
    """A contract of the tool as it was reviewed."""
    return contract({"mcp": {"tool": "t", "pinned": PINNED, **where}}, **fields)


@pytest.mark.parametrize("sentence", CHANGED)
async def test_a_tool_that_changed_between_two_calls_is_not_called_until_it_is_as_it_was(
    running: Caller, where: dict[str, Any], tmp_path: Path, sentence: str
) -> None:
    """Whatever changed: refused as not sent, so nothing happened; and the server's words are not repeated."""
    spec = pinned(where, sideEffect="Irreversible", consequenceTier=3)
    says(tmp_path, TOOL)
    await running.answer(spec)
    tool, part = CHANGED[sentence]
    says(tmp_path, tool)
    found = await running.none(spec)
    assert (found.reason, found.was_sent) == ("Drifted", False)
    assert found.message.endswith(part)
    judged = outcome.judge(spec, found)
    assert judged.status == "failed"
    says(tmp_path, TOOL)
    await running.answer(spec)


async def test_a_contract_that_pins_nothing_calls_whatever_is_there(
    running: Caller, where: dict[str, Any], tmp_path: Path
) -> None:
    """Nobody wrote down what was reviewed, so nothing can be compared."""
    says(tmp_path, CHANGED["another schema"][0])
    await running.answer(contract({"mcp": {"tool": "t", **where}}))


LISTS: dict[str, str] = {
    "dies in its list": "ConnectionFailed",
    "lists for ever": "OutputInvalid",
    "lists nonsense": "OutputInvalid",
    "lists nothing": "OutputInvalid",
    "lists much": "ResponseTooLarge",
}
PLAIN = drift.digest(drift.read({"inputSchema": {"type": "object"}})).wire()


def listing(mode: str, folder: Path) -> ToolContractSpec:
    """A pinned contract of the server that misbehaves."""
    spec = server(mode, folder)
    assert spec.transport.mcp is not None
    described = spec.transport.mcp.wire() | {"pinned": PLAIN}
    return contract({"mcp": described}, sideEffect="Irreversible", consequenceTier=3)


@pytest_asyncio.fixture(loop_scope="session")
async def bad(tmp_path: Path) -> AsyncIterator[Caller]:
    """A router that may run the server that misbehaves."""
    allowed = sdk.allowing(tmp_path, [sys.executable, PROGRAM, "*", "*"])
    async with caller.calling(commands=allowed) as calls:
        yield calls


@pytest.mark.parametrize("mode", LISTS)
async def test_a_server_whose_list_is_no_answer_is_not_called(bad: Caller, tmp_path: Path, mode: str) -> None:
    """Nobody knows what the tool is now, and nothing has happened."""
    found = await bad.none(listing(mode, tmp_path))
    assert (found.reason, found.was_sent) == (LISTS[mode], False)
    assert not noted(tmp_path, "tools/call")


async def test_a_list_is_asked_for_once_and_believed_for_a_while(
    bad: Caller, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """5,000 tools beside it are read once for many calls of a session."""
    monkeypatch.setattr(mcp_pins, "FRESH_SECONDS", 3600.0)
    spec = listing("echo", tmp_path).model_copy(update={"side_effect": "ReadOnly", "consequence_tier": 0})
    for _ in range(3):
        await bad.answer(spec)
    assert len(noted(tmp_path, "tools/list")) == 1


async def test_a_server_that_tells_that_its_list_changed_is_asked_again(
    bad: Caller, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However long its list would be believed else; it tells so with each call here."""
    monkeypatch.setattr(mcp_pins, "FRESH_SECONDS", 3600.0)
    spec = listing("plain", tmp_path)

    async def listed_again() -> bool:
        await bad.answer(spec)
        return len(noted(tmp_path, "tools/list")) > 1

    await eventually.awaited(listed_again, "the list is asked for again", within_seconds=30)
