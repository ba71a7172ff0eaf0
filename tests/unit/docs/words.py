"""Which CamelCase words do the programs contain, and where? Read from the source, so that none is forgotten.

A reason may stand anywhere: as an argument, in a tuple, a table, a class. So every word counts that is written as a
whole string literal, but for docstrings and annotations; what is no reason is listed in `not_reasons`.
"""

import ast
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
SOURCES = (
    "spine/keelstep",
    "operator/keelstep_operator",
    "gateway/keelstep_gateway",
    "runner/keelstep_runner",
)
NOT_SAID = ("keelstep/testing/", "keelstep/domain/reasons/")
"""Code that says no reason to anybody."""
TITLES = ("keelstep/cli/", "keelstep/kinds/", "keelstep/views/tables.py")
"""Where a word of one hump is a column's title, an enumeration or a rich style."""
POLICIES = "policies/admission"
_WORD = re.compile(r"^[A-Z][a-z0-9]+(?:[A-Z][a-z0-9]*)*$")
_HUMPS = re.compile(r"[A-Z]")
_POLICY_REASON = re.compile(r"^ *reason: (\w+)$", re.MULTILINE)

Places = Mapping[str, list[str]]
"""Word → the places where it stands, `file:line`."""


def said() -> Places:
    """Every word that a program may say, and every ending of one that it composes, such as `*Killed`."""
    found: dict[str, list[str]] = defaultdict(list)
    for path in files():
        has_titles = any(part in str(path) for part in TITLES)
        for word, line in of(path.read_text()):
            if not has_titles or len(_HUMPS.findall(word)) > 1:
                found[word].append(f"{path.relative_to(ROOT)}:{line}")
    for path in sorted((ROOT / POLICIES).glob("*.yaml")):
        for word in _POLICY_REASON.findall(path.read_text()):
            found[word].append(str(path.relative_to(ROOT)))
    return found


def written() -> set[str]:
    """Every word that stands anywhere, titles and enumerations too."""
    return {word for path in files() for word, _ in of(path.read_text())}


def files() -> Iterator[Path]:
    """Every module that may say a reason."""
    for source in SOURCES:
        for path in sorted((ROOT / source).rglob("*.py")):
            if not any(part in str(path) for part in NOT_SAID):
                yield path


def of(source: str) -> Iterator[tuple[str, int]]:
    """The words of one module, and their lines."""
    tree = ast.parse(source)
    skipped = {id(node) for annotation in _annotations(tree) for node in ast.walk(annotation)}
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
        if isinstance(node, ast.JoinedStr):
            skipped |= {id(part) for part in node.values}
            last = node.values[-1] if len(node.values) > 1 else None
            if isinstance(last, ast.Constant) and isinstance(last.value, str) and _WORD.match(last.value):
                yield f"*{last.value}", node.lineno
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and _WORD.match(node.value):
            yield node.value, node.lineno


def _annotations(tree: ast.AST) -> Iterator[ast.AST]:
    """What names a type and says nothing."""
    for node in ast.walk(tree):
        if isinstance(node, ast.arg | ast.AnnAssign) and node.annotation is not None:
            yield node.annotation
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.returns is not None:
            yield node.returns
        elif isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name):
            if node.value.id == "Literal":
                yield node
        elif isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("NewType", "TypeVar"):
            yield node
