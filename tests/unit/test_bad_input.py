"""The table of bad input in tests/bad_input.md leads to tests and cases that exist, and to reasons that are explained."""

import ast
import functools
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from keelstep.domain.reasons import registry

TESTS = Path(__file__).parents[1]
ROWS = [
    [cell.strip() for cell in line.strip("|").split(" | ")]
    for line in (TESTS / "bad_input.md").read_text().splitlines()
    if line.startswith("| ") and not line.startswith("| what |")
]
_TEST = re.compile(r"`(?:(?P<file>\w[\w/]*\.py)::(?P<name>\w+)|…)(?:\[(?P<case>[^\]`]+)\])?`")
_REASON = re.compile(r"`([A-Z]\w+)`")


def named() -> Iterator[tuple[str, str, str]]:
    """File, test and case of every test in the table; `…` stands for the test before."""
    for _, tests, _ in ROWS:
        file = name = ""
        for found in _TEST.finditer(tests):
            file, name = found["file"] or file, found["name"] or name
            yield file, name, found["case"] or ""


@functools.cache
def parsed(file: str) -> tuple[frozenset[str], frozenset[object]]:
    """The functions of a file, and every constant in it."""
    nodes = list(ast.walk(ast.parse((TESTS / file).read_text())))
    functions = {node.name for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
    return frozenset(functions), frozenset(node.value for node in nodes if isinstance(node, ast.Constant))


@pytest.mark.parametrize(("file", "name", "case"), list(named()))
def test_every_test_of_the_table_exists(file: str, name: str, case: str) -> None:
    """A test or a case that was renamed or removed is found here."""
    functions, constants = parsed(file)
    assert name in functions
    assert not case or case in constants


@pytest.mark.parametrize("what", [what for what, *_ in ROWS])
def test_every_reason_of_the_table_is_explained_and_asserted(what: str) -> None:
    """docs/reasons.md has the reason, and one of the row's tests has it in its file."""
    (row,) = (each for each in ROWS if each[0] == what)
    files = {found["file"] for found in _TEST.finditer(row[1]) if found["file"]}
    source = "".join((TESTS / file).read_text() for file in files)
    for reason in _REASON.findall(row[2]):
        assert reason in registry.REASONS
        assert reason in source or f"{reason}Error" in source, f"no test of this row says {reason}"


def test_the_table_is_whole() -> None:
    """One line for each thing that can go wrong, each with a test of a real platform or a real broker."""
    assert len(ROWS) == 84
    assert all("`e2e/" in tests or "`integration/" in tests for _, tests, _ in ROWS)
