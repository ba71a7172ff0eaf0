"""What is written down, and what counts as whole."""

import io
import json
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from hack.bench import machine, report, result
from hack.bench.result import Figure, Result
from hack.bench.samples import Spread


def spread(middle: float) -> Spread:
    """One around a number."""
    return Spread(min=middle / 2, median=middle, max=middle * 2)


def figure(subject: str, middle: float, reference: str = "") -> Figure:
    """A latency of somebody."""
    values = {"p50": spread(middle), "p99": spread(middle * 3)}
    return Figure(
        subject=subject,
        measure="append",
        unit="ms",
        values=values,
        samples=10,
        repetitions=2,
        reference=reference,
        target={"p50": 0.8},
    )


def written(folder: Path) -> dict[str, Any]:
    """A whole document."""
    found = Result(
        figures=[figure("bare", 2), figure("ours", 3, "bare")], sizes={"appends": 10}, notes=["a note"]
    )
    return result.document(
        "append",
        "how long?",
        found,
        command="make bench",
        taken_at="2026-11-21T08:00:00Z",
        is_smoke=False,
        machine=machine.facts(folder),
        noise={"background_cpu_percent": [70.0], "is_calm": False},
    )


def test_a_document_says_everything_a_figure_depends_on(tmp_path: Path) -> None:
    """Machine, versions, disk, sizes, noise and the command, beside the figures; as JSON, in a file of its name."""
    file = result.write(tmp_path / "results", written(tmp_path))
    read = json.loads(file.read_text())
    assert file.name == "append.json"
    assert result.problems(read) == []
    assert read["machine"]["fsync_ms"]["p50"] > 0
    assert read["machine"]["versions"]["nats-py"] != "not installed"


@pytest.mark.parametrize("lost", ["machine", "sizes", "noise", "figures", "command", "taken_at"])
def test_a_document_that_lacks_a_field_is_not_whole(lost: str, tmp_path: Path) -> None:
    """The smoke run fails on it, by name."""
    document = written(tmp_path)
    del document[lost]
    assert any(lost in line for line in result.problems(document))


@pytest.mark.parametrize(
    "values",
    [{}, {"p50": {"min": 2, "median": 1, "max": 3}}, {"p50": {"min": -1, "median": 1, "max": 3}}],
)
def test_a_figure_without_a_sound_spread_is_not_whole(values: dict[str, Any], tmp_path: Path) -> None:
    """Nothing measured, a spread out of order, or a time below zero is a fault of the bench."""
    document = written(tmp_path)
    document["figures"][0]["values"] = values
    assert len(result.problems(document)) == 1


def test_a_ratio_is_taken_to_the_reference_of_the_same_measure_in_the_same_run(tmp_path: Path) -> None:
    """Median over median; whoever has no reference has no ratio."""
    bare, ours = written(tmp_path)["figures"]
    assert bare["ratio"] == {}
    assert ours["ratio"] == {"p50": 1.5, "p99": 1.5}


def test_the_table_shows_medians_ratios_and_that_it_was_not_calm(tmp_path: Path) -> None:
    """A reader must not take a noisy figure for a quiet one."""
    out = io.StringIO()
    report.show([written(tmp_path)], Console(file=out, width=150))
    shown = out.getvalue()
    for text in ("3 (1.5–6)", "1.50×", "a note", "others used up to 70 % of the cores"):
        assert text in shown


def test_the_page_s_table_names_its_command_and_the_load_it_was_taken_under(tmp_path: Path) -> None:
    """Every figure on the page can be made again, and read with the hour it was taken in mind."""
    page = report.markdown([written(tmp_path)])
    for text in ("`make bench`", "3 (1.5–6)", "1.50×", "- a note", "load average", "up to 70 % of"):
        assert text in page
