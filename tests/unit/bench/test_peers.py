"""The engines beside ours: the same work, a folder of their own, and left out by name where they cannot run."""

import asyncio
from pathlib import Path

import pytest

from hack.bench.benches import steps
from hack.bench.peers import catalogue, environment
from hack.bench.peers.environment import Environment, UnavailableError
from hack.bench.peers.programs import answering
from hack.cluster import progress
from keelstep.domain.builtins import registry


def seen(milliseconds: float) -> steps.Seen:
    """One contestant's two repetitions."""
    took = [[milliseconds] * steps.STEPS] * 2
    rate = [1_000 / milliseconds] * 2
    return steps.Seen(one=took, many=took, one_rate=rate, many_rate=rate)


@pytest.mark.parametrize("number", ["0", "7", "-0.05", "39"])
def test_a_peer_s_step_answers_what_ours_does(number: str) -> None:
    """Nobody is faster for doing less."""
    ours = registry.FUNCTIONS[steps.TOOL].evaluate({"a": "19.90", "b": number})
    assert answering.add("19.90", number) == ours


def test_from_step_to_step_is_measured_in_every_run() -> None:
    """As many times as there are steps, and all runs, however many at once."""

    async def run(count: int) -> list[float]:
        return [float(each) for each in range(count + 1)]

    found = asyncio.run(answering.measure(run, runs=3, at_once=2, steps=40))
    assert found["steps_ms"] == [[1_000.0] * 40] * 3


def test_our_ratio_is_to_restate_and_a_peer_s_to_ours() -> None:
    """Both can be read from one table; without Restate we have no reference."""
    beside = catalogue.Field(versions={"Restate": "1", "DBOS": "2"})
    found = {"keelstep": seen(1.0), "Restate": seen(2.0), "DBOS": seen(4.0)}
    whole = steps.build_result(found, beside, steps.FULL, is_same_disk=True)
    references = {each.subject: each.reference for each in whole.figures}
    assert references == {"keelstep": "Restate", "Restate": "keelstep", "DBOS": "keelstep"}
    alone = steps.build_result({"keelstep": seen(1.0)}, catalogue.Field(), steps.FULL, is_same_disk=True)
    assert {each.reference for each in alone.figures} == {""}


def test_a_peer_that_is_left_out_is_said_in_the_result() -> None:
    """Nobody must take a table without Restate for a table in which Restate was not wanted."""
    beside = catalogue.Field(absent=["Restate does not run here: npm was not found"])
    found = steps.build_result({"keelstep": seen(1.0)}, beside, steps.FULL, is_same_disk=True)
    assert "Restate does not run here: npm was not found" in found.notes


def test_databases_on_another_disk_are_said_in_the_result() -> None:
    """Else the peers would sync to memory, or to something slower than ours."""
    beside = catalogue.Field(versions={"DBOS": "2"})
    found = steps.build_result(
        {"keelstep": seen(1.0), "DBOS": seen(4.0)}, beside, steps.FULL, is_same_disk=False
    )
    assert any("ANOTHER DISK" in note for note in found.notes)


def test_without_npm_restate_is_named_and_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message says what to install."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with (
        progress.quiet().step("measuring") as step,
        pytest.raises(UnavailableError, match="npm was not found: install Node"),
    ):
        Environment(tmp_path / "peers").restate_server(step)


def test_another_list_of_packages_is_another_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment of last month's versions is never taken for this month's."""
    before = Environment.here()
    assert Environment.here() == before
    (tmp_path / "package.json").write_text("{}")
    monkeypatch.setattr(environment, "PACKAGES", tmp_path / "package.json")
    assert Environment.here() != before
