"""The tool that answers at once, and what benches make of its books and of logs."""

import asyncio
import json
import urllib.request
from typing import Any

import pytest
import yaml

from hack.bench import agents
from hack.bench.benches import kill, tool_call
from hack.bench.tool import Books
from keelstep.kinds.contract import ToolContractSpec
from keelstep.testing import builders
from keelstep_operator.decide import definition


@pytest.mark.parametrize("tier", [0, 1])
def test_the_tool_s_contracts_are_accepted_also_once_kubectl_has_read_them(tier: int) -> None:
    """As YAML: there `n` is a boolean, and a property of that name is none."""
    written = yaml.safe_load(yaml.safe_dump(tool_call.contract("http://127.0.0.1:1", tier)))
    assert "n" not in written["schema"]["input"]["properties"]
    spec = ToolContractSpec.model_validate(written)
    assert definition.check_contract(spec).status == "True"


def test_the_books_tell_what_came_after_a_moment() -> None:
    """Effects only; a moment that has passed is not told again."""
    books = Books()
    books.book()
    first = books.last_at
    books.book()
    assert json.loads(books.shown(0)) == {"posts": 2, "last_at": books.last_at, "since": books.times}
    assert json.loads(books.shown(first))["since"] == [books.last_at]


async def test_the_tool_books_effects_and_answers_reads() -> None:
    """The real process: two effects and a read on connections that are kept or not."""

    def asked(url: str, body: bytes | None = None) -> Any:
        with urllib.request.urlopen(url, data=body, timeout=10) as reply:
            return json.load(reply)

    async with agents.running_tool() as url:
        for _ in range(2):
            assert await asyncio.to_thread(asked, f"{url}/effects", b'{"number":1}') == {"done": "yes"}
        assert await asyncio.to_thread(asked, f"{url}/orders/7") == {"done": "yes"}
        found = await asyncio.to_thread(asked, f"{url}/calls?since=0")
    assert found["posts"] == len(found["since"]) == 2


@pytest.mark.parametrize(
    ("types", "is_closed"),
    [
        ([], False),
        (["tool.called", "tool.result"], False),
        (["tool.called", "exec.killed"], False),
        (["tool.called", "exec.killed", "tool.result"], True),
        (["exec.killed"], True),
        (["tool.called", "refused", "exec.killed"], False),
    ],
)
def test_a_killed_run_is_looked_at_once_nothing_is_in_flight(types: list[str], is_closed: bool) -> None:
    """An effect that is still to come must not be missed."""
    assert kill.is_closed([(kind, 1) for kind in types]) is is_closed


def test_from_step_to_step_begins_with_the_plan() -> None:
    """As many times as there are results; what comes before the plan is no step."""
    told = builders.log("x1").started().attempt().model().plan("math.add", "math.add").builtin(0).builtin(1)
    stored = [(event.type, message) for event, message in zip(told.events, told.messages, strict=True)]
    assert agents.steps_of(stored) == [1_000.0, 1_000.0]


def test_a_refusal_settles_no_claim() -> None:
    """It is a result, too: counted as one, a run would seem settled that is not, or never seem so."""
    told = builders.log("x1").started().attempt().model().plan("credit.grant", "credit.grant")
    told = told.claim(0).result(0).result(1, "denied")
    kinds = [kill.named(each.payload) for each in told.messages]
    assert kinds[-3:] == ["tool.called", "tool.result", "refused"]
