"""Grafana's dashboards, as data: `charts/keelstep/dashboards/*.json` is written from here by `python -m hack.generate`.

What is here: `fleet.yaml` (what runs, what waits for people), `economics.yaml` (what a strategy costs and is worth),
`machinery.yaml` (ourselves), `source` (how such a file is read), `page` and `panels` (how it becomes Grafana's JSON).
What is not: a number. Every panel asks Prometheus for metrics of docs/metrics.md, and a test asks a real one the same.
"""

import json
from collections.abc import Iterator
from pathlib import Path

from hack.dashboards import page, source

FOLDER = "charts/keelstep/dashboards"


def read_all() -> Iterator[page.Dashboard]:
    """Every dashboard, as it stands in its file."""
    for file in sorted(Path(__file__).parent.glob("*.yaml")):
        yield source.read(file)


def render_all() -> dict[str, str]:
    """Every dashboard: its path in the repository → its text."""
    return {
        f"{FOLDER}/{each.name}.json": json.dumps(each.render(), indent=1, ensure_ascii=False) + "\n"
        for each in read_all()
    }
