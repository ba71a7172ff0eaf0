"""Is every reason that a person can meet explained, and every explained one still said?"""

import re

import pytest

from hack.generate import reasons as page
from keelstep.domain.reasons import registry
from keelstep.domain.reasons.reason import Acts
from tests.unit.docs import words
from tests.unit.docs.not_reasons import NOT_REASONS

_NAME = re.compile(r"^[A-Z][A-Za-z]+$")
_LINK = re.compile(r"reasons\.md#([\w-]+)")


def test_every_reason_in_the_code_is_explained() -> None:
    """A CamelCase word that a program says is in the registry, or known to be none."""
    endings = tuple(registry.REASONS)
    unknown = {
        word: places
        for word, places in words.said().items()
        if word not in NOT_REASONS
        and word not in registry.REASONS
        and not (word.startswith("*") and any(name.endswith(word[1:]) for name in endings))
    }
    told = "\n".join(f"  {word}: {', '.join(places)}" for word, places in sorted(unknown.items()))
    assert not unknown, (
        "explain these in spine/keelstep/domain/reasons, or, if they are no reasons, list them in"
        f" tests/unit/docs/not_reasons.py:\n{told}"
    )


def test_every_explained_reason_is_said_somewhere() -> None:
    """What no program says any more is not explained either."""
    written = words.written() | set(words.said())
    endings = tuple(word[1:] for word in written if word.startswith("*"))
    silent = [name for name in registry.REASONS if name not in written and not name.endswith(endings)]
    assert not silent, f"no code says: {', '.join(silent)}"


def test_no_word_is_both_a_reason_and_none() -> None:
    """The two lists have nothing in common, and the second holds nothing that is gone."""
    assert not NOT_REASONS & registry.REASONS.keys()
    assert not NOT_REASONS - words.said().keys(), "these stand nowhere any more"


def test_each_reason_is_explained_once() -> None:
    """One word, one explanation."""
    names = [each.name for subject in registry.SUBJECTS for each in subject.reasons]
    assert sorted(names) == sorted(registry.REASONS)


@pytest.mark.parametrize("name", sorted(registry.REASONS))
def test_an_explanation_is_whole(name: str) -> None:
    """A CamelCase word; sentences; somebody who acts has something to do."""
    found = registry.REASONS[name]
    assert _NAME.match(found.name)
    for sentence in (found.meaning, found.fix):
        assert sentence[0].isupper()
        assert sentence.endswith(".")
        assert "|" not in sentence
    assert found.shows
    assert (found.fix == "Nothing to do.") <= (found.acts is Acts.NOBODY)


def test_links_to_reasons_lead_somewhere() -> None:
    """Every `reasons.md#…` of every page is the anchor of a reason."""
    anchors = {page.anchor(name) for name in registry.REASONS}
    pages = [*words.ROOT.glob("*.md"), *words.ROOT.glob("docs/*.md"), *words.ROOT.glob("examples/**/*.md")]
    dead = [
        f"{path.relative_to(words.ROOT)}: #{link}"
        for path in pages
        for link in _LINK.findall(path.read_text())
        if link not in anchors
    ]
    assert not dead, f"links to nothing: {', '.join(dead)}"


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("raise Stalled('ChildForged', 'x')", ["ChildForged"]),
        ("def f(a: 'Kind') -> 'Kind':\n    return 'NotSaid', a", ["NotSaid"]),
        ("class E:\n    'Doc.'\n    reason = 'Gone'", ["Gone"]),
        ("T = {'a': 'GateExpired'}", ["GateExpired"]),
        ("f'{scope}Killed'", ["*Killed"]),
        ("f'Not {x}'", []),
        ("V = Literal['One', 'Two']", []),
    ],
)
def test_words_are_found_wherever_they_stand(source: str, expected: list[str]) -> None:
    """As an argument, in a tuple, a class, a table, or composed; not as a type."""
    assert [word for word, _ in words.of(source)] == expected
