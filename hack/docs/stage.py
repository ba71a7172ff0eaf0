"""Which files make the site? The pages of `docs/`, and every file of the repository that they link to.

Links are written for the repository, where pages lie beside what they speak of; here they are turned to where each file
lies on the site. What belongs to a list's item is indented as GitHub reads it, by the width of the item's mark; the site's
generator wants four. It must not change a word of a page.
"""

import os
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath

from hack.docs import errors

_MOVED = {"README.md": "index.md", "docs/README.md": "pages.md"}
_FENCE = re.compile(r"^( *)(```+|~~~+)")
_LINK = re.compile(r"(?<!!)\]\(([^)\s#]*)(#[^)\s]*)?\)")
_CODE = re.compile(r"`[^`\n]*`")
_ITEM = re.compile(r"^(?:[-*]|[0-9]+\.) +(?=\S)")
_DEPTH = 4
"""By how much the generator wants an item's own lines indented."""


def stage(root: Path, target: Path) -> list[str]:
    """Stage every page of `docs/` and all that is linked to; the site's pages, by their paths.

    Raises:
        BrokenLinkError: a link names what is not in the repository.
    """
    shutil.rmtree(target, ignore_errors=True)
    waiting = ["README.md", *sorted(str(path.relative_to(root)) for path in (root / "docs").rglob("*.md"))]
    seen: set[str] = set()
    broken: list[str] = []
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        source, place = root / name, target / site_path(root, name)
        place.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            place.write_text(_listing(source))
            waiting += [f"{name}/{page.name}" for page in _pages(source)]
        elif source.suffix == ".md":
            text, linked, missing = _turned(root, name, source.read_text())
            place.write_text(text)
            waiting += linked
            broken += missing
        else:
            shutil.copyfile(source, place)
    if broken:
        raise errors.BrokenLinkError("\n".join(sorted(broken)))
    return sorted(site_path(root, name) for name in seen)


def site_path(root: Path, name: str) -> str:
    """Where a file of the repository lies on the site."""
    if name in _MOVED:
        return _MOVED[name]
    placed = name.removeprefix("docs/")
    return f"{placed}/index.md" if (root / name).is_dir() else placed


def prose(text: str) -> Iterator[tuple[str, bool]]:
    """Each line, and whether it is prose: not in a block of code."""
    fence = ""
    for line in text.splitlines(keepends=True):
        found = _FENCE.match(line)
        if found and not fence:
            fence = found[2]
            yield line, False
        elif fence:
            if found and found[2].startswith(fence):
                fence = ""
            yield line, False
        else:
            yield line, True


def _turned(root: Path, name: str, text: str) -> tuple[str, list[str], list[str]]:
    """A page with its links turned, the files that it links to, and what it links to in vain."""
    linked: list[str] = []
    missing: list[str] = []
    here = PurePosixPath(site_path(root, name)).parent

    def turn(found: re.Match[str]) -> str:
        aim, anchor = found[1], found[2] or ""
        if not aim or "://" in aim or aim.startswith("mailto:"):
            return found[0]
        wanted = os.path.normpath((PurePosixPath(name).parent / aim).as_posix())
        if wanted.startswith("..") or not (root / wanted).exists():
            missing.append(f"{name}: there is no {aim}")
            return found[0]
        linked.append(wanted)
        return f"]({os.path.relpath(site_path(root, wanted), here)}{anchor})"

    lines = [_outside_code(line, turn) if is_prose else line for line, is_prose in prose(deepened(text))]
    return "".join(lines), linked, missing


def deepened(text: str) -> str:
    """The page with what belongs to an item of a list, its blocks of code above all, as deep as the generator wants it."""
    width = 0
    lines = []
    for line, is_prose in prose(text):
        item = _ITEM.match(line) if is_prose else None
        if item:
            width = len(item[0])
        elif line.strip() and not line.startswith(" " * width):
            width = 0
        own = width and not item and line.strip()
        lines.append(" " * (_DEPTH - width) + line if own else line)
    return "".join(lines)


def _outside_code(line: str, turn: Callable[[re.Match[str]], str]) -> str:
    spans = [found.span() for found in _CODE.finditer(line)]

    def guarded(found: re.Match[str]) -> str:
        is_code = any(start <= found.start() and found.end() <= end for start, end in spans)
        return found[0] if is_code else turn(found)

    return _LINK.sub(guarded, line)


def _listing(folder: Path) -> str:
    entries = [f"- [{title(page.read_text())}]({page.name})" for page in _pages(folder)]
    return "\n".join([f"# {folder.name.capitalize()}", "", *entries, ""])


def _pages(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.md"))


def title(text: str) -> str:
    """A page's first heading."""
    return next(line for line in text.splitlines() if line.startswith("# ")).removeprefix("# ")
