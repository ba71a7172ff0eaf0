"""The list of benches, and the two that need nothing but memory."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from hack.bench import catalogue, cli, result
from hack.bench.benches import fold
from hack.bench.timeline import STEPS, Timeline
from hack.bench.watcher import Seen
from keelstep.events import clock
from keelstep.testing import builders


def test_benches_have_names_of_their_own() -> None:
    """`--only` and the JSON files go by them."""
    names = [each.name for each in catalogue.BENCHES]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("events", [3, 45, 46, 47, 48, 200])
def test_the_folded_log_has_exactly_as_many_events_as_it_says(events: int) -> None:
    """All of them valid: the rate is that of real work."""
    told = fold.story(events)
    assert len(told.events) == len(told.messages) == events


def test_a_smoke_run_writes_whole_json_and_leaves_no_state_behind(tmp_path: Path) -> None:
    """What CI looks at."""
    # a process of its own: the program sets up logging for the whole of it
    command = [
        "-m",
        "hack.bench",
        "--smoke",
        "--only",
        "fold",
        "--output",
        "json",
        "--results",
        str(tmp_path),
    ]
    done = subprocess.run([sys.executable, *command], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    [document] = json.loads(done.stdout)
    assert result.problems(document) == []
    assert document["is_smoke"]
    assert [file.name for file in tmp_path.iterdir()] == ["fold.json"]


def test_an_unknown_bench_is_refused_with_the_list_of_those_there_are(tmp_path: Path) -> None:
    """Before anything is started."""
    done = CliRunner().invoke(cli.app, ["--only", "speed", "--results", str(tmp_path)])
    assert done.exit_code == 2
    for each in catalogue.BENCHES:
        assert each.name in done.output
    assert list(tmp_path.iterdir()) == []


def test_the_way_to_the_first_event_is_the_sum_of_its_parts() -> None:
    """Also where something was seen later than what follows from it: that part is then counted as nothing."""
    log = builders.log("x1").started().attempt().model().messages
    begun = log[0].stored_at - 100 * 1_000_000
    ms = 1_000_000
    seen = Seen(
        "small-claim",
        accepted_at=begun + 80 * ms,
        pod_created_at=begun
        + 90 * ms,  # seen before the event that ordered it was stored: the clock of another program
        pod_bound_at=log[1].stored_at + 5 * ms,
        connected_at=log[1].stored_at + 700 * ms,
        over_at=log[-1].stored_at,
    )
    finished = builders.log("x1").started().attempt().model().finished().messages
    line = Timeline.build(begun, begun + 70 * ms, log[1].stored_at + 9 * ms, seen, finished, {})
    parts = line.steps()
    assert tuple(parts) == STEPS
    assert parts["… to the Pod created"] == 0
    assert sum(parts.values()) == pytest.approx(line.first_event)
    assert line.first_event == (log[2].stored_at - begun) / ms == 100 + 2 * clock.SECOND / ms
