"""Does every bench of the hot path still work? At tiny sizes: what is looked at is that it measures, never how fast."""

import json
import subprocess
import sys
from pathlib import Path

from hack.bench import result

NAMES = ("append", "steps", "tool-call", "pause", "resume", "projector", "take-over")
"""Those that need a broker, a gateway, a database: in seconds. The others start a Kubernetes; people run them."""


def test_the_hot_paths_benches_measure_and_leave_no_state_behind(tmp_path: Path) -> None:
    """Every series has its samples, and every file is whole."""
    only = [word for name in NAMES for word in ("--only", name)]
    command = [sys.executable, "-m", "hack.bench", "--smoke", *only, "--output", "json"]
    done = subprocess.run([*command, "--results", str(tmp_path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    documents = json.loads(done.stdout)
    assert [document["name"] for document in documents] == list(NAMES)
    assert [line for document in documents for line in result.problems(document)] == []
    assert sorted(file.stem for file in tmp_path.iterdir()) == sorted(NAMES)
