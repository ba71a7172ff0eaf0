"""Do log lines say which run they are about, and no line that of another?"""

import asyncio

import pytest
import structlog

from keelstep import logs


@pytest.fixture(autouse=True)
def nothing_bound() -> None:
    """Each test begins and ends with nothing bound."""
    structlog.contextvars.clear_contextvars()


def bound() -> dict[str, object]:
    """What every line would carry now."""
    return dict(structlog.contextvars.get_contextvars())


def test_a_run_without_a_trace_yet_is_named_without_one() -> None:
    """An empty value would look like a trace."""
    logs.concern("x1", "")
    assert bound() == {"execution": "x1"}
    logs.concern("x1", "7f3a")
    assert bound() == {"execution": "x1", "trace_id": "7f3a"}


def test_what_is_bound_while_one_thing_is_done_does_not_stick_to_the_next() -> None:
    """Not even where it was left by an error; what was bound before comes back."""
    logs.bind(program="operator")

    def broken() -> None:
        with logs.about(kind="Execution", name="a"):
            logs.concern("x1", "7f3a")
            logs.bind(program="other")
            raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        broken()
    assert bound() == {"program": "operator"}


async def test_a_task_carries_what_it_was_started_with_and_shares_nothing_back() -> None:
    """Requests run side by side, each about its own run."""
    logs.concern("x1", "7f3a")

    async def other() -> dict[str, object]:
        before = bound()
        logs.concern("x2", "8a4b")
        return before

    assert await asyncio.create_task(other()) == {"execution": "x1", "trace_id": "7f3a"}
    assert bound() == {"execution": "x1", "trace_id": "7f3a"}
