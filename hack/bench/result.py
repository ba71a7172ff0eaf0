"""What is written down of one bench? Its figures, sizes, machine and noise, as `build/bench/<name>.json`.

`problems` says what a document lacks; the smoke run and a test ask it. Nothing here measures.
"""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hack.bench.samples import Spread

FORMAT = 1
"""Raised when a field changes its meaning."""
_FIELDS = (
    "format",
    "name",
    "question",
    "command",
    "taken_at",
    "is_smoke",
    "machine",
    "sizes",
    "noise",
    "figures",
)
_MACHINE = ("cores", "processor", "memory_bytes", "kernel", "python", "versions", "fsync_ms", "load_average")
_FIGURE = ("subject", "measure", "unit", "samples", "repetitions", "values")


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One line of the table: what was measured of whom. A peer is another subject of the same measure."""

    subject: str
    """Who does it. Examples: `keelstep gateway`, `bare nats publish`."""
    measure: str
    """What it does. Example: `append`."""
    unit: str
    values: Mapping[str, Spread]
    """`p50` and `p99` of a latency, or `value` of anything else; each over the repetitions."""
    samples: int
    """Measurements in one repetition."""
    repetitions: int
    reference: str = ""
    """The subject of the same measure that this one is compared with, in the same run."""
    target: Mapping[str, float] = field(default_factory=dict)
    """What it should be at most, or at least where more is better: orientation, never asserted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What one bench found."""

    figures: Sequence[Figure]
    sizes: Mapping[str, Any]
    notes: Sequence[str] = ()
    """What a reader must know to read the figures right."""


def ratios(figures: Sequence[Figure], one: Figure) -> dict[str, float]:
    """Each median of this figure over its reference's; empty where it has none."""
    for other in figures:
        if one.reference and (other.subject, other.measure) == (one.reference, one.measure):
            return {
                name: one.values[name].median / other.values[name].median
                for name in one.values
                if name in other.values and other.values[name].median
            }
    return {}


def document(
    name: str,
    question: str,
    found: Result,
    *,
    command: str,
    taken_at: str,
    is_smoke: bool,
    machine: Mapping[str, Any],
    noise: Mapping[str, Any],
) -> dict[str, Any]:
    """The JSON of one bench."""
    figures = []
    for figure in found.figures:
        written = dataclasses.asdict(figure)
        written["ratio"] = ratios(found.figures, figure)
        figures.append(written)
    return {
        "format": FORMAT,
        "name": name,
        "question": question,
        "command": command,
        "taken_at": taken_at,
        "is_smoke": is_smoke,
        "machine": dict(machine),
        "sizes": dict(found.sizes),
        "noise": dict(noise),
        "figures": figures,
        "notes": list(found.notes),
    }


def write(folder: Path, written: Mapping[str, Any]) -> Path:
    """Write a bench's document into the folder; the file."""
    folder.mkdir(parents=True, exist_ok=True)
    file: Path = folder / f"{written['name']}.json"
    file.write_text(json.dumps(written, indent=2, ensure_ascii=False) + "\n")
    return file


def problems(written: Mapping[str, Any]) -> list[str]:
    """What a document lacks, a line each; empty where it is whole."""
    found = [f"{name} is missing" for name in _FIELDS if name not in written]
    found += [f"machine.{name} is missing" for name in _MACHINE if name not in written.get("machine", {})]
    figures = written.get("figures") or []
    if not figures:
        found.append("there are no figures")
    for place, figure in enumerate(figures):
        found += [f"figures[{place}].{name} is missing" for name in _FIGURE if name not in figure]
        values = figure.get("values") or {}
        if not values:
            found.append(f"figures[{place}] has no values")
        for name, spread in values.items():
            if not spread["min"] <= spread["median"] <= spread["max"]:
                found.append(f"figures[{place}].{name} is no spread: {spread}")
            if spread["min"] < 0:
                found.append(f"figures[{place}].{name} is negative: {spread}")
    return found
