"""Does every link of the built site lead somewhere? Files and anchors of the site itself; nothing is fetched.

The generator checks what it understands; this checks what a browser would be given.
"""

from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

from hack.docs import errors


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.aims: list[str] = []
        self.fetched: list[str] = []
        """What a browser gets without being asked."""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        known = dict(attrs)
        self.anchors |= {value for name in ("id", "name") if (value := known.get(name))}
        aim = known.get("href") or known.get("src")
        if aim:
            self.aims.append(aim)
            if tag != "a":
                self.fetched.append(aim)


def check(site: Path) -> int:
    """How many links there are, once each has been followed.

    Raises:
        BrokenLinkError: some lead nowhere, or a page would fetch something from elsewhere.
    """
    pages = {path: _read(path) for path in site.rglob("*.html")}
    broken: list[str] = []
    count = 0
    for path, page in pages.items():
        if path.name == "404.html":
            continue  # its links are absolute: it is served anywhere
        broken += [
            f"{path.relative_to(site)}: {aim}: would be fetched from elsewhere"
            for aim in page.fetched
            if urlsplit(aim).netloc
        ]
        for aim in page.aims:
            parts = urlsplit(aim)
            if parts.scheme or parts.netloc:
                continue
            count += 1
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            if target.is_dir():
                target /= "index.html"
            where = f"{path.relative_to(site)}: {aim}"
            if not target.exists():
                broken.append(f"{where}: there is no such file")
            elif parts.fragment and target in pages and unquote(parts.fragment) not in pages[target].anchors:
                broken.append(f"{where}: there is no such heading")
    if broken:
        raise errors.BrokenLinkError("\n".join(sorted(set(broken))))
    return count


def _read(path: Path) -> _Page:
    page = _Page()
    page.feed(path.read_text())
    return page
