"""Do the alerts fire when they should, and only then? Prometheus' own evaluator says so."""

import json
import subprocess
from pathlib import Path

import pytest

from tests.unit.telemetry import alerts


def run(promtool: Path, *arguments: str) -> tuple[int, str]:
    """The program's exit code and all it said."""
    done = subprocess.run([promtool, *arguments], capture_output=True, text=True, check=False, timeout=120)
    return done.returncode, done.stdout + done.stderr


def test_the_rules_are_rules(promtool: Path) -> None:
    """Prometheus would load them, and finds nothing to warn of."""
    code, said = run(promtool, "check", "rules", "--lint=all", "--lint-fatal", str(alerts.RULES))
    assert code == 0, said


@pytest.mark.parametrize("alert", sorted(alerts.rules()))
def test_an_alert_fires_on_its_samples_and_only_on_those(promtool: Path, alert: str) -> None:
    """With the words that a person would read."""
    code, said = run(promtool, "test", "rules", str(alerts.SAMPLES / f"{alert}.yaml"))
    assert code == 0, said


def test_a_sample_that_should_fire_and_does_not_is_noticed(promtool: Path, tmp_path: Path) -> None:
    """What judges the samples can fail."""
    text = (alerts.SAMPLES / "KeelstepVoidMessages.yaml").read_text()
    rules = tmp_path / "rules.yaml"
    rules.write_text(alerts.RULES.read_text().replace("[15m])) > 0\n", "[15m])) > 1\n"))
    changed = tmp_path / "sample.yaml"
    changed.write_text(text.replace("../keelstep.yaml", str(rules)))
    code, said = run(promtool, "test", "rules", str(changed))
    assert code == 1
    assert "KeelstepVoidMessages" in said


def test_every_query_of_a_runbook_can_be_asked(promtool: Path, tmp_path: Path) -> None:
    """Prometheus parses each."""
    queries = [query for page in alerts.runbooks().values() for query in alerts.typed(page, "promql")]
    asked = [{"record": f"runbook:query{number}", "expr": query} for number, query in enumerate(queries)]
    file = tmp_path / "queries.yaml"
    file.write_text(json.dumps({"groups": [{"name": "runbooks", "rules": asked}]}))  # JSON is YAML
    code, said = run(promtool, "check", "rules", "--lint=none", str(file))
    assert code == 0, said
