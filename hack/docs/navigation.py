"""Does the site's navigation lead to every page? A page that nobody finds is not written.

It completes the configuration: a folder becomes its pages, and a page that nobody has placed stands under More.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from hack.docs import errors, stage

Entry = Any
"""A page, a folder, or a mapping of a title to one of them or to a list."""


def complete(configuration: Path, pages: Path, staged: list[str]) -> dict[str, Any]:
    """The configuration with a navigation that leads to every page of `docs/`.

    Raises:
        NavError: it names a page that is not there.
    """
    site: dict[str, Any] = yaml.safe_load(configuration.read_text())
    site["nav"] = [_expanded(entry, pages, staged) for entry in site["nav"]]
    known = {page for page in staged if page.endswith(".md")}
    named = set(_named(site["nav"]))
    if named - known:
        raise errors.NavError("\n".join(f"nav: there is no page {page}" for page in sorted(named - known)))
    left = sorted(
        page for page in known - named if not page.startswith("examples/") and not _is_listing(page)
    )
    if left:
        site["nav"].append({"More": [_entry(page, pages) for page in left]})
    return site


def _expanded(entry: Entry, pages: Path, staged: list[str]) -> Entry:
    if isinstance(entry, list):
        return [_expanded(each, pages, staged) for each in entry]
    if isinstance(entry, dict):
        return {name: _expanded(each, pages, staged) for name, each in entry.items()}
    if not entry.endswith("/"):
        return entry
    inside = [page for page in staged if page.startswith(entry) and page.endswith(".md")]
    return [_entry(page, pages) for page in inside if not _is_listing(page)]


def _entry(page: str, pages: Path) -> Entry:
    return {stage.title((pages / page).read_text()): page}


def _is_listing(page: str) -> bool:
    return page.endswith("/index.md")


def _named(entry: Entry) -> Iterator[str]:
    if isinstance(entry, str):
        yield entry
    elif isinstance(entry, dict):
        for each in entry.values():
            yield from _named(each)
    else:
        for each in entry:
            yield from _named(each)
