"""Is there a point wherever something is written, and does the matrix pass every one of them?"""

import ast
import functools
import inspect
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import get_args

import pytest

from keelstep import points
from keelstep.events import registry
from keelstep.log import subjects
from tests.chaos import cases, faults, scenarios

REPOSITORY = Path(__file__).resolve().parents[2]
SOURCES = (
    "spine/keelstep",
    "operator/keelstep_operator",
    "gateway/keelstep_gateway",
    "runner/keelstep_runner",
)
WRITING_VERBS = ("POST", "PUT", "PATCH", "DELETE")
UNPASSED: Mapping[str, str] = {}
"""Points that no scenario passes, and why."""


@functools.cache
def _modules() -> dict[Path, ast.Module]:
    found = {}
    for source in SOURCES:
        for path in sorted((REPOSITORY / source).rglob("*.py")):
            if "testing" not in path.parts:
                found[path.relative_to(REPOSITORY)] = ast.parse(path.read_text())
    return found


def _functions(tree: ast.Module) -> Iterator[ast.AsyncFunctionDef | ast.FunctionDef]:
    for node in ast.walk(tree):
        if isinstance(node, ast.AsyncFunctionDef | ast.FunctionDef):
            yield node


def _reached(tree: ast.AST) -> list[str]:
    """The points that code says it is at; an interpolated part is a star."""
    found = []
    for node in ast.walk(tree):
        is_call = isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
        if not is_call or node.func.attr != "reached":  # type: ignore[attr-defined]
            continue
        argument = node.args[0]  # type: ignore[attr-defined]
        if isinstance(argument, ast.Constant):
            found.append(str(argument.value))
        elif isinstance(argument, ast.JoinedStr):
            parts = [str(part.value) if isinstance(part, ast.Constant) else "*" for part in argument.values]
            found.append("".join(parts))
    return found


def _calls(function: ast.AST, attribute: str) -> list[ast.Call]:
    return [
        node
        for node in ast.walk(function)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == attribute
    ]


def test_every_append_goes_through_the_one_function_that_has_a_point_before_and_after() -> None:
    """Nobody publishes an event but `Log.append`, whose two points carry the program and the event's type."""
    publishing = {
        (str(path), function.name)
        for path, tree in _modules().items()
        for function in _functions(tree)
        if any(name in ast.dump(function) for name in ("EXPECTED_SUBJECT", "Expected-Last-Subject"))
    }
    assert {place for place in publishing if "spine.py" in place[0]} == {
        ("spine/keelstep/log/spine.py", "_publish")
    }
    spine = _modules()[Path("spine/keelstep/log/spine.py")]
    callers = [function for function in _functions(spine) if _calls(function, "_publish")]
    assert [function.name for function in callers] == ["append"]
    assert _reached(callers[0]) == ["*.before.*", "*.after.*"]


def test_every_kubernetes_write_has_a_point_before_and_after() -> None:
    """A function that sends a writing verb says that it is before and after it."""
    kube = _modules()[Path("spine/keelstep/kube.py")]
    unmarked = []
    for function in _functions(kube):
        verbs = [
            call.args[0].value
            for call in _calls(function, "_send")
            if call.args and isinstance(call.args[0], ast.Constant)
        ]
        if not any(verb in WRITING_VERBS for verb in verbs):
            continue
        said = _reached(function)
        if not (any(".before." in name for name in said) and any(".after." in name for name in said)):
            unmarked.append(function.name)
    assert unmarked == []


WITH_ACKNOWLEDGEMENT = {
    "spine/keelstep/log/control.py": "operator.*.control",
    "spine/keelstep/log/names.py": "operator.*.name, around whoever calls it",
    "spine/keelstep/log/objects.py": "none: what nobody names yet is as good as not there",
    "spine/keelstep/log/limits.py": "its own",
}
"""Who stores messages besides `Log.append`, and the points that each has."""


def test_every_write_of_a_limit_goes_through_the_one_function_that_has_a_point_before_and_after() -> None:
    """Whoever stores anything is known here, and what a gateway tells the others carries its kind in its points."""
    storing = {
        (str(path), function.name)
        for path, tree in _modules().items()
        for function in _functions(tree)
        for call in _calls(function, "publish")
        if isinstance(call.func, ast.Attribute)
        and isinstance(call.func.value, ast.Name)
        and call.func.value.id == "jetstream"
    }
    assert {path for path, _ in storing} == WITH_ACKNOWLEDGEMENT.keys()
    assert [name for path, name in storing if path.endswith("limits.py")] == ["put"]
    put = next(
        each for each in _functions(_modules()[Path("spine/keelstep/log/limits.py")]) if each.name == "put"
    )
    assert _reached(put) == ["gateway.before.limits.*", "gateway.after.limits.*"]


def test_every_kind_of_limit_has_its_points() -> None:
    """A new one is a boundary, and needs a scenario."""
    spelled = re.findall(r'f"limits\.(\w+)\.', inspect.getsource(subjects))
    assert sorted(spelled) == sorted(points.LIMITS)


def _imported(node: ast.Import | ast.ImportFrom) -> list[str]:
    if isinstance(node, ast.ImportFrom):
        return [node.module or ""]
    return [alias.name for alias in node.names]


def test_only_one_module_writes_to_kubernetes() -> None:
    """So that no write can be without its points; the cli acts for a person and is none of the four programs."""
    outside = {
        str(path)
        for path, tree in _modules().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        and any(name.split(".")[0] == "kubernetes" for name in _imported(node))
        and "cli" not in path.parts
    }
    # the election's types; its lock writes through `kube`
    assert outside <= {"spine/keelstep/kube.py", "operator/keelstep_operator/lease.py"}


def test_every_listed_point_is_somewhere_in_the_code() -> None:
    """A name that nobody says is a boundary that nothing ever stops at."""
    said = {name for tree in _modules().values() for name in _reached(tree)}
    listed = set(points.EXTRA)
    assert listed == {name for name in said if "*" not in name}


@pytest.mark.parametrize("point", sorted(points.every()))
def test_every_point_is_passed_by_a_scenario(point: str) -> None:
    """What no scenario passes is never disturbed; the exceptions say why."""
    passed = {name for found in cases.recorded().values() for name in found}
    assert (point in passed) != (point in UNPASSED)


def _outcomes() -> Iterator[str]:
    """Every event type, with every word its data can carry."""
    for name, kind in registry.KINDS.items():
        words: list[str] = []
        for field in ("status", "verdict", "outcome"):
            words += get_args(kind.data.__annotations__.get(field, ()))
        if name == "exec.killed":
            words = ["execution", "strategy", "tenant"]
        yield from [f"{name}{{{word}}}" for word in words] or [name]


@pytest.mark.parametrize("shown", sorted(_outcomes()))
def test_every_event_and_every_outcome_is_shown_by_a_scenario(shown: str) -> None:
    """A new type or a new outcome needs a scenario, or a reason why no program can write it."""
    covered = {each for scenario in scenarios.ALL for each in scenario.shows}
    assert (shown in covered) != (shown in scenarios.WITHOUT_SOURCE)


def test_what_is_said_to_have_no_source_has_none() -> None:
    """Once a program writes it, the matrix must."""
    said = {
        (node.func.attr, keyword.value.value)
        for path, tree in _modules().items()
        if path.name != "types.py"
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
        for keyword in node.keywords
        if isinstance(keyword.value, ast.Constant)
    }
    for shown in scenarios.WITHOUT_SOURCE:
        name, _, word = shown.removesuffix("}").partition("{")
        assert (registry.KINDS[name].data.__name__, word) not in said


def test_every_boundary_that_is_recorded_is_a_point() -> None:
    """The recording is of this code: points that are gone are gone from it."""
    known = set(points.every())
    stale = {name for found in cases.recorded().values() for name in found} - known
    assert stale == set()


def test_the_same_seed_takes_the_same_cases_and_a_sample_has_every_fault() -> None:
    """What failed can be played again, and a small sample is broad."""
    size = len(faults.EVERY)
    first, again, other = (cases.chosen(seed, size, []) for seed in (7, 7, 8))
    assert first == again != other
    assert {case.fault for case in first} == set(faults.EVERY)
