"""Does `make demo EXAMPLE=ops` tell its story to the end, twice over, and is all of it gone after `make down`?"""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
Demo = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[Demo]:
    """`python -m hack.demo`, as make calls it, with clusters in a folder of this test's own; ended in any case."""
    environment = {**os.environ, "KEELSTEP_STATE": str(tmp_path / "state")}

    def typed(*words: str) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-m", "hack.demo", *words]
        return subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False)

    yield typed
    typed("down")


def test_the_second_example_is_told_to_its_end_twice_and_goes_away(demo: Demo) -> None:
    """Every chapter, with what the services say themselves at the end of it."""
    for _ in range(2):
        told = demo("up", "--example", "ops")
        assert told.returncode == 0, f"{told.stdout[-4000:]}{told.stderr[-2000:]}"
        assert "✓ search has as many replicas as before" in told.stdout
        assert "Traceback" not in told.stdout + told.stderr
    assert "An earlier demo ran here" in told.stdout
    assert demo("down").returncode == 0
    assert "Nothing runs" in demo("down").stdout
