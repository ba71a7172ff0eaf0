"""What do the dashboards ask? Reads the files as Grafana would; asserts nothing."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from hack import dashboards

FOLDER = Path(__file__).resolve().parents[3] / dashboards.FOLDER
BUILT_IN = {"__rate_interval": "1m", "__range": "1h"}
"""What Grafana fills in by itself, and what stands for it here."""
_VARIABLE = re.compile(r"\$\{?(\w+)\}?")


def read() -> dict[str, Any]:
    """Every dashboard by its file's name."""
    return {file.stem: json.loads(file.read_text()) for file in sorted(FOLDER.glob("*.json"))}


def panels(dashboard: Any) -> Iterator[Any]:
    """What asks something: every panel but the headings."""
    yield from (panel for panel in dashboard["panels"] if panel["type"] != "row")


def queries() -> dict[str, str]:
    """Every query of every panel: where it stands → PromQL with Grafana's variables."""
    return {
        f"{name}: {panel['title']} {target['refId']}": target["expr"]
        for name, dashboard in read().items()
        for panel in panels(dashboard)
        for target in panel["targets"]
    }


def variables(text: str) -> set[str]:
    """The variables that a text uses."""
    return set(_VARIABLE.findall(text))


def filled(query: str, **given: str) -> str:
    """The query as Grafana would send it, where everything is chosen."""
    values: Mapping[str, str] = {**BUILT_IN, **given}
    return _VARIABLE.sub(lambda match: values.get(match[1], ".*"), query)
