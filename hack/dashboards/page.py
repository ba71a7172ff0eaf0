"""How do panels become a dashboard? Plain data for Grafana 10 and later; pure.

A dashboard asks whichever Prometheus a person chooses, so that it can be imported anywhere.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from hack.dashboards import panels

_COLUMNS = 24
_SCHEMA_VERSION = 39
"""Grafana 10.4's; later ones bring it up to date when they read it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """Panels under one heading, in reading order."""

    title: str
    panels: Sequence[panels.Panel]


@dataclass(frozen=True, slots=True, kw_only=True)
class Variable:
    """What a person chooses above the panels: one or several values of a label."""

    label: str
    metric: str
    """Whose label's values there are to choose from, with those chosen before it."""

    def render(self) -> panels.Json:
        """The variable as Grafana has it."""
        query = f"label_values({self.metric}, {self.label})"
        return {
            "name": self.label,
            "label": self.label.capitalize(),
            "type": "query",
            "datasource": panels.SOURCE,
            "query": {"qryType": 1, "query": query, "refId": self.label},
            "refresh": 2,
            "sort": 1,
            "multi": True,
            "includeAll": True,
            "allValue": ".*",
            "current": {"selected": True, "text": ["All"], "value": ["$__all"]},
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Dashboard:
    """A page of questions."""

    name: str
    """Of its file; with `keelstep-` before it, its address."""
    title: str
    about: str
    rows: Sequence[Row]
    variables: Sequence[Variable] = ()
    span: str = "6h"
    """How far back it looks at first."""

    def render(self) -> panels.Json:
        """The dashboard as Grafana has it."""
        return {
            "uid": f"keelstep-{self.name}",
            "title": self.title,
            "description": self.about,
            "tags": ["keelstep"],
            "editable": True,
            "graphTooltip": 1,
            "refresh": "30s",
            "schemaVersion": _SCHEMA_VERSION,
            "time": {"from": f"now-{self.span}", "to": "now"},
            "timezone": "browser",
            "templating": {"list": [_datasource(), *(each.render() for each in self.variables)]},
            "links": [
                {
                    "type": "dashboards",
                    "title": "keelstep",
                    "tags": ["keelstep"],
                    "asDropdown": False,
                    "includeVars": True,
                    "keepTime": True,
                }
            ],
            "annotations": {"list": []},
            "panels": list(self._placed()),
        }

    def _placed(self) -> Iterator[panels.Json]:
        """Rows one below the other, panels side by side as long as there is room."""
        number = top = 0
        for row in self.rows:
            number += 1
            yield {
                "id": number,
                "type": "row",
                "title": row.title,
                "collapsed": False,
                "gridPos": {"h": 1, "w": _COLUMNS, "x": 0, "y": top},
                "panels": [],
            }
            top += 1
            column = tallest = 0
            for panel in row.panels:
                if column + panel.width > _COLUMNS:
                    column, top, tallest = 0, top + tallest, 0
                number += 1
                yield panel.render(number, column, top)
                column, tallest = column + panel.width, max(tallest, panel.height)
            top += tallest


def _datasource() -> panels.Json:
    return {
        "name": "datasource",
        "label": "Prometheus",
        "type": "datasource",
        "query": "prometheus",
        "current": {},
        "refresh": 1,
        "multi": False,
        "includeAll": False,
    }
