"""A few cases of the matrix and a few seeded defects, with real programs. All of them: `python -m tests.chaos`."""

import random
from collections.abc import Iterator

import pytest

from tests.chaos import cases, defects, matrix, proofs, stage
from tests.chaos.cases import Case
from tests.chaos.stage import Stage

SEED, CASES = 1, 8
"""What fits a minute or two; another seed takes others."""
PROOFS = (defects.WRONG_KEY, defects.NO_FENCE)
"""The two that are seen soonest; `python -m tests.chaos --defects` has all."""
QUICK = ("kill", "cut-from broker", "cut-to broker", "kill nats-server", "kill etcd", "kill postgres", "disk")
"""Faults that are over in seconds; a freeze outlasts every lease."""


@pytest.fixture(scope="module")
def at(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """One stage for all of them."""
    with stage.running(tmp_path_factory.mktemp("stage")) as started:
        yield started


def _sampled() -> list[Case]:
    quick = [case for case in cases.chosen(SEED, 400, []) if case.fault in QUICK]
    return random.Random(SEED).sample(quick, CASES)


@pytest.mark.parametrize("case", _sampled(), ids=lambda case: case.id)
def test_a_disturbed_run_loses_nothing_and_doubles_nothing(at: Stage, case: Case) -> None:
    """Whatever was acknowledged is there, every effect happened at most once, and nothing stays behind."""
    result = matrix.run(at, case)
    assert result.findings == [], f"again: python -m tests.chaos --only '{case.id}'"


@pytest.mark.parametrize("name", PROOFS)
def test_a_seeded_defect_is_caught_by_name(at: Stage, name: str) -> None:
    """The program is wrong in one way, and the checker says in which."""
    found = proofs.prove(at, name)
    assert proofs.RECIPES[name].caught_by & {finding.name for finding in found}, found
