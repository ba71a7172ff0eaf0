"""What is known of a reason? Its meaning, who acts, the fix, and where a person meets it.

Data only. A reason is one CamelCase word that stands in conditions, Events, metrics and the log alike.
"""

from dataclasses import dataclass
from enum import StrEnum


class Acts(StrEnum):
    """Who must do something."""

    AUTHOR = "author"
    """Who writes strategies and contracts."""
    REQUESTER = "requester"
    """Who asked for the run, or for a view of it."""
    APPROVER = "approver"
    """Who may decide gates."""
    PLATFORM = "platform team"
    """Who runs the installation."""
    NOBODY = "nobody"
    """It is well, or heals by itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """One reason."""

    name: str
    """CamelCase."""
    meaning: str
    """One sentence."""
    acts: Acts
    fix: str
    """One sentence: what they do."""
    shows: str
    """Where a person meets it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """Reasons that belong together."""

    title: str
    about: str
    """One or two sentences above the table."""
    reasons: tuple[Reason, ...]
