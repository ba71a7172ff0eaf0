"""Can Prometheus read every query of every panel?"""

import json
from pathlib import Path

from tests.integration.telemetry.test_alerts import run
from tests.unit.telemetry import dashboards


def test_every_query_of_a_panel_can_be_asked(promtool: Path, tmp_path: Path) -> None:
    """Prometheus parses each, once Grafana has filled in what a person chose."""
    asked = [
        {"record": f"panel:query{number}", "expr": dashboards.filled(query)}
        for number, query in enumerate(dashboards.queries().values())
    ]
    file = tmp_path / "queries.yaml"
    file.write_text(json.dumps({"groups": [{"name": "panels", "rules": asked}]}))  # JSON is YAML
    code, said = run(promtool, "check", "rules", "--lint=none", str(file))
    assert code == 0, said
