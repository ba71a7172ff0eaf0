"""Does every error of a call have a class that docs/errors.md explains?"""

import ast
from pathlib import Path

import pytest

from keelstep.domain import outcome
from keelstep.domain.reasons import classes, registry
from keelstep.kinds.failure import ErrorClass

ROOT = Path(__file__).parents[3]
_SHOWN = ("tool.result", "model.replied")


def test_every_reason_of_a_call_has_its_classes() -> None:
    """And no other reason has any."""
    shown = {
        name for name, reason in registry.REASONS.items() if any(event in reason.shows for event in _SHOWN)
    }
    assert shown == set(classes.OF)
    assert {each for named in classes.OF.values() for each in named} == classes.NAMES


def test_what_a_contract_may_call_retryable_is_among_them() -> None:
    """By the same names."""
    assert {each.value for each in ErrorClass} <= classes.NAMES


def _said() -> list[tuple[str, ast.expr]]:
    """Every `error_class=` in the programs, with its place."""
    found = []
    for folder in ("spine", "gateway", "runner"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.keyword) and node.arg == "error_class":
                    found.append((f"{path.relative_to(ROOT)}:{node.value.lineno}", node.value))
    return found


def test_no_program_says_a_class_that_is_not_explained() -> None:
    """By a word, or by one of the names that stand for one."""
    known = {"outcome": outcome, "classes": classes, "ErrorClass": ErrorClass}
    unknown = []
    for place, said in _said():
        word: object = said.value if isinstance(said, ast.Constant) else None
        if isinstance(said, ast.Attribute) and ast.unparse(said.value) in known:
            word = str(getattr(known[ast.unparse(said.value)], said.attr))
        if word is not None and word not in classes.NAMES:
            unknown.append(f"{place}: {word}")
    assert len(_said()) > 15
    assert not unknown


@pytest.mark.parametrize("folder", ["gateway", "runner"])
def test_every_error_that_a_program_records_says_its_class(folder: str) -> None:
    """A metric that counts by class leaves none out."""
    silent = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in sorted((ROOT / folder).rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
        and ast.unparse(node.func) == "types.Error"
        and not any(each.arg == "error_class" for each in node.keywords)
    ]
    assert not silent
