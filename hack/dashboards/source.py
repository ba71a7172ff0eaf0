"""What stands in a dashboard's file?

    rows:
      Runs:                           a heading
        - lines: How long runs take   what is shown, as `number`, `lines` or `columns`, and its title
          about: …                    and whatever else such a panel has, called as in `panels`
          ask:                        PromQL; where several are asked, each after the name of its lines
            half of them: histogram_quantile(…)

In a query `$chosen` stands for the values of all variables. Whatever is misspelt is an error, never left out.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from hack.dashboards import page, panels

_SHAPES: Mapping[str, type[panels.Panel]] = {
    "lines": panels.Lines,
    "number": panels.Number,
    "columns": panels.Columns,
}


def read(file: Path) -> page.Dashboard:
    """The dashboard in a file, called as the file.

    Raises:
        TypeError: a key is unknown or missing.
        ValueError: a panel has no shape, or two.
    """
    return _dashboard(file.stem, **yaml.safe_load(file.read_text()))


def _dashboard(
    name: str, *, rows: Any, variables: Mapping[str, str] | None = None, **rest: Any
) -> page.Dashboard:
    offered = variables or {}
    chosen = ", ".join(f'{label}=~"${label}"' for label in offered)
    return page.Dashboard(
        name=name,
        variables=[page.Variable(label=label, metric=metric) for label, metric in offered.items()],
        rows=[
            page.Row(title=title, panels=[_panel(chosen, **each) for each in found])
            for title, found in rows.items()
        ],
        **rest,
    )


def _panel(chosen: str, *, ask: str | Mapping[str, str], **rest: Any) -> panels.Panel:
    (shape,) = _SHAPES.keys() & rest.keys()
    asked = {"": ask} if isinstance(ask, str) else ask
    queries = [
        panels.Query(expr=query.replace("$chosen", chosen), legend=legend) for legend, query in asked.items()
    ]
    return _SHAPES[shape](title=rest.pop(shape), queries=queries, **rest)
