"""An archive says what it is, the same log makes the same one, and what is not whole is refused."""

import tarfile
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from keelstep.archive import file
from keelstep.archive.file import ArchiveError
from keelstep.log import jetstream

MANIFEST = file.Manifest(
    format=file.FORMAT,
    tenant="shop",
    name="refund-7",
    execution="x1",
    shard=0,
    stream="SPINE-0",
    first=3,
    last=9,
    messages=2,
    events=2,
    head="a" * 64,
    verdict="Verified",
    phase="Succeeded",
    reason="CriteriaMet",
    strategy="support",
    requester="ann",
    trace_id="7" * 32,
    began_at="",
    ended_at="",
    tokens=0,
    micro_usd=0,
    objects=[],
    missing=[],
    sha256={},
)
MESSAGES = [
    jetstream.Message(
        subject="spine.0.shop.x1.op",
        position=3,
        stored_at=1,
        headers={"Keelstep-Signature": "op-1:abc"},
        payload=b'{"a": 1}\n\x00',
        block=b"NATS/1.0\r\nKeelstep-Signature: op-1:abc\r\n\r\n",
    ),
    jetstream.Message(subject="spine.0.shop.x1.a1", position=9, stored_at=2, headers={}, payload=b""),
]


def _write(path: Path) -> None:
    with file.Writer(path) as writer:
        writer.add(file.LOG, file.pack(MESSAGES))
        writer.finish(MANIFEST)


def test_frames_give_back_what_they_were_given() -> None:
    """Subject, place, time, headers as they were stored, and any bytes."""
    assert list(file.unpack(file.pack(MESSAGES))) == MESSAGES


@pytest.mark.parametrize("cut", [1, 20, 80, 120])
def test_frames_that_are_cut_are_refused(cut: int) -> None:
    """Wherever the end is missing."""
    frames = file.pack(MESSAGES[:1])
    with pytest.raises(ArchiveError):
        list(file.unpack(frames[:-cut]))


def test_the_same_log_makes_the_same_file(tmp_path: Path) -> None:
    """No time of making, no name of the draft: whoever does it twice has changed nothing."""
    _write(tmp_path / "one.tar.gz")
    _write(tmp_path / "two.tar.gz")
    assert file.digest_of(tmp_path / "one.tar.gz") == file.digest_of(tmp_path / "two.tar.gz")


def test_any_tool_opens_it(tmp_path: Path) -> None:
    """A tar file, compressed; readable by its owner only."""
    path = tmp_path / "one.tar.gz"
    _write(path)
    with tarfile.open(path) as archive:
        assert archive.getnames() == [file.LOG, file.MANIFEST]
    assert path.stat().st_mode & 0o777 == 0o600


def test_what_is_not_finished_does_not_appear(tmp_path: Path) -> None:
    """Neither a file nor a draft is left."""
    with file.Writer(tmp_path / "one.tar.gz") as writer:
        writer.add(file.LOG, b"")
    assert list(tmp_path.iterdir()) == []


def _shorter(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-9])


def _text(path: Path) -> None:
    path.write_text("hello")


def _link(path: Path) -> None:
    with tarfile.open(path, "w:gz") as archive:
        about = tarfile.TarInfo(file.LOG)
        about.type, about.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(about)


DAMAGES: dict[str, Callable[[Path], None]] = {"cut": _shorter, "no tar file": _text, "a link": _link}


@pytest.mark.parametrize("damage", DAMAGES)
def test_what_cannot_be_read_is_said_so(damage: str, tmp_path: Path) -> None:
    """One error of ours, which names the file; nothing of it is followed."""
    path = tmp_path / "one.tar.gz"
    _write(path)
    DAMAGES[damage](path)
    with pytest.raises(ArchiveError, match=r"one\.tar\.gz"):
        list(file.members(path))


def test_a_later_format_is_left_to_a_later_program(tmp_path: Path) -> None:
    """Nobody guesses."""
    later = msgspec.json.encode(msgspec.structs.replace(MANIFEST, format=2))
    with pytest.raises(ArchiveError, match="is of format 2"):
        file.parse_manifest(later, tmp_path)
