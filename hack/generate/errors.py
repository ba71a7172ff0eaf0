"""What does docs/errors.md say? The classes of failure, and which reasons come with each.

Pure: the same registry gives the same text.
"""

from hack.generate import reasons
from keelstep.domain.reasons import classes
from keelstep.domain.reasons.classes import ErrorClass
from keelstep.kinds.failure import ErrorClass as Retryable

PATH = "docs/errors.md"
_NOTE = "<!-- Written by `python -m hack.generate` from spine/keelstep/domain/reasons/classes.py; edit it there. -->"
_ABOUT = f"""\
A call of a tool or a model that comes to nothing is recorded with a **reason**, one word that says what happened
([reasons.md](reasons.md)), and a **class**, which says what can be done about it. The class is what metrics count
by, and what a contract's `failurePolicy.retryable` names: {", ".join(f"`{each.value}`" for each in Retryable)}.

Whether anything happened is a third question, and the result's status answers it: `failed` only where it provably did not,
`unknown` where nobody can say ([toolcontract.md](toolcontract.md)), `denied` where it was never begun."""


def render_all() -> dict[str, str]:
    """The page: its path in the repository → its text."""
    rows = [_row(each) for each in classes.CLASSES]
    table = "\n".join(
        ["| class | meaning | who acts | does a retry help | reasons |", "|---|---|---|---|---|", *rows]
    )
    return {PATH: "\n\n".join(["# Errors of calls", _NOTE, _ABOUT, table]) + "\n"}


def _row(each: ErrorClass) -> str:
    found = sorted(name for name, named in classes.OF.items() if each.name in named)
    links = ", ".join(f"[{name}](reasons.md#{reasons.anchor(name)})" for name in found)
    return f'| <a id="{each.name.lower()}"></a>`{each.name}` | {each.meaning} | {each.acts} | {each.retry} | {links} |'
