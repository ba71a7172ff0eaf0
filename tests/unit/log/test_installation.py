"""An installation is made once, completely, with each secret where only its program looks."""

from pathlib import Path

import pytest

from keelstep import errors
from keelstep.events import types
from keelstep.log import installation
from keelstep.log.identities import Role


def _content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_second_call_changes_nothing(tmp_path: Path) -> None:
    """Idempotent: the keys of an installation are its identity, never overwritten."""
    made = installation.create(tmp_path / "site")
    before = _content(tmp_path / "site")
    assert installation.create(tmp_path / "site") == made
    assert _content(tmp_path / "site") == before
    assert [path.name for path in tmp_path.iterdir()] == ["site"], "no draft is left behind"


def test_an_empty_folder_is_filled(tmp_path: Path) -> None:
    """A mounted volume exists before its content does."""
    (tmp_path / "site").mkdir()
    assert installation.create(tmp_path / "site").credentials(Role.GATEWAY).jwt


def test_a_folder_with_something_else_is_refused(tmp_path: Path) -> None:
    """Nothing is written beside files that are not ours, and the person is told what is missing."""
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(errors.InstallationError, match=r"public/accounts\.json"):
        installation.create(tmp_path)
    assert _content(tmp_path) == {"notes.txt": b"mine"}


def test_an_incomplete_installation_names_what_is_missing(tmp_path: Path) -> None:
    """A program that finds half of one does not start with the other half."""
    site = installation.create(tmp_path / "site")
    site.credentials_file(Role.GATEWAY).unlink()
    with pytest.raises(errors.InstallationError, match=r"gateway/nats\.creds"):
        site.credentials(Role.GATEWAY)
    (tmp_path / "site" / "public" / "keyring.json").unlink()
    with pytest.raises(errors.InstallationError, match=r"public/keyring\.json"):
        installation.load(tmp_path / "site")


def test_secrets_are_readable_by_their_owner_only(tmp_path: Path) -> None:
    """0600 for every file but the public ones and the server's configuration."""
    site = installation.create(tmp_path / "site").folder
    modes = {
        str(path.relative_to(site)): path.stat().st_mode & 0o777 for path in site.rglob("*") if path.is_file()
    }
    public = {"public/accounts.json", "public/keyring.json", "server/server.conf"}
    assert {name for name, mode in modes.items() if mode & 0o077} == public


def test_no_secret_is_in_a_public_file_or_twice(tmp_path: Path) -> None:
    """Each program's folder becomes one Secret: what another program holds is not in it."""
    content = _content(installation.create(tmp_path / "site").folder)
    seeds = [
        line for text in content.values() for line in text.split() if line.startswith((b"SU", b"SA", b"SO"))
    ]
    assert len(seeds) == len(Role) + 5
    assert len(set(seeds)) == len(seeds)
    for name in ("public/accounts.json", "public/keyring.json", "server/server.conf"):
        assert not any(seed in content[name] for seed in seeds)


def test_operator_and_gateway_sign_and_the_keyring_tells_them_apart(tmp_path: Path) -> None:
    """A gateway's signature is not the operator's word."""
    site = installation.create(tmp_path / "site")
    for role, writer, other in (
        (Role.OPERATOR, types.Writer.OPERATOR, types.Writer.GATEWAY),
        (Role.GATEWAY, types.Writer.GATEWAY, types.Writer.OPERATOR),
    ):
        signed = site.signer(role).sign("s", b"payload")
        assert site.keyring.vouches(signed, writer, "s", b"payload")
        assert not site.keyring.vouches(signed, other, "s", b"payload")


def test_the_server_keeps_what_must_survive() -> None:
    """Appends are synced, revocations stay on disk, objects fit."""
    keys, settings = (
        installation.Keys.generate(),
        installation.ServerSettings(state=Path("/var/lib/keelstep")),
    )
    conf = installation.server_configuration(keys, settings, 0)
    assert conf["jetstream"] == {"store_dir": "/var/lib/keelstep/jetstream", "sync_interval": "always"}
    assert conf["resolver"]["type"] == "full"  # type: ignore[index]
    assert conf["max_payload"] == 8 * 1024 * 1024
