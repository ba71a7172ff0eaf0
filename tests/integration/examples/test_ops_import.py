"""Are the ops example's contracts what its tools offer, and do its tools keep what the contracts promise?"""

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest_asyncio
import yaml
from aiohttp import test_utils

from examples.ops import fleet, render
from keelstep.testing import eventually, ports
from tests.integration.cli import program

ROOT = Path(__file__).resolve().parents[3]
TOKEN = "generated-for-this-test"


@pytest_asyncio.fixture(loop_scope="session", scope="module")
async def alerts() -> AsyncIterator[str]:
    """The alerts, as a process of their own; their address."""
    port = ports.one()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "examples.ops.alerts", "--port", str(port)), cwd=ROOT
    )
    url = f"http://127.0.0.1:{port}"

    async def answers() -> bool:
        with contextlib.suppress(aiohttp.ClientError):
            async with aiohttp.ClientSession() as session, session.get(f"{url}/silences") as reply:
                return reply.status == 200
        return False

    try:
        await eventually.awaited(answers, "the alerts answer", within_seconds=30)
        yield url
    finally:
        process.terminate()
        await process.wait()


def specs(text: str) -> dict[str, Any]:
    """The spec of each contract, by its name."""
    found = [each for each in yaml.safe_load_all(text) if each and each["kind"] == "ToolContract"]
    return {each["metadata"]["name"]: each["spec"] for each in found}


async def test_the_reviewed_contracts_call_what_was_imported_and_are_pinned_to_it(alerts: str) -> None:
    """All three imports of the README: names, transports with their pins, and keys are as they were written."""
    server = "http://127.0.0.1:8812"
    said = [
        await program.run("contract", "import", *words)
        for words in (
            ("mcp", "--name-prefix", "runbooks", "--", *render.COMMAND),
            ("mcp", f"{alerts}/mcp", "--name-prefix", "alerts"),
            ("openapi", str(ROOT / "examples" / "ops" / "openapi.yaml"), "--name-prefix", "fleet"),
        )
    ]
    assert [each.status for each in said] == [0, 0, 0], [each.stderr for each in said]
    imported = specs("".join(each.output for each in said))
    reviewed = specs(render.render(alerts, server, TOKEN)["contracts.yaml"])
    assert list(reviewed) == list(imported)
    for name, spec in reviewed.items():
        assert spec["transport"] == imported[name]["transport"], name
        assert spec["description"] == imported[name]["description"], name
        assert spec["consequenceTier"] <= imported[name]["consequenceTier"], name
        assert spec.get("idempotency", {}).get("mode") == imported[name].get("idempotency", {}).get("mode")


async def test_the_fleet_changes_once_per_key_and_says_what_was_before() -> None:
    """So that a repeated call does no harm, and the answer is enough to undo it."""
    async with test_utils.TestClient(test_utils.TestServer(fleet.application(TOKEN))) as client:

        async def scale(replicas: Any, key: str = "k1", token: str = TOKEN) -> tuple[int, Any]:
            headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": key}
            body = {"replicas": replicas}
            async with client.post("/services/checkout/scale", json=body, headers=headers) as reply:
                return reply.status, await reply.json()

        done = (200, {"service": "checkout", "replicas": 6, "previous": 3})
        assert await scale(6) == done
        assert await scale(6) == done
        assert (await scale(3, "undo-k1"))[1]["previous"] == 6
        assert [(await scale(*words))[0] for words in ((99, "k2"), ("6", "k3"), (6, ""))] == [422, 422, 400]
        assert (await scale(6, "k4", "wrong"))[0] == 401
        async with client.get("/changes") as reply:
            assert len((await reply.json())["changes"]) == 2
