"""Where is a model reached, and with which key? The gateway's own configuration; a run only names a model."""

from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

import msgspec
import yaml

from keelstep import errors

SPOKEN = "openai/"
"""What the names of models begin with that speak as OpenAI does, wherever they are."""


class _Entry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    match: str
    base_url: str | None = msgspec.field(default=None, name="baseURL")
    api_key_file: str | None = None


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    models: list[_Entry]


@dataclass(frozen=True, slots=True)
class Provider:
    """How a model is reached."""

    base_url: str | None
    """None is the provider's own address."""
    api_key: str

    def __repr__(self) -> str:
        return f"Provider({self.base_url})"


@dataclass(frozen=True, slots=True)
class Providers:
    """Every provider this gateway may use."""

    entries: tuple[_Entry, ...]

    @property
    def need_library(self) -> bool:
        """Can a model be asked for that does not speak as OpenAI does?"""
        return any(not each.match.startswith(SPOKEN) for each in self.entries)

    def of(self, model: str) -> Provider | None:
        """The provider of a model: the first entry whose pattern matches; its key is read each time.

        Raises:
            OSError: the key's file cannot be read.
        """
        entry = next((each for each in self.entries if fnmatchcase(model, each.match)), None)
        if entry is None:
            return None
        # client libraries want some key, also where the server wants none
        key = Path(entry.api_key_file).read_text().strip() if entry.api_key_file is not None else "none"
        return Provider(entry.base_url, key)


def load(path: Path) -> Providers:
    """The providers in a YAML file.

    Raises:
        errors.SettingsError: it cannot be read or is no list of providers.
    """
    try:
        found = msgspec.convert(yaml.safe_load(path.read_text()), _File)
    except (OSError, yaml.YAMLError, msgspec.ValidationError) as error:
        raise errors.SettingsError(f"providers {path}: {error}") from error
    return Providers(tuple(found.models))
