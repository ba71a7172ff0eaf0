"""How is an archive written down? A tar file of one execution, compressed, that any tool can open:

    log.frames       every message as the broker held it: a JSON line with its place, time and sizes; its headers; its bytes
    keyring.json     the public keys that signed them
    objects/…        payloads and revisions that the log names, each under its address
    manifest.json    what must be there, with the SHA-256 of each; last, so that a file that was cut short has none

The same log makes the same content: nothing in it tells when it was made. A file appears whole or not at all. Nothing
here knows what a message means.
"""

import gzip
import hashlib
import io
import os
import secrets
import tarfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from keelstep import errors
from keelstep.events import signing
from keelstep.events.frame import Stored
from keelstep.events.value import Count
from keelstep.log import jetstream

FORMAT = 1
LOG, KEYRING, MANIFEST, OBJECTS = "log.frames", "keyring.json", "manifest.json", "objects/"
SUFFIX = ".tar.gz"
_REST = 64 * 1024
_MODE = 0o600
"""Prompts, arguments and answers lie in it."""


class ArchiveError(errors.Stalled):
    """Whoever keeps the archives must look: a file is cut short, altered, or not what it should be."""

    def __init__(self, message: str) -> None:
        super().__init__("ArchiveBroken", message)


class Object(msgspec.Struct, frozen=True, kw_only=True):
    """One payload that the log names."""

    address: str
    """Its subject in the stream OBJ."""
    size: Count
    position: int
    """Its sequence in the stream OBJ."""
    stored_at: int
    """The broker's clock, nanoseconds since 1970."""


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What an archive holds, and what its log came to."""

    format: int
    tenant: str
    name: str
    """The Execution's."""
    execution: str
    """The xid."""
    shard: int
    stream: str
    first: int
    """The stream sequence of its first message."""
    last: int
    messages: int
    events: int
    head: str
    """SHA-256 of the last event's bytes."""
    verdict: str
    """As `keelstep verify` judges."""
    phase: str
    reason: str
    strategy: str
    requester: str
    trace_id: str
    began_at: str
    ended_at: str
    """Both by the broker's clock."""
    tokens: int
    micro_usd: int
    objects: list[Object]
    missing: list[str]
    """Addresses that the log names and where nothing lay."""
    sha256: dict[str, str]
    """Of every other member, by its name."""


class _Head(msgspec.Struct, frozen=True, kw_only=True):
    subject: str
    position: int
    stored_at: int
    headers: Count
    """Bytes of the headers, which come first."""
    payload: Count


_HEADS = msgspec.json.Decoder(_Head)
_MANIFESTS = msgspec.json.Decoder(Manifest)


def pack(messages: Iterable[jetstream.Message]) -> bytes:
    """The frames of these messages."""
    parts = bytearray()
    for each in messages:
        head = _Head(
            subject=each.subject,
            position=each.position,
            stored_at=each.stored_at,
            headers=len(each.block),
            payload=len(each.payload),
        )
        parts += msgspec.json.encode(head) + b"\n" + each.block + each.payload
    return bytes(parts)


def unpack(frames: bytes) -> Iterator[jetstream.Message]:
    """The messages of frames.

    Raises:
        ArchiveError: they are cut short, or were not made by `pack`.
    """
    at = 0
    while at < len(frames):
        line = frames.find(b"\n", at)
        try:
            head = _HEADS.decode(frames[at:line] if line >= 0 else b"")
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise ArchiveError(f"{LOG} is damaged at byte {at}: {error}") from error
        begin = line + 1 + head.headers
        end = begin + head.payload
        if end > len(frames):
            raise ArchiveError(f"{LOG} is cut short in message {head.position}")
        block = frames[line + 1 : begin]
        yield jetstream.Message(
            subject=head.subject,
            position=head.position,
            stored_at=head.stored_at,
            headers=jetstream.parse_headers(block),
            payload=frames[begin:end],
            block=block,
        )
        at = end


def stored(messages: Iterable[jetstream.Message]) -> list[Stored]:
    """The messages as every reader of the stream has them."""
    return [
        Stored(
            position=each.position,
            writer=each.subject.rpartition(".")[2],
            stored_at=each.stored_at,
            signature=each.headers.get(signing.HEADER, ""),
            payload=each.payload,
        )
        for each in messages
    ]


def digest(payload: bytes) -> str:
    """SHA-256, hex."""
    return hashlib.sha256(payload).hexdigest()


def digest_of(path: Path) -> str:
    """SHA-256 of a file, hex."""
    with path.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def parse_manifest(payload: bytes, path: Path) -> Manifest:
    """The manifest of an archive.

    Raises:
        ArchiveError: it is none, or of another format.
    """
    try:
        found = _MANIFESTS.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ArchiveError(f"{path}: {MANIFEST} is none: {error}") from error
    if found.format != FORMAT:
        raise ArchiveError(f"{path} is of format {found.format}; this program reads {FORMAT}: upgrade it")
    return found


def members(path: Path) -> Iterator[tuple[str, bytes]]:
    """Every member of an archive in order, one at a time.

    Raises:
        ArchiveError: it cannot be read to its end.
    """
    try:
        with gzip.open(path) as zipped:
            with tarfile.open(fileobj=zipped, mode="r|") as archive:
                for each in archive:
                    opened = archive.extractfile(each) if each.isreg() else None
                    if opened is None:
                        raise ArchiveError(f"{path}: {each.name} is no file")
                    yield each.name, opened.read()
            while zipped.read(_REST):  # only at its very end does it tell that it is whole
                pass
    except (tarfile.TarError, gzip.BadGzipFile, zlib.error, EOFError, OSError) as error:
        raise ArchiveError(f"{path} cannot be read: {error}") from error


def member(path: Path, name: str) -> bytes | None:
    """One member of an archive; None where it has none of that name.

    Raises:
        ArchiveError: it cannot be read.
    """
    return next((payload for found, payload in members(path) if found == name), None)


class Writer:
    """Writes one archive; a context manager. Unless it is finished, nothing appears."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        self._sha256: dict[str, str] = {}

    @property
    def sha256(self) -> Mapping[str, str]:
        """Of every member so far, by its name."""
        return self._sha256

    def __enter__(self) -> Self:
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
        self._file = os.fdopen(os.open(self._draft, flags, _MODE), "wb")
        # neither a name nor a time of its own
        self._zipped = gzip.GzipFile(filename="", mode="wb", fileobj=self._file, mtime=0)
        self._archive = tarfile.open(mode="w", fileobj=self._zipped, format=tarfile.PAX_FORMAT)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for each in (self._zipped, self._file):
            each.close()
        self._draft.unlink(missing_ok=True)

    def add(self, name: str, payload: bytes) -> None:
        """One more member."""
        about = tarfile.TarInfo(name)
        about.size, about.mode = len(payload), _MODE
        self._archive.addfile(about, io.BytesIO(payload))
        self._sha256[name] = digest(payload)

    def finish(self, manifest: Manifest) -> None:
        """The manifest, and the file is there: on the disk, under its name."""
        text = msgspec.json.format(msgspec.json.encode(manifest), indent=1) + b"\n"
        self.add(MANIFEST, text)
        self._archive.close()
        self._zipped.close()
        self._file.flush()
        os.fsync(self._file.fileno())
        self._draft.rename(self._path)
        folder = os.open(self._path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
