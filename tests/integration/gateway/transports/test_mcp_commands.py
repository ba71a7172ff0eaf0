"""What if an MCP server that the gateway runs misbehaves? The truth is told, and no process is left."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from keelstep.domain import canonical, outcome
from keelstep.domain.outcome import Answer
from keelstep.kinds.contract import ToolContractSpec
from keelstep.testing import eventually
from keelstep_gateway.transports.commands import Commands
from tests.integration.gateway.transports import caller, sdk
from tests.integration.gateway.transports.caller import Caller, contract

PROGRAM = str(Path(__file__).with_name("bad_server.py"))


@pytest.fixture
def commands(tmp_path: Path) -> Commands:
    """The one program, with any arguments."""
    return sdk.allowing(tmp_path, [sys.executable, PROGRAM, "*", "*"], ["SHOP_*", "CANARY"])


@pytest_asyncio.fixture(loop_scope="session")
async def running(commands: Commands) -> AsyncIterator[Caller]:
    """A router that may run it."""
    async with caller.calling(commands=commands) as calls:
        yield calls


def server(
    mode: str, notes: Path, environment: list[dict[str, str]] | None = None, **fields: Any
) -> ToolContractSpec:
    """A contract of a tool of the program."""
    command = [sys.executable, PROGRAM, mode, str(notes / "notes")]
    return contract(
        {"mcp": {"tool": "t", "stdio": {"command": command, "environment": environment or []}}}, **fields
    )


def noted(folder: Path, method: str) -> list[dict[str, Any]]:
    """What the program was sent of one method."""
    lines = (folder / "notes").read_text().splitlines() if (folder / "notes").exists() else []
    return [each for each in map(json.loads, lines) if each.get("method") == method]


def is_running(pid: int) -> bool:
    """Is there such a process, and not a dead one nobody has asked after?"""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][:1] not in "ZX"
    except OSError:
        return False


FAULTS: dict[str, tuple[str, bool, str]] = {
    "hangs in initialize": ("Timeout", False, "failed"),
    "dies in initialize": ("ConnectionFailed", False, "failed"),
    "dies": ("ConnectionFailed", True, "unknown"),
    "silent": ("Timeout", True, "unknown"),
    "large": ("ResponseTooLarge", True, "unknown"),
    "nonsense": ("OutputInvalid", True, "unknown"),
}


@pytest.mark.parametrize(("mode", "expected"), FAULTS.items(), ids=FAULTS.keys())
async def test_a_server_that(
    running: Caller, tmp_path: Path, mode: str, expected: tuple[str, bool, str]
) -> None:
    """Before the call is sent nothing has happened; after it nobody knows."""
    spec = server(mode, tmp_path, sideEffect="Visible", consequenceTier=2)
    reason, was_sent, status = expected
    found = await running.none(spec, timeout_seconds=5.0 if reason == "Timeout" else 30.0)
    assert (found.reason, found.was_sent) == (reason, was_sent)
    assert outcome.judge(spec, found).status == status


@pytest.mark.parametrize("mode", ["twice", "chatty"])
async def test_a_server_that_says_more_than_it_was_asked_is_answered_once(
    running: Caller, tmp_path: Path, mode: str
) -> None:
    """A second answer, a greeting and an answer to nothing are dropped; the next call gets its own."""
    spec = server(mode, tmp_path)
    expected = {"twice": b'"one"', "chatty": b'"fine"'}[mode]
    for _ in range(3):
        found = await running.answer(spec)
        assert outcome.judge(spec, found).output == expected


async def test_a_servers_list_of_tools_is_never_asked_for(running: Caller, tmp_path: Path) -> None:
    """A contract has its own schemas, and this one pins nothing else; 5,000 tools beside it cost nothing."""
    await running.answer(server("plain", tmp_path))
    assert len(noted(tmp_path, "tools/call")) == 1
    assert not noted(tmp_path, "tools/list")


async def test_a_call_that_is_given_up_is_cancelled_at_the_server(running: Caller, tmp_path: Path) -> None:
    """It is told which, and the session takes no further calls."""
    await running.none(server("silent", tmp_path), timeout_seconds=5.0)
    (call,) = noted(tmp_path, "tools/call")
    told = await eventually.true(lambda: noted(tmp_path, "notifications/cancelled"), "the server is told")
    assert told[0]["params"]["requestId"] == call["id"]


async def test_a_server_gets_the_environment_that_the_contract_names(
    running: Caller, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing of the gateway's own: there are its keys."""
    monkeypatch.setenv("KEELSTEP_SIGNING_KEY", "not-for-tools")
    environment = [{"name": "SHOP_CITY", "value": "berlin"}, {"name": "SHOP_TOKEN", "key": "shop-token"}]
    spec = server("environment", tmp_path, environment)
    found = outcome.judge(spec, await running.answer(spec, secrets={"shop-token": "a-canary-token"}))
    assert found.output is not None
    given = canonical.loads(found.output)
    assert given.pop("LC_CTYPE", None) in (None, "C.UTF-8")  # Python's own
    assert given == {"SHOP_CITY": "berlin", "SHOP_TOKEN": "[redacted]"}


async def test_a_server_gets_the_idempotency_key(running: Caller, tmp_path: Path) -> None:
    """In the call's `_meta`, and in the argument that the contract names."""
    spec = server("echo", tmp_path, idempotency={"mode": "Keyed"})
    await running.answer(spec, {"n": 1})
    assert noted(tmp_path, "tools/call")[0]["params"]["_meta"]["keelstep.io/idempotency-key"] == "k-1"
    assert noted(tmp_path, "tools/call")[0]["params"]["arguments"] == {"n": 1}
    transport = spec.transport.wire()
    transport["mcp"]["idempotencyArgument"] = "request_id"
    await running.answer(contract(transport, idempotency={"mode": "Keyed"}), {"n": 1})
    assert noted(tmp_path, "tools/call")[1]["params"]["arguments"] == {"n": 1, "request_id": "k-1"}


REFUSED: dict[str, tuple[list[str], list[dict[str, str]]]] = {
    "another program": (["/bin/sh", PROGRAM, "plain", "x"], []),
    "a word more": ([sys.executable, PROGRAM, "plain", "x", "y"], []),
    "a variable that is not listed": (
        [sys.executable, PROGRAM, "plain", "x"],
        [{"name": "PYTHONPATH", "value": "/tmp"}],
    ),
}


@pytest.mark.parametrize("case", REFUSED.values(), ids=REFUSED.keys())
async def test_a_command_is_refused_that_the_installation_does_not_list_for(
    running: Caller, case: tuple[list[str], list[dict[str, str]]]
) -> None:
    """It would run with the gateway's own rights."""
    command, environment = case
    described = {"mcp": {"tool": "t", "stdio": {"command": command, "environment": environment}}}
    found = await running.none(contract(described))
    assert (found.reason, found.was_sent) == ("CommandRefused", False)


async def test_without_a_list_no_command_is_run(calls: Caller, tmp_path: Path) -> None:
    """The default."""
    found = await calls.none(server("plain", tmp_path))
    assert (found.reason, found.was_sent) == ("CommandRefused", False)
    assert not (tmp_path / "notes").exists()


async def pids(calls: Caller, spec: ToolContractSpec, **options: Any) -> list[int]:
    """The processes that a server says it is."""
    judged = outcome.judge(spec, await calls.answer(spec, **options))
    assert judged.output is not None
    return [int(each) for each in str(canonical.loads(judged.output)).split()]


async def test_a_server_ends_with_its_children_when_the_gateway_stops(
    commands: Commands, tmp_path: Path
) -> None:
    """The whole group, also one that does not end by itself."""
    async with caller.calling(commands=commands) as calls:
        found = await pids(calls, server("child", tmp_path)) + await pids(calls, server("deaf", tmp_path))
        assert len(found) == 3
        assert all(map(is_running, found))
    for pid in found:
        await eventually.true(lambda pid=pid: not is_running(pid), "the process is gone")  # type: ignore[misc]


async def test_a_server_ends_with_its_children_when_the_gateway_is_killed(tmp_path: Path) -> None:
    """Nobody is left to end it, so its leash does."""
    program = f"""
import asyncio, sys
from pathlib import Path
from tests.integration.gateway.transports import caller, sdk, test_mcp_commands as t
async def main():
    commands = sdk.allowing(Path({str(tmp_path)!r}), [sys.executable, t.PROGRAM, "*", "*"])
    async with caller.calling(commands=commands) as calls:
        print(*await t.pids(calls, t.server("child", Path({str(tmp_path)!r}))), flush=True)
        await asyncio.Event().wait()
asyncio.run(main())
"""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, stdout=asyncio.subprocess.PIPE, cwd=Path(__file__).parents[4]
    )
    try:
        assert process.stdout is not None
        async with asyncio.timeout(30):
            found = [int(each) for each in (await process.stdout.readline()).split()]
        assert len(found) == 2
        assert all(map(is_running, found))
    finally:
        os.kill(process.pid, signal.SIGKILL)
        await process.wait()
    for pid in found:
        await eventually.true(lambda pid=pid: not is_running(pid), "the process is gone")  # type: ignore[misc]


async def test_tenants_never_share_a_server(running: Caller, tmp_path: Path) -> None:
    """The same contract, another process; nor do two sets of secrets."""
    spec = server("deaf", tmp_path)
    shop = await pids(running, spec, tenant="shop")
    assert await pids(running, spec, tenant="shop") == shop
    assert await pids(running, spec, tenant="bank") != shop
    assert await pids(running, spec, tenant="shop", secrets={"shop-token": "rotated"}) != shop


async def test_a_new_server_takes_the_place_of_one_that_nobody_uses(
    commands: Commands, tmp_path: Path
) -> None:
    """Their number is bounded; where all are in use, the call is not made."""
    async with caller.calling(commands=commands, processes=1) as calls:
        (first,) = await pids(calls, server("deaf", tmp_path), tenant="one")
        (second,) = await pids(calls, server("deaf", tmp_path), tenant="two")
        assert not is_running(first)
        assert is_running(second)
        (tmp_path / "notes").unlink()
        waiting = asyncio.create_task(calls.call(server("silent", tmp_path), timeout_seconds=20.0))
        await eventually.true(lambda: noted(tmp_path, "tools/call"), "the only server is in use")
        found = await calls.none(server("deaf", tmp_path), tenant="three")
        assert (found.reason, found.was_sent) == ("Busy", False)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)


async def test_a_server_that_ended_since_is_started_again(running: Caller, tmp_path: Path) -> None:
    """A call finds out before it is sent, so it is not lost on a process that is gone."""
    spec = server("deaf", tmp_path, sideEffect="Visible", consequenceTier=2)
    (first,) = await pids(running, spec)
    os.kill(first, signal.SIGKILL)
    await eventually.true(lambda: not is_running(first), "the process is gone")

    async def is_answered() -> bool:
        return isinstance(await running.call(spec), Answer)

    await eventually.awaited(is_answered, "another process answers")
    assert await pids(running, spec) != [first]
