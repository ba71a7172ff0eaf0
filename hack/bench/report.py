"""How does a person read the results? One table; ratios where there is a reference in the same run.

`show` prints it, `markdown` gives it for a page, `renew` puts it into a page that has an older one.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from rich import box, console, table

_DIGITS = 3
_HEADINGS = ("who", "what", "p50 / value", "p99", "unit", "ratio", "n", "aim")


def show(documents: Sequence[Mapping[str, Any]], out: console.Console) -> None:
    """Print all results, each figure as its median with least and greatest of the repetitions."""
    for written in documents:
        out.print(_table(written))
        for note in written["notes"]:
            out.print(f"  {note}", style="dim", markup=False)
        if not written["noise"].get("is_calm", True):
            busy = max(written["noise"]["background_cpu_percent"])
            out.print(
                f"  not calm: others used up to {busy:.0f} % of the cores", style="yellow", markup=False
            )
        out.print()


def markdown(documents: Sequence[Mapping[str, Any]]) -> str:
    """All results as a page's tables, each with the command that made it and how calm it was."""
    return "\n".join(line for written in documents for line in _page(written))


def renew(page: str, written: Mapping[str, Any]) -> str | None:
    """The page with this result in the place of the last one of the same bench; None where it has no table of it.

    A table begins with the line that says which command made it, and ends with its notes.
    """
    name = re.escape(written["name"])
    table = rf"^`python -m hack\.bench --only {name}(?: [^`\n]*)?` · .*\n\n(?:\|.*\n)+(?:\n(?:- .*\n)+)?"
    made = "\n".join(_page(written)).rstrip("\n") + "\n"
    renewed, found = re.subn(table, lambda _: made, page, count=1, flags=re.MULTILINE)
    return renewed if found else None


def _page(written: Mapping[str, Any]) -> list[str]:
    noise, machine = written["noise"], written["machine"]
    busy = max(noise["background_cpu_percent"], default=0.0)
    load = machine["load_average"][0]
    about = f"{written['taken_at']}, load average {load:.1f}, others used up to {busy:.0f} % of {machine['cores']} cores"
    return [
        f"`{written['command']}` · {about}",
        "",
        f"| {' | '.join(_HEADINGS)} |",
        f"|{'---|' * len(_HEADINGS)}",
        *(f"| {' | '.join(_row(figure))} |" for figure in written["figures"]),
        "",
        *(f"- {note}" for note in written["notes"]),
        "",
    ]


def _table(written: Mapping[str, Any]) -> table.Table:
    shown = table.Table(
        title=f"{written['name']}: {written['question']}", title_justify="left", box=box.SIMPLE_HEAD
    )
    for heading in _HEADINGS[:2]:
        shown.add_column(heading)
    for heading in _HEADINGS[2:]:
        shown.add_column(heading, justify="right")
    for figure in written["figures"]:
        shown.add_row(*_row(figure))
    return shown


def _row(figure: Mapping[str, Any]) -> list[str]:
    values = figure["values"]
    return [
        figure["subject"],
        figure["measure"],
        _spread(values.get("p50") or values.get("value")),
        _spread(values.get("p99")),
        figure["unit"],
        " / ".join(f"{ratio:.2f}×" for ratio in figure["ratio"].values()),
        f"{figure['repetitions']}x{figure['samples']}",
        " ".join(f"{name} {number:g}" for name, number in figure["target"].items()),
    ]


def _spread(spread: Mapping[str, float] | None) -> str:
    if spread is None:
        return ""
    least, middle, greatest = (_number(spread[name]) for name in ("min", "median", "max"))
    return middle if least == greatest else f"{middle} ({least}–{greatest})"


def _number(number: float) -> str:
    if number >= 999.5:  # else it would be told as 1e+03
        return f"{number:,.0f}"
    return f"{number:.{_DIGITS}g}"
