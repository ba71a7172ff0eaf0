"""An installation is made once, completely, with each secret where only its program looks."""

import json
from pathlib import Path

import pytest

from keelstep import errors
from keelstep.events import types
from keelstep.log import installation, server
from keelstep.log.identities import Role
from keelstep.log.installation import Node

NODES = [Node(name=f"n{number}", port=4000 + number, cluster_port=5000 + number) for number in range(3)]


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
    trust = installation.Keys.generate().trust
    conf = server.configuration(trust, server.Server(state=Path("/var/lib/keelstep")), 0)
    assert conf["jetstream"] == {"store_dir": "/var/lib/keelstep/jetstream", "sync_interval": "always"}
    assert conf["resolver"]["type"] == "full"  # type: ignore[index]
    assert conf["max_payload"] == 8 * 1024 * 1024
    assert "cluster" not in conf


def test_each_server_of_a_cluster_has_a_name_and_a_state_of_its_own_and_the_same_trust(
    tmp_path: Path,
) -> None:
    """Two that shared a name or a folder would count as one copy; two that trust differently would not talk."""
    site = _clustered(tmp_path)
    conf = [json.loads(site.configuration_of(node.name).read_bytes()) for node in NODES]
    assert [each["server_name"] for each in conf] == [node.name for node in NODES]
    assert len({each["jetstream"]["store_dir"] for each in conf}) == len(NODES)
    assert len({each["resolver"]["dir"] for each in conf}) == len(NODES)
    for shared in ("operator", "system_account", "resolver_preload"):
        assert all(each[shared] == conf[0][shared] for each in conf)
    assert all(each["cluster"]["routes"] == conf[0]["cluster"]["routes"] for each in conf)
    assert len(conf[0]["cluster"]["routes"]) == len(NODES)


def test_only_who_knows_the_password_joins_a_cluster_as_a_server(tmp_path: Path) -> None:
    """A server may do everything, so the configuration that holds the password is a secret file."""
    site = _clustered(tmp_path)
    for node in NODES:
        file = site.configuration_of(node.name)
        asked = json.loads(file.read_bytes())["cluster"]["authorization"]
        assert len(asked["password"]) > 40
        assert file.stat().st_mode & 0o077 == 0
        assert not any(
            asked["password"].encode() in text
            for name, text in _content(site.folder).items()
            if not name.startswith("server/")
        )


def _clustered(tmp_path: Path) -> installation.Installation:
    return installation.create(tmp_path / "site", nodes=NODES)
