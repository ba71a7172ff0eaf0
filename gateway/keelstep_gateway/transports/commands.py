"""Which commands may a gateway run for a contract? Those that the platform team lists; none without a list.

A command runs with the gateway's own rights, so a contract alone is not enough. Every word of it must match, and so must
the name of every environment variable: many programs run what their environment tells them to.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

import msgspec
import yaml

from keelstep import errors


class _Entry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    command: list[str]
    environment: list[str] = []


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    commands: list[_Entry]


@dataclass(frozen=True, slots=True)
class Commands:
    """What may be run."""

    entries: tuple[_Entry, ...] = ()

    def allow(self, command: Sequence[str], variables: Sequence[str]) -> bool:
        """Does one entry match every word, and the name of every variable?"""
        return any(
            len(each.command) == len(command)
            and all(fnmatchcase(word, pattern) for word, pattern in zip(command, each.command, strict=True))
            and all(any(fnmatchcase(name, pattern) for pattern in each.environment) for name in variables)
            for each in self.entries
        )


def load(path: Path) -> Commands:
    """The commands in a YAML file.

    Raises:
        errors.SettingsError: it cannot be read or is no list of commands.
    """
    try:
        found = msgspec.convert(yaml.safe_load(path.read_text()), _File)
    except (OSError, yaml.YAMLError, msgspec.ValidationError) as error:
        raise errors.SettingsError(f"stdio commands {path}: {error}") from error
    return Commands(tuple(found.commands))
