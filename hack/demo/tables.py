"""What must `kubectl get executions` print after the five runs? The checked-in table, times masked."""

import re
from collections.abc import Collection
from pathlib import Path

FILE = Path(__file__).with_name("executions.txt")
WIDTH = 120


def expected() -> str:
    """The checked-in table."""
    return FILE.read_text()


def masked(table: str, names: Collection[str]) -> str:
    """These rows of a table as kubectl printed it, with ages masked and columns as narrow as they can be."""
    header, *rows = [re.split(r"\s{2,}", line.rstrip()) for line in table.splitlines() if line.strip()]
    rows = [header, *(row for row in rows if row[0] in names)]
    rows = [
        [_mask(cell) if column == len(row) - 1 else cell for column, cell in enumerate(row)] for row in rows
    ]
    return "".join("  ".join(row) + "\n" for row in rows)


def _mask(cell: str) -> str:
    return "<age>" if re.fullmatch(r"(\d+[dhms])+", cell) else cell
