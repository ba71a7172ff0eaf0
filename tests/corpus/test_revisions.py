"""Does this version read old revisions as they were read when they were made, and can the release before read ours?"""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from hack.corpus import defaults
from keelstep.domain import canonical, revision
from keelstep.kinds.resource import Model

CORPUS = Path(__file__).parent
ROOT = CORPUS.parents[1]
REVISIONS = sorted((CORPUS / "revisions").glob("*.json"))
LOADERS = {"AgentStrategy": revision.load_strategy, "ToolContract": revision.load_contract}


def _loaded(payload: bytes) -> tuple[str, str, Model]:
    kind = str(canonical.loads(payload)["kind"])
    return kind, *LOADERS[kind](payload)


def _says(found: Any, wanted: Any) -> bool:
    """Is everything that was wanted found, whatever else is?"""
    if isinstance(wanted, dict):
        return isinstance(found, dict) and all(
            key in found and _says(found[key], part) for key, part in wanted.items()
        )
    if isinstance(wanted, list):
        return len(found) == len(wanted) and all(map(_says, found, wanted))
    return bool(found == wanted)


@pytest.mark.parametrize("file", REVISIONS, ids=lambda file: file.stem[:12])
def test_an_old_revision_says_what_it_said(file: Path) -> None:
    """Those too that hold every default, as the first releases made them; their names are their digests."""
    payload = file.read_bytes()
    assert canonical.digest(payload) == file.stem
    _, _, spec = _loaded(payload)
    assert _says(spec.wire(), canonical.loads(payload)["spec"])


@pytest.mark.parametrize("file", REVISIONS, ids=lambda file: file.stem[:12])
def test_what_equals_its_default_is_left_out_and_read_back(file: Path) -> None:
    """So a field that is new is in no revision whose author does not use it, and the release before reads it."""
    kind, name, spec = _loaded(file.read_bytes())
    built = revision.build(kind, name, spec)
    assert _loaded(built.payload) == (kind, name, spec)
    silent = {line.split()[0] for line in defaults.now() if not line.endswith("(required)")}
    for place, value in _leaves(kind, canonical.loads(built.payload)["spec"]):
        if place in silent:
            assert f"{place} {defaults.text(value)}" not in defaults.now()


def test_a_default_never_changes_and_no_field_goes() -> None:
    """A revision is silent about what equals its default: one that changed would change what old runs had pinned.

    A new field: `python -m hack.corpus defaults`.
    """
    assert sorted(defaults.now()) == sorted(defaults.read(CORPUS))


def test_the_list_of_defaults_only_grows() -> None:
    """Whatever line stood in it in any commit stands in it now."""
    told = subprocess.run(
        ["git", "log", "--format=", "--patch", "--", f"tests/corpus/{defaults.FILE}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    ever = {line[1:] for line in told.splitlines() if re.match(r"\+[^+]", line)}
    assert ever <= set(defaults.read(CORPUS))


def test_the_list_is_added_to_and_never_written_over(tmp_path: Path) -> None:
    """A line that is there stays as it is, whatever the field's default is now."""
    first, *others = defaults.add(tmp_path)
    kept = [f"{first.split()[0]} 7", *others[1:]]
    (tmp_path / defaults.FILE).write_text("\n".join(kept) + "\n")
    assert defaults.add(tmp_path) == [others[0]]
    assert defaults.read(tmp_path) == [*kept, others[0]]


def _leaves(place: str, found: Any) -> list[tuple[str, Any]]:
    if isinstance(found, dict):
        inside = [_leaves(f"{place}.{key}", value) for key, value in found.items()]
    elif isinstance(found, list):
        inside = [_leaves(f"{place}[]", value) for value in found]
    else:
        inside = []
    return [(place, found), *(leaf for each in inside for leaf in each)]
