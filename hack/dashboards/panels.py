"""How does a question become a panel? What Grafana itself would export, less what it fills in by itself; pure."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]

SOURCE = {"type": "prometheus", "uid": "${datasource}"}
"""The Prometheus that a person chose above the panels."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """What is asked, and what each line of the answer is called."""

    expr: str
    legend: str = ""
    """Labels in double braces; empty where there is one line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel(ABC):
    """One question and its answer."""

    title: str
    about: str
    """What it means and what to do with it: shown at the panel's corner."""
    queries: Sequence[Query]
    unit: str = "short"
    width: int = 8
    height: int = 7

    def render(self, number: int, column: int, row: int) -> Json:
        """The panel as Grafana has it, at a place."""
        return {
            "id": number,
            "type": self._type(),
            "title": self.title,
            "description": self.about,
            "datasource": SOURCE,
            "gridPos": {"h": self.height, "w": self.width, "x": column, "y": row},
            "targets": [self._target(place, query) for place, query in enumerate(self.queries)],
            "fieldConfig": {"defaults": {"unit": self.unit, **self._defaults()}, "overrides": []},
            "options": self._options(),
        }

    def _target(self, place: int, query: Query) -> Json:
        return {
            "refId": chr(ord("A") + place),
            "datasource": SOURCE,
            "editorMode": "code",
            "expr": query.expr,
            "legendFormat": query.legend or "__auto",
            "range": not self._is_of_now(),
            "instant": self._is_of_now(),
        }

    @abstractmethod
    def _type(self) -> str: ...

    @abstractmethod
    def _is_of_now(self) -> bool: ...

    @abstractmethod
    def _defaults(self) -> Json: ...

    @abstractmethod
    def _options(self) -> Json: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Lines(Panel):
    """How it went over time."""

    is_stacked: bool = False
    """The lines are parts of a whole."""

    def _type(self) -> str:
        return "timeseries"

    def _is_of_now(self) -> bool:
        return False

    def _defaults(self) -> Json:
        stacking = {"mode": "normal" if self.is_stacked else "none", "group": "A"}
        return {
            "min": 0,
            "custom": {
                "drawStyle": "line",
                "lineWidth": 1,
                "fillOpacity": 30 if self.is_stacked else 8,
                "showPoints": "never",
                "stacking": stacking,
            },
        }

    def _options(self) -> Json:
        return {
            "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True},
            "tooltip": {"mode": "multi", "sort": "desc"},
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Number(Panel):
    """How it stands now."""

    width: int = 4
    height: int = 4
    bad_from: float | None = None
    """From here on it is red; None where no number is bad."""
    good_from: float | None = None
    """From here on it is green, below it is red."""

    def _type(self) -> str:
        return "stat"

    def _is_of_now(self) -> bool:
        return True

    def _defaults(self) -> Json:
        steps: list[Json] = [{"color": "text", "value": None}]
        if self.bad_from is not None:
            steps = [{"color": "green", "value": None}, {"color": "red", "value": self.bad_from}]
        if self.good_from is not None:
            steps = [{"color": "red", "value": None}, {"color": "green", "value": self.good_from}]
        return {"thresholds": {"mode": "absolute", "steps": steps}, "noValue": "–"}

    def _options(self) -> Json:
        return {
            "colorMode": "value",
            "graphMode": "none",
            "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns(Panel):
    """One row for each of something, one column for each query; the columns are called as the queries' legends."""

    by: Sequence[str] = ()
    """The labels that a row is of."""
    width: int = 24
    height: int = 9
    units: Sequence[str] = ()
    """Of the columns, in the order of the queries."""

    def render(self, number: int, column: int, row: int) -> Json:
        """The panel as Grafana has it: the answers joined by their labels."""
        called = {f"Value #{chr(ord('A') + place)}": query.legend for place, query in enumerate(self.queries)}
        order = [*self.by, *called]
        panel = Panel.render(self, number, column, row)
        panel["transformations"] = [
            {"id": "merge", "options": {}},
            {
                "id": "organize",
                "options": {
                    "excludeByName": {"Time": True},
                    "indexByName": {name: place for place, name in enumerate(order)},
                    "renameByName": called,
                },
            },
        ]
        panel["fieldConfig"]["overrides"] = [
            {
                "matcher": {"id": "byName", "options": query.legend},
                "properties": [{"id": "unit", "value": unit}],
            }
            for query, unit in zip(self.queries, self.units, strict=True)
        ]
        return panel

    def _target(self, place: int, query: Query) -> Json:
        return {**Panel._target(self, place, query), "format": "table", "legendFormat": ""}

    def _type(self) -> str:
        return "table"

    def _is_of_now(self) -> bool:
        return True

    def _defaults(self) -> Json:
        return {"custom": {"align": "auto", "filterable": True}, "noValue": "–"}

    def _options(self) -> Json:
        return {"showHeader": True, "cellHeight": "sm", "footer": {"show": False}}
