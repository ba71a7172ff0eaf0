"""What is a backup made of? A folder that appears whole, and says of each file what it must be.

    manifest.json       when, which streams with their settings and last messages, the digest of each file
    <stream>.snapshot   one each, as the broker writes it
    accounts.json       the broker's accounts as it knew them: whose identities were revoked. Public, signed statements.
    keyring.json        whose signatures count

No private key is in it, but everything that was ever said: prompts, arguments, answers.
"""

import hashlib
from pathlib import Path
from typing import Any

import msgspec

from keelstep import errors
from keelstep.backup.snapshot import Taken

FORMAT = 1
MANIFEST, ACCOUNTS, KEYRING = "manifest.json", "accounts.json", "keyring.json"


class BackupError(errors.Stalled):
    """Whoever keeps the backups must look: the folder is none, or not what it was."""

    def __init__(self, message: str) -> None:
        super().__init__("BackupBroken", message)


class Stream(msgspec.Struct, frozen=True, kw_only=True):
    """One stream of a backup."""

    name: str
    file: str
    messages: int
    last: int
    """The stream sequence of its last message."""
    config: dict[str, Any]
    state: dict[str, Any]

    @property
    def taken(self) -> Taken:
        """What the broker needs to make it again."""
        return Taken(config=self.config, state=self.state)


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What a backup holds."""

    format: int
    at: str
    """The broker's clock when the first stream was begun: what came after may be missing."""
    streams: list[Stream]
    """In the order in which they were copied."""
    sha256: dict[str, str]
    """Of every other file, by its name."""


def read(folder: Path) -> Manifest:
    """The manifest of a backup whose files are what they were.

    Raises:
        BackupError: they are not, or there is none.
    """
    file = folder / MANIFEST
    try:
        found = msgspec.json.decode(file.read_bytes(), type=Manifest)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BackupError(f"{folder} is no backup: {file.name} cannot be read: {error}") from error
    if found.format != FORMAT:
        raise BackupError(f"{folder} is of format {found.format}; this program reads {FORMAT}: upgrade it")
    for name, sha256 in found.sha256.items():
        path = folder / name
        if not path.is_file() or digest(path) != sha256:
            raise BackupError(f"{path} is missing, or not what it was")
    return found


def digest(path: Path) -> str:
    """SHA-256 of a file, hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
