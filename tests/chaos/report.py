"""What came of the cases, for people and for the next run? A JSON file, written after every case, and a table of it.

The table counts, for each fault and each program whose boundary it hit, the cases that were played, and in how many of
them something acknowledged was lost, or something was done twice. Cases whose boundary was not reached count for nothing.
"""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.chaos.checker import rules
from tests.chaos.matrix import Result

FOLDER = Path(__file__).resolve().parents[2] / "build" / "chaos"
_PROGRAMS = ("runner", "gateway", "operator", "projector")


@dataclass(slots=True)
class Book:
    """Every result of one seed."""

    seed: int
    path: Path
    results: dict[str, dict[str, Any]] = field(default_factory=dict)

    def load(self) -> None:
        """Take up what an earlier run wrote; what failed there is played again."""
        if self.path.is_file():
            found = json.loads(self.path.read_text())["cases"]
            self.results = {each["id"]: each for each in found if each["verdict"] != "failed"}

    def add(self, result: Result) -> None:
        """Write a result down."""
        self.results[result.case.id] = {
            "id": result.case.id,
            "fault": result.case.fault,
            "point": result.case.point,
            "verdict": result.verdict,
            "seconds": round(result.seconds, 1),
            "findings": [{"name": each.name, "about": each.about} for each in result.findings],
        }
        self.path.parent.mkdir(parents=True, exist_ok=True)
        content = {"seed": self.seed, "table": self.counted(), "cases": list(self.results.values())}
        draft = self.path.with_suffix(".draft")
        draft.write_text(json.dumps(content, indent=1) + "\n")
        draft.replace(self.path)

    @property
    def failed(self) -> list[str]:
        """Ids of the cases that failed."""
        return [name for name, each in self.results.items() if each["verdict"] == "failed"]

    def summary(self) -> str:
        """One line."""
        counts = Counter(each["verdict"] for each in self.results.values())
        seconds = sum(each["seconds"] for each in self.results.values())
        told = ", ".join(f"{count} {verdict}" for verdict, count in sorted(counts.items()))
        return f"{len(self.results)} cases in {seconds:.0f} s: {told or 'none'}"

    def counted(self) -> dict[str, dict[str, dict[str, int]]]:
        """Fault → boundary → cases, lost, twice."""
        counted: dict[str, dict[str, dict[str, int]]] = {}
        for each in self.results.values():
            if each["verdict"] == "unreached":
                continue
            names = {finding["name"] for finding in each["findings"]}
            cell = counted.setdefault(each["fault"], {}).setdefault(
                each["point"], {"cases": 0, "lost": 0, "twice": 0}
            )
            cell["cases"] += 1
            cell["lost"] += bool(names & rules.LOST)
            cell["twice"] += bool(names & rules.DOUBLED)
        return counted


def books() -> list[Book]:
    """What was written down of every seed."""
    found = []
    for file in sorted(FOLDER.glob("seed-*.json")):
        content = json.loads(file.read_text())
        cases = {each["id"]: each for each in content["cases"]}
        found.append(Book(seed=content["seed"], path=file, results=cases))
    return sorted(found, key=lambda book: book.seed)


def table(books: Sequence[Book]) -> str:
    """Faults by programs, of all books together: cases / lost / twice."""
    cells: dict[str, dict[str, Counter[str]]] = {}
    for book in books:
        for fault, row in book.counted().items():
            for point, counts in row.items():
                cells.setdefault(fault, {}).setdefault(point.split(".")[0], Counter()).update(counts)
    lines = ["| fault | " + " | ".join(_PROGRAMS) + " |", "|---" * (len(_PROGRAMS) + 1) + "|"]
    for fault, found in sorted(cells.items()):
        shown = [_cell(found.get(program, Counter())) for program in _PROGRAMS]
        lines.append(f"| {fault} | {' | '.join(shown)} |")
    return "\n".join([*lines, "", "Each cell: cases / with something lost / with something done twice."])


def _cell(total: Counter[str]) -> str:
    return f"{total['cases']} / {total['lost']} / {total['twice']}" if total else "–"
