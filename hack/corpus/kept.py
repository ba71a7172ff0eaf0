"""How is a log kept in a file? Every stored message as the broker has it, the public keys, and what it came to.

JSON, so that a person can read it. A payload is kept as the text it is; bytes that are no text are kept in base64.
Nothing here knows what a message means.
"""

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from keelstep.events import clock, signing
from keelstep.events.frame import Stored

FORMAT = 1
"""Of the file, not of the events."""
LIST = "SHA256SUMS"
"""The digest of every file, in the folder that holds the versions' folders."""


class KeptError(Exception):
    """A file cannot be kept, or is not what it was; the message says which."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message with everything that the broker knows of it."""

    subject: str
    position: int
    stored_at: str
    """The broker's clock, RFC 3339."""
    headers: Mapping[str, str]
    payload: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Log:
    """One execution's log."""

    about: str
    """What happened in it, one sentence."""
    tenant: str
    xid: str
    shard: int
    keyring: Mapping[str, Any]
    """Public keys, as `signing.Keyring.parse` reads them."""
    messages: Sequence[Message]
    expected: Mapping[str, Any] = field(default_factory=dict)
    """What it came to when it was recorded."""

    def stored(self) -> list[Stored]:
        """The messages as every reader of the stream has them."""
        return [
            Stored(
                position=each.position,
                writer=each.subject.rpartition(".")[2],
                stored_at=clock.parse(each.stored_at),
                signature=each.headers.get(signing.HEADER, ""),
                payload=each.payload,
            )
            for each in self.messages
        ]

    def keys(self) -> signing.Keyring:
        """Whose signatures count."""
        return signing.Keyring.parse(msgspec.json.encode(self.keyring))


def read(file: Path) -> Log:
    """The log in a file."""
    found = json.loads(file.read_text())
    assert found["format"] == FORMAT, f"{file.name} is of format {found['format']}"
    return Log(
        about=found["about"],
        tenant=found["tenant"],
        xid=found["execution"],
        shard=found["shard"],
        keyring=found["keyring"],
        messages=[_message(each) for each in found["messages"]],
        expected=found["expected"],
    )


def write(file: Path, log: Log) -> None:
    """Keep a log, and its digest in the list.

    Raises:
        KeptError: the file exists: what is kept is never edited.
    """
    content = {
        "format": FORMAT,
        "about": log.about,
        "tenant": log.tenant,
        "execution": log.xid,
        "shard": log.shard,
        "keyring": log.keyring,
        "messages": [_written(each) for each in log.messages],
        "expected": log.expected,
    }
    text = json.dumps(content, indent=1, ensure_ascii=False) + "\n"
    file.parent.mkdir(parents=True, exist_ok=True)
    try:
        with file.open("x") as opened:
            opened.write(text)
    except FileExistsError as error:
        raise KeptError(f"{file} exists, and what is kept is never edited: choose another name") from error
    with (file.parents[1] / LIST).open("a") as listed:
        listed.write(f"{digest(file)}  {file.parent.name}/{file.name}\n")


def digests(folder: Path) -> dict[str, str]:
    """What the list says of every file, by its path in the folder."""
    lines = (folder / LIST).read_text().splitlines()
    return {name: sha256 for sha256, name in (line.split("  ", 1) for line in lines)}


def digest(file: Path) -> str:
    """SHA-256 of a file, hex."""
    return hashlib.sha256(file.read_bytes()).hexdigest()


def _message(found: Mapping[str, Any]) -> Message:
    payload = found["payload"].encode() if "payload" in found else base64.b64decode(found["payload_base64"])
    return Message(
        subject=found["subject"],
        position=found["position"],
        stored_at=found["stored_at"],
        headers=found["headers"],
        payload=payload,
    )


def _written(one: Message) -> dict[str, Any]:
    written: dict[str, Any] = {
        "subject": one.subject,
        "position": one.position,
        "stored_at": one.stored_at,
        "headers": dict(one.headers),
    }
    try:
        written["payload"] = one.payload.decode()
    except UnicodeDecodeError:
        written["payload_base64"] = base64.b64encode(one.payload).decode()
    return written
