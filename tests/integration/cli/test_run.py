"""Can a person start a run, watch it, and stop watching?"""

import asyncio

import pytest

from tests.integration.cli.program import ended
from tests.integration.cli.terminal import Terminal, interrupted_after
from tests.integration.kinds import api
from tests.integration.views.written import Writers

PROMPT = {
    "template": "You help {{ customer }}.",
    "slots": [{"name": "customer"}, {"name": "order", "type": "integer"}, {"name": "tags", "type": "array"}],
}
GOAL = ("--goal", "Order 1042 arrived broken.")


async def test_a_run_is_started_in_ones_own_name(terminal: Terminal) -> None:
    """The author role is enough; who asks is what the API server says, and inputs take their slot's type."""
    await terminal.place("strategy", spec={"prompt": PROMPT})
    ada = await terminal.holder("keelstep-author", "ada@shop.example")
    inputs = ("--input", "customer=42", "--input", "order=1042", "--input", 'tags=["vip"]')
    said = await terminal.type(
        "run",
        "refund-agent",
        *GOAL,
        *inputs,
        "--budget",
        "0.50",
        "--deadline",
        "600",
        "--name",
        "r1",
        persona=ada,
    )
    assert said.output.startswith("Execution r1 created\n")
    found = (await terminal.type("status", "r1", "-o", "json")).data["spec"]
    assert found["requestedBy"] == "ada@shop.example"
    assert found["inputs"] == {"customer": "42", "order": 1042, "tags": ["vip"]}
    assert (found["budget"], found["deadlineSeconds"]) == ({"costUSD": "0.50"}, 600)


async def test_a_name_is_made_up(terminal: Terminal) -> None:
    """Who does not care gets one that nobody has."""
    await terminal.place("strategy")
    made = [
        (await terminal.type("run", "refund-agent", *GOAL, "-o", "json")).data["metadata"]["name"]
        for _ in range(2)
    ]
    assert len(set(made)) == 2
    assert all(name.startswith("refund-agent-") for name in made)


async def _await_printed(process: asyncio.subprocess.Process, sign: str) -> str:
    assert process.stdout is not None
    seen = b""
    async with asyncio.timeout(30):
        while sign.encode() not in seen:
            read = await process.stdout.read(4096)
            assert read, seen
            seen += read
    return seen.decode()


@pytest.mark.parametrize(("phase", "status"), [("Succeeded", 0), ("Failed", 1), ("Killed", 1)])
async def test_watching_ends_with_the_run(
    phase: str, status: int, terminal: Terminal, writers: Writers
) -> None:
    """Events are printed as they come, and the exit code says whether it succeeded."""
    await terminal.place("strategy")
    process = await terminal.start(
        "run", "refund-agent", *GOAL, "--name", "refund-1042", "--watch", "-n", terminal.namespace
    )
    seen = await _await_printed(process, "refund-1042 is Pending")
    run = await writers.bound(terminal.namespace, "refund-1042")
    await run.start()
    seen += await _await_printed(process, "attempt 1 in pod")
    await run.turn(1)
    await run.finish()
    execution = {"apiVersion": "keelstep.io/v1alpha1", "kind": "Execution"}
    manifest: api.Object = {**execution, "metadata": {"name": "refund-1042", "namespace": terminal.namespace}}
    await terminal.write_status(manifest, {"phase": phase, "outcome": "that is how it ended"})
    said = await ended(process)
    seen += said.stdout
    assert said.status == status, said.stderr
    assert seen.count("exec.finished") == 1
    assert f"· refund-1042 is {phase}: that is how it ended" in seen
    assert said.stderr == ""


async def test_ctrl_c_stops_the_looking_and_not_the_run(terminal: Terminal, writers: Writers) -> None:
    """Exit 130, one line how to look again, and the Execution is untouched."""
    await terminal.place("execution")
    await (await writers.bound(terminal.namespace, "refund-1042")).start()
    process = await terminal.start("trace", "refund-1042", "--follow", "-n", terminal.namespace)
    said = await interrupted_after(process, "exec.attempt")
    where = f"refund-1042 -f -n {terminal.namespace}"
    assert said.stderr == f"no longer looking; the run goes on: keelstep trace {where}\n"
    assert said.status == 130
    found = (await terminal.type("status", "refund-1042", "-o", "json")).data
    assert (found["spec"]["suspend"], found["spec"]["cancel"]) == (False, False)


async def test_a_reader_that_has_enough_is_no_fault(terminal: Terminal, writers: Writers) -> None:
    """`keelstep log … | head` ends without a word."""
    run = await writers.bound(terminal.namespace, "long")
    await run.start()
    await run.hold(400)
    process = await terminal.start("log", "long", "-o", "lines", "-n", terminal.namespace)
    assert process.stdout is not None
    await process.stdout.readline()
    process.stdout._transport.close()  # type: ignore[attr-defined]  # what `head` does
    assert process.stderr is not None
    assert await process.stderr.read() == b""
    assert await process.wait() == 0
