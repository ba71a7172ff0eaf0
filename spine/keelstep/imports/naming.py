"""What is a contract called? Kebab words and dots of the document's own name, each name once, at most 63 characters."""

import re
from collections.abc import Iterable

from keelstep.domain import canonical

MOST = 63
_HUMPS = re.compile(r"([a-z0-9])([A-Z])|([A-Z]+)([A-Z][a-z])")
_DOTS = re.compile(r"[./:]+")
_DASHES = re.compile(r"[^a-z0-9.]+")


def words(text: str) -> list[str]:
    """The words of a name, lower case: `listOrdersByID` is list, orders, by, id."""
    apart = _HUMPS.sub(lambda found: f"{found[1] or found[3]} {found[2] or found[4]}", text)
    return re.findall(r"[a-z0-9]+", apart.lower())


def kebab(text: str) -> str:
    """A name as Kubernetes takes it; empty where nothing of it is left."""
    apart = _HUMPS.sub(lambda found: f"{found[1] or found[3]}-{found[2] or found[4]}", text)
    dotted = _DOTS.sub(".", apart.lower())
    labels = (_DASHES.sub("-", label).strip("-") for label in dotted.split("."))
    return ".".join(label for label in labels if label)


def fitting(name: str) -> str:
    """The name, or its beginning and a digest of all of it."""
    if len(name) <= MOST:
        return name
    return f"{name[: MOST - 9].rstrip('-.')}-{canonical.digest(name.encode())[:8]}"


def distinct(wanted: Iterable[tuple[str, str]], prefix: str = "") -> list[tuple[str, str]]:
    """For each wanted name, and the source that wants it, the name it gets and what to say about that."""
    given: dict[str, str] = {}
    numbers: dict[str, int] = {}
    found = []
    for name, source in wanted:
        name = prefix + (name or "unnamed")
        short = fitting(name)
        note = f"shortened from {name}" if short != name else ""
        unique = short
        while unique in given:
            numbers[short] = numbers.get(short, 1) + 1
            unique = fitting(f"{short}-{numbers[short]}")
        if unique != short:
            note = f"{given[short]} is called {short}, too; name it better"
        given[unique] = source
        found.append((unique, note))
    return found
