"""Which fields can a spec have, and which test is named for each? Reads models and test files, runs neither.

`tests/leaves.yaml` maps each leaf (`agentstrategy.spec.limits.toolCalls`; a list's items count as its fields) to the
test of its behaviour (`tests/unit/domain/test_limits.py::test_…`). It must not import a test.
"""

import ast
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from hack.generate import crd
from keelstep.kinds import resource


def find_leaves(kinds: Iterable[type[resource.Resource]]) -> list[str]:
    """The paths of all spec fields that hold a value and not only further fields."""
    return [
        leaf
        for kind in kinds
        for leaf in _walk(f"{kind.crd.singular}.spec", crd.build_schema(kind)["properties"]["spec"])
    ]


def _walk(path: str, node: dict[str, Any]) -> Iterator[str]:
    inner = node.get("items", node)
    if "properties" not in inner:
        yield path
        return
    for name, child in inner["properties"].items():
        yield from _walk(f"{path}.{name}", child)


def find_problems(leaves: Iterable[str], named: dict[str, str], root: Path) -> list[str]:
    """What is wrong with the registry, one line each; empty when every leaf names a test that exists."""
    wanted = list(leaves)
    problems = [f"{leaf}: no test is named" for leaf in wanted if leaf not in named]
    problems += [f"{leaf}: no such field in any spec" for leaf in named if leaf not in wanted]
    for leaf, test in named.items():
        if leaf in wanted and not _exists(test, root):
            problems.append(f"{leaf}: there is no test {test}")
    return problems


def _exists(test: str, root: Path) -> bool:
    file, _, function = test.partition("::")
    path = root / file
    return path.is_file() and function.startswith("test_") and function in _functions(path)


def _functions(path: Path) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
