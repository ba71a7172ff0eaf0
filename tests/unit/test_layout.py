"""Is the repository laid out as it says?"""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MOST_LINES = 400
BEHAVIOURS = 12


def tracked() -> list[str]:
    """Every file of the repository."""
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True)
    return listed.stdout.splitlines()


@pytest.mark.parametrize(
    "path", ["operator/__init__.py", "operator/operator.py", "tests/unit/operator/__init__.py"]
)
def test_nothing_shadows_the_standard_library_operator(path: str) -> None:
    """With one of these, `python -m …` from the root would die while pytest still passes."""
    assert not (ROOT / path).exists()


def test_the_readme_names_twelve_behaviours_and_each_file_exists() -> None:
    """A reader finds each behaviour from the README's table."""
    readme = (ROOT / "README.md").read_text()
    table = readme[readme.index("## Where things live") : readme.index("## Words")]
    paths = re.findall(r"\| `([^`]+)` \|", table)
    assert len(paths) == BEHAVIOURS
    assert [path for path in paths if not (ROOT / path).is_file()] == []


def test_every_link_of_a_page_leads_somewhere() -> None:
    """Links between pages are relative and not dead."""
    dead = []
    for page in tracked():
        if page.endswith(".md"):
            for target in re.findall(r"\]\((?!https?:)([^)#\s]+)", (ROOT / page).read_text()):
                if not (ROOT / page).parent.joinpath(target).exists():
                    dead.append(f"{page}: {target}")
    assert dead == []


def test_no_python_file_is_over_400_lines() -> None:
    """A crowded room is split by noun."""
    python = [path for path in tracked() if path.endswith(".py")]
    long = {
        path: count for path in python if (count := len((ROOT / path).read_text().splitlines())) > MOST_LINES
    }
    assert long == {}


def test_ci_runs_exactly_the_readmes_test_command() -> None:
    """What CI proves is what a person runs."""
    script = (ROOT / ".ci" / "run").read_text()
    commands = [line for line in script.splitlines() if line and not line.startswith(("#", "set ", "cd "))]
    assert commands == ["make test"]
    assert "\nmake test " in (ROOT / "README.md").read_text()


def test_locks_hold_hashes_and_no_download_addresses() -> None:
    """An installation gets exactly what was locked, from whichever index its machine has."""
    for lock in sorted((ROOT / "requirements").glob("*.txt")):
        text = lock.read_text()
        pinned = re.findall(r"^[a-z0-9].*==", text, re.MULTILINE)
        assert pinned, lock.name
        assert text.count("--hash=sha256:") >= len(pinned), lock.name
        assert not re.search(r"https?://|--index|--find-links", text), lock.name


def test_the_runner_brings_no_heavy_library() -> None:
    """Its lock holds neither litellm nor kopf nor asyncpg nor a Kubernetes client."""
    text = (ROOT / "requirements" / "runner.txt").read_text()
    names = set(re.findall(r"^([a-z0-9-]+)==", text, re.MULTILINE))
    assert names.isdisjoint({"litellm", "kopf", "asyncpg", "kubernetes", "aiohttp", "httpx"})
