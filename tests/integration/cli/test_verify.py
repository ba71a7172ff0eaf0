"""Does `verify` say whether a log can be trusted, and whether the status tells the same?"""

import pytest

from tests.integration.cli.terminal import Terminal
from tests.integration.kinds import api
from tests.integration.views.written import Writers, Written


async def _run(terminal: Terminal, writers: Writers) -> tuple[Written, api.Object]:
    """A finished run with its Execution."""
    run = await (await writers.bound(terminal.namespace, "refund-1042")).refund()
    return run, await terminal.place("execution")


async def _status(terminal: Terminal, run: Written) -> api.Object:
    """What the operator would write of it."""
    found = (await terminal.type("verify", run.name, "-o", "json")).data
    return {
        "phase": "Succeeded",
        "executionID": run.xid,
        "observedSeq": found["head"]["seq"],
        "observedHash": found["head"]["digest"],
        "costUSD": found["totals"]["costUSD"],
        "tokens": found["totals"]["tokens"],
        "step": found["totals"]["steps"],
    }


async def test_an_honest_run_is_verified(terminal: Terminal, writers: Writers) -> None:
    """Exit 0: chain, signatures and sequence hold, and the status agrees."""
    run, execution = await _run(terminal, writers)
    await terminal.write_status(execution, await _status(terminal, run))
    output = (await terminal.type("verify", "refund-1042")).output
    assert "Verdict:     Verified" in output
    assert "Status:      agrees with the log" in output
    assert (await terminal.type("verify", "refund-1042", "-o", "json")).data["agreesWithStatus"] is True


DIFFERENCES: dict[str, tuple[api.Object, str]] = {
    "a status that has seen more than there is": ({"observedSeq": 99}, "the log ends with event 16"),
    "a status that has seen another event": ({"observedHash": "0" * 64}, "the log was replaced"),
    "a status that lags but saw another event": (
        {"observedSeq": 3, "observedHash": "0" * 64},
        "event 3 is not the one",
    ),
    "a status that tells of other money": ({"costUSD": "0.1"}, "status.costUSD is 0.1, the log says 0.00575"),
    "a status that tells of other steps": ({"step": 4}, "status.step is 4, the log says 5"),
    "a status of another log": (
        {"executionID": "somebody-elses"},
        "the status belongs to log somebody-elses",
    ),
}


@pytest.mark.parametrize("case", DIFFERENCES)
async def test_a_status_that_differs_is_broken(case: str, terminal: Terminal, writers: Writers) -> None:
    """Exit 1 and a sentence: either the status or the log is not what it was."""
    changes, finding = DIFFERENCES[case]
    run, execution = await _run(terminal, writers)
    await terminal.write_status(execution, {**await _status(terminal, run), **changes})
    said = await terminal.type("verify", "refund-1042")
    assert said.status == 1
    assert "Verdict:     Broken" in said.stdout
    assert finding in said.stdout


async def test_a_status_may_lag(terminal: Terminal, writers: Writers) -> None:
    """While a run goes on, its status is some events behind: that is no difference."""
    run, execution = await _run(terminal, writers)
    trace = (await terminal.type("trace", "refund-1042", "-o", "json")).data
    status = {
        "phase": "Running",
        "executionID": run.xid,
        "observedSeq": 4,
        "observedHash": trace["lines"][3]["digest"],
    }
    await terminal.write_status(execution, status)
    assert "agrees with the log" in (await terminal.type("verify", "refund-1042")).output


async def test_a_tampered_log_is_broken(terminal: Terminal, writers: Writers) -> None:
    """Exit 1, and the findings name message, writer and reason; as JSON too."""
    run = await (await writers.bound(terminal.namespace, "refund-1")).refund()
    position = await run.forge("op", b"{}")
    said = await terminal.type("verify", "refund-1")
    assert said.status == 1
    assert f"- message {position} on subject op is void, NotAnEvent: its bytes are no event" in said.stdout
    assert f"missing or wrong on messages {position}" in said.stdout
    assert (await terminal.type("verify", "refund-1", "-o", "json")).status == 1
    assert "see `keelstep verify`" in (await terminal.type("trace", "refund-1")).output


async def test_a_run_without_its_resource_is_verified_all_the_same(
    terminal: Terminal, writers: Writers
) -> None:
    """The log outlives the resource: there is nothing to compare, and that is said."""
    await (await writers.bound(terminal.namespace, "refund-1")).refund()
    output = (await terminal.type("verify", "refund-1")).output
    assert "Status:      not compared" in output
