"""How are answers printed? As a table for people, as JSON or YAML for programs.

On a terminal tables fold to its width and have colours (unless NO_COLOR is set); elsewhere they are plain text and
nothing is cut. Text that others wrote, models above all, is never let through to the terminal as it is.
"""

import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import yaml
from rich.console import Console
from rich.table import Table
from rich.text import Text

COLOURS = {
    "Succeeded": "green",
    "Approved": "green",
    "Verified": "green",
    "ok": "green",
    "Failed": "red",
    "Killed": "red",
    "Broken": "red",
    "fail": "red",
    "Rejected": "red",
    "Expired": "red",
    "WaitingForApproval": "yellow",
    "Suspended": "yellow",
    "Incomplete": "yellow",
    "warn": "yellow",
    "Pending": "yellow",
    "Running": "cyan",
}
"""Words that stand out."""


class Output(StrEnum):
    """In which form."""

    TABLE = "table"
    JSON = "json"
    YAML = "yaml"


Cell = str | int | None


def printable(text: str) -> str:
    """Without anything that a terminal would obey: control characters, escape sequences, text that runs backwards."""
    return "".join(
        letter
        if letter == "\n" or (letter.isprintable() and letter not in _BACKWARDS)
        else "\N{REPLACEMENT CHARACTER}"
        for letter in text
    )


def one_line(text: str, most: int = 0) -> str:
    """The text on one line, cut where it is longer than `most`."""
    line = " ".join(text.split())
    return line if not most or len(line) <= most else line[: most - 1] + "…"


def _escaped(text: str) -> str:
    """JSON with every character that a terminal would obey written as an escape: the same content, harmless to look at."""
    return "".join(
        letter if letter == "\n" or printable(letter) == letter else json.dumps(letter)[1:-1]
        for letter in text
    )


_BACKWARDS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


@dataclass(frozen=True, slots=True)
class Show:
    """Standard output."""

    output: Output = Output.TABLE
    console: Console = field(default_factory=lambda: Console(highlight=False, soft_wrap=True))

    @property
    def is_table(self) -> bool:
        """True where a person reads it."""
        return self.output is Output.TABLE

    def data(self, content: Any) -> None:
        """JSON or YAML, as was asked."""
        if self.output is Output.YAML:
            text = yaml.safe_dump(content, sort_keys=False, allow_unicode=True)
            if printable(text) != text:
                text = yaml.safe_dump(content, sort_keys=False)
        else:
            text = _escaped(json.dumps(content, indent=2, ensure_ascii=False)) + "\n"
        sys.stdout.write(text)

    def line(self, text: str = "", style: str = "") -> None:
        """One line of text; on a terminal in a style."""
        self.console.print(Text(printable(text), style=style))

    def facts(self, pairs: Iterable[tuple[str, Cell]]) -> None:
        """Names and values below each other; what is empty is left out."""
        found = [(name, str(value)) for name, value in pairs if value not in (None, "")]
        width = max((len(name) for name, _ in found), default=0) + 1
        for name, value in found:
            head, *rest = printable(value).split("\n")
            label = f"{name + ':':<{width}}  "
            self.console.print(Text.assemble((label, "bold"), (head, COLOURS.get(head, ""))))
            for line in rest:
                self.console.print(Text(" " * (width + 2) + line))

    def table(
        self,
        columns: Sequence[str],
        rows: Sequence[Sequence[Cell]],
        *,
        fold: str = "",
        spare: Sequence[str] = (),
    ) -> None:
        """A table. On a terminal the column `fold` takes what room is left and breaks its lines; where there is too
        little, the columns `spare` are left out, the first one first.
        """
        cells = [["" if cell is None else printable(one_line(str(cell))) for cell in row] for row in rows]
        if self.console.is_terminal:
            self._rich(columns, cells, fold, spare)
            return
        widths = _widths(columns, cells)
        for row in (columns, *cells):
            padded = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
            sys.stdout.write(_GAP.join(padded).rstrip() + "\n")

    def _rich(
        self, columns: Sequence[str], cells: Sequence[Sequence[str]], fold: str, spare: Sequence[str]
    ) -> None:
        kept, fits = _fitting(columns, cells, fold, spare, self.console.width)
        table = Table(box=None, pad_edge=False, padding=(0, len(_GAP), 0, 0), header_style="bold")
        for place in kept:
            # a name that is broken cannot be copied; one that is cut off would be wrong
            is_whole = fits and columns[place] != fold
            table.add_column(columns[place], no_wrap=is_whole, overflow="fold")
        for row in cells:
            table.add_row(*(Text(row[place], style=_colour(columns[place], row[place])) for place in kept))
        self.console.print(table, soft_wrap=False)


_GAP = "   "
_LEAST_FOLDED = 24
_TELLING = frozenset({"PHASE", "VERDICT", "RESULT", "OUTCOME", "STATUS"})
"""Columns whose words have colours."""


def _colour(column: str, word: str) -> str:
    return COLOURS.get(word, "") if column in _TELLING else ""


def _widths(columns: Sequence[str], cells: Sequence[Sequence[str]]) -> list[int]:
    return [max(map(len, column)) for column in zip(columns, *cells, strict=True)]


def _fitting(
    columns: Sequence[str], cells: Sequence[Sequence[str]], fold: str, spare: Sequence[str], room: int
) -> tuple[list[int], bool]:
    """The places of the columns that fit: all, or without the first of `spare`, without the first two, and so on.

    False where even the fewest do not.
    """
    widths = _widths(columns, cells)
    kept = list(range(len(columns)))
    for name in (*spare, ""):
        needed = sum(
            min(widths[place], _LEAST_FOLDED) if columns[place] == fold else widths[place] for place in kept
        )
        if needed + len(_GAP) * (len(kept) - 1) <= room:
            return kept, True
        if name:
            kept.remove(columns.index(name))
    return kept, False


def complain(message: str) -> None:
    """One line on standard error."""
    Console(stderr=True, highlight=False, soft_wrap=True).print(
        Text("keelstep: ", style="bold red") + Text(printable(one_line(message)))
    )


def note(message: str) -> None:
    """One line beside the answer, on standard error."""
    Console(stderr=True, highlight=False, soft_wrap=True).print(
        Text(printable(one_line(message)), style="dim")
    )
