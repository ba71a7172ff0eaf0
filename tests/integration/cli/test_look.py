"""Does a person with a kubeconfig and the role viewer see what a run did?"""

import json

import pytest

from tests.integration.cli.terminal import Terminal
from tests.integration.views import stage
from tests.integration.views.written import Writers

VIEWER = "keelstep-viewer"
HEADER = """\
Execution:     NAMESPACE/refund-1
Phase:         Succeeded (CriteriaMet)
Strategy:      refund-agent 1.4.0
Requested by:  ada@shop.example
Steps:         5 in 16 events, 3000 tokens

Cost 0.00575 of 0.5 USD
WHAT                     CALLS   USD       SHARE   TIME
model scripted/model-1   3       0.00375   65 %    TIME
tool refund.issue        1       0.002     35 %    TIME
tool orders.get          1       0         0 %     TIME

Time TIME
WHERE                TIME     SHARE
models thinking      TIME
tools working        TIME
waiting for people   TIME
machinery            TIME
"""


async def test_one_screen_says_why_it_cost_what_it_cost(terminal: Terminal, writers: Writers) -> None:
    """`trace` begins with cost by model and tool and time by what used it, and then tells every event."""
    await (await writers.bound(terminal.namespace, "refund-1")).refund()
    vera = await terminal.holder(VIEWER, "vera@shop.example")
    output = (await terminal.type("trace", "refund-1", persona=vera)).output
    header, events = output.split("\n\nSEQ", 1)
    assert stage.spans_masked(header).replace(terminal.namespace, "NAMESPACE") == stage.spans_masked(HEADER)
    assert len(output.splitlines()) <= 50, "it fits on one screen"
    lines = events.splitlines()
    assert len(lines) == 17
    assert "refund.issue       tier 3, key 000000000000, approved by event 11" in events
    assert "approved by grace@shop.example: photo shows the damage" in events


async def test_a_trace_is_data_too(terminal: Terminal, writers: Writers) -> None:
    """JSON and YAML hold the whole trace, every page of it."""
    run = await writers.bound(terminal.namespace, "long")
    await run.start()
    await run.hold(600)
    found = (await terminal.type("trace", "long", "-o", "json")).data
    assert [line["seq"] for line in found["lines"]] == list(range(1, 1203))
    assert "kind: ExecutionTrace" in (await terminal.type("trace", "long", "-o", "yaml")).output


async def test_a_log_is_shown_as_it_is_stored(terminal: Terminal, writers: Writers) -> None:
    """Every message with writer, key and digest; as lines, one JSON object each."""
    run = await (await writers.bound(terminal.namespace, "refund-1")).refund()
    await run.forge("a1", b"\x1b[2J not an event")
    table = (await terminal.type("log", "refund-1")).output
    assert "Void: NotAnEvent" in table
    records = [
        json.loads(line)
        for line in (await terminal.type("log", "refund-1", "-o", "lines")).output.splitlines()
    ]
    assert [record["type"] for record in records[:2]] == ["exec.started", "exec.attempt"]
    assert records[0]["envelope"]["data"]["requester"] == "ada@shop.example"
    assert records[-1]["outcome"] == "Void"
    assert (await terminal.type("log", "refund-1", "-o", "json")).data == records


async def test_a_model_cannot_write_to_the_terminal(terminal: Terminal, writers: Writers) -> None:
    """Escape sequences in text that others wrote are shown, never obeyed."""
    run = await writers.bound(terminal.namespace, "refund-1")
    await run.start()
    from keelstep.events import types

    held = types.Interruption(by="mallory", reason="\x1b[2J\u202ereversed\nsecond line")
    await run.write("op", "exec.suspended", held)
    output = (await terminal.type("trace", "refund-1")).output
    assert "\x1b" not in output
    assert "\u202e" not in output
    assert "reversed second line" in output


async def test_status_lists_and_shows(terminal: Terminal) -> None:
    """All runs on a line each, one on a screen, either as data."""
    execution = await terminal.place("execution")
    condition = {
        "type": "Succeeded",
        "status": "False",
        "reason": "BudgetExhausted",
        "message": "it cost more than it may",
        "lastTransitionTime": "2026-11-21T08:00:00Z",
    }
    status = {
        "phase": "Failed",
        "reason": "BudgetExhausted",
        "step": 3,
        "costUSD": "0.51",
        "conditions": [condition],
    }
    await terminal.write_status(execution, status)
    header, line = (await terminal.type("status")).output.splitlines()
    assert header.split() == ["NAME", "PHASE", "REASON", "STRATEGY", "STEP", "COST", "GATE", "AGE"]
    assert line.split()[:6] == ["refund-1042", "Failed", "BudgetExhausted", "refund-agent", "3", "0.51"]
    shown = (await terminal.type("status", "refund-1042")).output
    assert "Cost:          0.51 USD" in shown
    assert "it cost more than it may" in shown
    found = (await terminal.type("status", "refund-1042", "-o", "json")).data
    assert (found["status"]["phase"], "managedFields" in found["metadata"]) == ("Failed", False)
    assert terminal.namespace in (await terminal.type("status", "-A")).output


async def test_an_empty_namespace_says_so(terminal: Terminal) -> None:
    """Nothing is an answer, and exit 0."""
    assert (await terminal.type("status")).output == f"no Executions in {terminal.namespace}\n"
    assert (await terminal.type("gate", "list")).output == f"no gates in {terminal.namespace}\n"
    assert (await terminal.type("status", "-o", "json")).data == []


WIDTHS = {"a wide terminal": "160", "a usual one": "80", "a narrow one": "50"}


@pytest.mark.parametrize("terminal_width", WIDTHS)
async def test_tables_fit_the_terminal(terminal_width: str, terminal: Terminal, writers: Writers) -> None:
    """On a terminal nothing is wider than it, and no event is left out; NO_COLOR is heard."""
    await (await writers.bound(terminal.namespace, "refund-1")).refund()
    width = WIDTHS[terminal_width]
    environ = {"FORCE_COLOR": "1", "COLUMNS": width, "NO_COLOR": "1", "TERM": "xterm"}
    output = (await terminal.type("trace", "refund-1", environ=environ)).output
    plain = stage.unstyled(output)
    assert max(map(len, plain.splitlines())) <= int(width)
    assert "exec.finished" in plain or width == "50"
    assert "\x1b[3" not in output, "no colour"
