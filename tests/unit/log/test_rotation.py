"""Does an installation get new keys step by step, with no step that leaves something broken?"""

from pathlib import Path

import pytest

from keelstep import errors
from keelstep.events import clock, signing, types
from keelstep.log import installation, rotation, tokens
from keelstep.log.identities import Role

SUBJECT = "spine.0.shop.x1.gw"


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A new installation."""
    return installation.create(tmp_path / "site").folder


def _do(site: Path, change: rotation.Change) -> None:
    rotation.apply(site, change)


def _states(site: Path) -> dict[str, str]:
    return {each.kid: each.state for each in rotation.standing(rotation.read(site))}


@pytest.mark.parametrize("role", list(rotation.SIGNERS))
def test_a_key_is_known_before_anybody_signs_with_it(site: Path, role: Role) -> None:
    """Added: the keyring has both, the old one is in use; switched: the new one is, and the old one is still believed."""
    writer = rotation.SIGNERS[role]
    old = installation.load(site).signer(role)
    _do(site, rotation.add_signer(rotation.read(site), role))
    assert installation.load(site).signer(role).kid == old.kid
    assert sorted(_states(site).values()) == ["in use", "in use", "next"]
    _do(site, rotation.switch_signer(rotation.read(site), role))
    new = installation.load(site).signer(role)
    assert new.kid != old.kid
    keyring = installation.load(site).keyring
    for signer in (old, new):
        assert keyring.knows(signer, writer)
        assert keyring.vouches(signer.sign(SUBJECT, b"{}"), writer, SUBJECT, b"{}")
    assert _states(site)[old.kid] == "retired"


def test_the_old_private_key_is_gone(site: Path) -> None:
    """Nothing in the installation can sign with a retired key."""
    old = installation.load(site).signer(Role.GATEWAY).text()
    _do(site, rotation.add_signer(rotation.read(site), Role.GATEWAY))
    _do(site, rotation.switch_signer(rotation.read(site), Role.GATEWAY))
    seed = old.partition(":")[2]
    assert not any(seed in text for text in rotation.read(site).values())


def test_each_step_may_be_done_again(site: Path) -> None:
    """A person who is not sure does it once more: the same key, not a third one."""
    _do(site, rotation.add_signer(rotation.read(site), Role.GATEWAY))
    before = rotation.read(site)
    _do(site, rotation.add_signer(before, Role.GATEWAY))
    assert rotation.read(site) == before
    _do(site, rotation.switch_signer(before, Role.GATEWAY))
    with pytest.raises(errors.InstallationError, match="no next signing key for gateway"):
        rotation.switch_signer(rotation.read(site), Role.GATEWAY)


def test_a_death_between_two_files_is_healed(site: Path) -> None:
    """The private half is written first: alone it is useless, and adding again completes it. So with a switch."""
    change = rotation.add_signer(rotation.read(site), Role.GATEWAY)
    first = next(iter(change.write))
    _do(site, rotation.Change(write={first: change.write[first]}))
    with pytest.raises(errors.InstallationError, match="the keyring lacks"):
        rotation.switch_signer(rotation.read(site), Role.GATEWAY)
    _do(site, rotation.add_signer(rotation.read(site), Role.GATEWAY))
    switch = rotation.switch_signer(rotation.read(site), Role.GATEWAY)
    _do(site, rotation.Change(write=switch.write))
    _do(site, rotation.switch_signer(rotation.read(site), Role.GATEWAY))
    assert sorted(_states(site).values()) == ["in use", "in use", "retired"]


def test_who_signs_nothing_gets_no_key(site: Path) -> None:
    """The keyring knows operators and gateways only."""
    with pytest.raises(errors.InstallationError, match="reader signs nothing"):
        rotation.add_signer(rotation.read(site), Role.READER)


@pytest.mark.parametrize("role", list(Role))
def test_new_credentials_are_another_user_with_the_same_rights(site: Path, role: Role) -> None:
    """The old user is remembered, to be revoked; the one in use never is."""
    before = installation.load(site).credentials(role)
    _do(site, rotation.renew_credentials(rotation.read(site), role, clock.now()))
    after = installation.load(site).credentials(role)
    assert after.public_key != before.public_key
    old, new = (tokens.read(each.jwt)["nats"] for each in (before, after))
    assert new == old
    assert rotation.to_revoke(rotation.read(site)) == {before.public_key: role}


def test_a_program_without_credentials_gets_some(site: Path) -> None:
    """An installation that is older than the program."""
    installation.load(site).credentials_file(Role.ARCHIVIST).unlink()
    _do(site, rotation.renew_credentials(rotation.read(site), Role.ARCHIVIST, clock.now()))
    assert installation.load(site).credentials(Role.ARCHIVIST)
    assert rotation.to_revoke(rotation.read(site)) == {}


def test_a_death_before_the_new_credentials_revokes_nobody_who_works(site: Path) -> None:
    """What is in use is never on the list, whatever was written before."""
    change = rotation.renew_credentials(rotation.read(site), Role.GATEWAY, clock.now())
    first = next(iter(change.write))
    assert first == "offline/retired.json"
    _do(site, rotation.Change(write={first: change.write[first]}))
    assert rotation.to_revoke(rotation.read(site)) == {}


def test_a_keyring_tells_whose_key_it_is() -> None:
    """A program that signs with a key that nobody knows would speak into the void."""
    signer = installation.new_signer(types.Writer.GATEWAY)
    other = signing.Signer(signer.kid, installation.new_signer(types.Writer.GATEWAY).key)
    keyring = signing.Keyring(
        keys={signer.kid: signer.key.verify_key}, writers={signer.kid: types.Writer.GATEWAY}
    )
    assert keyring.knows(signer, types.Writer.GATEWAY)
    assert not keyring.knows(signer, types.Writer.OPERATOR)
    assert not keyring.knows(other, types.Writer.GATEWAY)


def test_secrets_stay_secret(site: Path) -> None:
    """0600 but for what is public."""
    _do(site, rotation.add_signer(rotation.read(site), Role.OPERATOR))
    _do(site, rotation.renew_credentials(rotation.read(site), Role.GATEWAY, clock.now()))
    for path in site.glob("*/*"):
        is_public = path.parent.name == "public" or path.name == "server.conf"
        assert bool(path.stat().st_mode & 0o077) == is_public, path
