"""Which cases are there, in which order, and which of them does a seed choose?

A case is a scenario, a boundary and a fault. Boundaries are what an undisturbed run of the scenario passes, recorded in
`boundaries.json` by `python -m tests.chaos --record`; a point that is passed very often counts a few times only.
"""

import json
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.chaos import faults, scenarios

FILE = Path(__file__).parent / "boundaries.json"
MOST_TIMES = 3
"""The n-th visit of a point is a boundary of its own up to this n, for a fault of the program itself; others hit once."""
NOWHERE = "-"


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One scenario disturbed once."""

    scenario: str
    point: str
    times: int
    fault: str

    @property
    def id(self) -> str:
        """How it is called on the command line."""
        return f"{self.scenario}/{self.point}:{self.times}/{self.fault}"

    @property
    def program(self) -> str:
        """Whose point it is."""
        return self.point.split(".")[0]


def recorded() -> Mapping[str, Mapping[str, int]]:
    """How often each scenario passes each point."""
    found: Mapping[str, Mapping[str, int]] = json.loads(FILE.read_text())
    return found


def undisturbed() -> list[Case]:
    """Every scenario as it should be."""
    return [
        Case(scenario=each.name, point=NOWHERE, times=1, fault=faults.NONE.name) for each in scenarios.ALL
    ]


def every() -> Iterator[Case]:
    """Every case, always in the same order; undisturbed ones first, those that need a crowd last."""
    yield from undisturbed()
    found = recorded()
    for is_crowd in (False, True):
        for scenario in scenarios.ALL:
            for point, count in sorted(found[scenario.name].items()):
                for fault in faults.ALL:
                    if fault.is_crowd != is_crowd or not fault.hits(point, point.split(".")[0]):
                        continue
                    most = MOST_TIMES if fault.is_own else 1
                    for times in range(1, min(count, most) + 1):
                        yield Case(scenario=scenario.name, point=point, times=times, fault=fault.name)


def chosen(seed: int, sample: int | None, only: Sequence[str]) -> list[Case]:
    """What a seed chooses: one case of every fault before a second of any, so that small samples are broad."""
    found = [case for case in every() if all(part in case.id for part in only)]
    found = [case for case in found if case.id in only] or found
    if sample is None or sample >= len(found):
        return found
    draw = random.Random(seed)
    by_fault: dict[str, list[Case]] = {}
    for case in found:
        by_fault.setdefault(case.fault, []).append(case)
    for group in by_fault.values():
        draw.shuffle(group)
    names = sorted(by_fault)
    draw.shuffle(names)
    taken: set[Case] = set()
    while len(taken) < sample:
        for name in names:
            if by_fault[name] and len(taken) < sample:
                taken.add(by_fault[name].pop())
    return [case for case in found if case in taken]
