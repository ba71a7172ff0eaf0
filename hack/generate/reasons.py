"""What does docs/reasons.md say? The registry of reasons, a table per subject, so that page and programs agree.

Pure: the same registry gives the same text.
"""

from collections.abc import Iterator

from keelstep.domain.reasons import registry
from keelstep.domain.reasons.reason import Reason, Subject

PATH = "docs/reasons.md"
_NOTE = "<!-- Written by `python -m hack.generate` from spine/keelstep/domain/reasons; edit the sentences there. -->"
_ABOUT = """\
A reason is one word that says why: in conditions and in the column REASON, in Events, in the log of a run, and in what
programs print. Here is what each means, who acts, and the fix. *Nobody* acts where it is well, or heals by itself.

Two things help with all of them: `kubectl describe` shows the message that goes with the reason, and
`keelstep trace NAME` what happened before it."""


def render_all() -> dict[str, str]:
    """The page: its path in the repository → its text."""
    return {PATH: render(registry.SUBJECTS)}


def anchor(name: str) -> str:
    """What follows `docs/reasons.md#` in a link to a reason."""
    return name.lower()


def render(subjects: tuple[Subject, ...]) -> str:
    """The page of these subjects."""
    links = " · ".join(
        f"[{each.title}](#{each.title.lower().replace(' ', '-').replace(',', '')})" for each in subjects
    )
    parts = ["# Reasons", _NOTE, _ABOUT, links]
    for subject in subjects:
        parts += [f"## {subject.title}", subject.about, "\n".join(_table(subject))]
    return "\n\n".join(parts) + "\n"


def _table(subject: Subject) -> Iterator[str]:
    yield "| reason | meaning | who acts | fix | where it shows |"
    yield "|---|---|---|---|---|"
    yield from (_row(each) for each in sorted(subject.reasons, key=lambda each: each.name))


def _row(each: Reason) -> str:
    named = f'<a id="{anchor(each.name)}"></a>`{each.name}`'
    return f"| {named} | {each.meaning} | {each.acts} | {each.fix} | {each.shows} |"
