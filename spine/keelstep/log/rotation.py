"""How does an installation get new keys while it works? In steps, each of which leaves everything working.

    signing key    add: its public half into the keyring ─► every reader has the keyring ─► switch: its writer signs with it
                   the old public half stays for ever: old events are verified with it; the old private half is gone
    credentials    renew: another user of the same account ─► the program connects with it ─► revoke: the old one ends

Between the steps a person (or a rollout) sees to it that programs have read their files. Each step may be done again; a
death in the middle of one is healed by doing it again. The first half is pure: files by path in, files to write out.
"""

import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec
from nats.aio.client import Client

from keelstep import errors
from keelstep.events import clock, signing, types
from keelstep.log import identities, installation, revocation
from keelstep.log.identities import Role
from keelstep.log.tokens import Credentials, Key

Files = Mapping[str, str]
"""An installation's files by their path in its folder."""
SIGNERS: Mapping[Role, types.Writer] = {
    Role.OPERATOR: types.Writer.OPERATOR,
    Role.GATEWAY: types.Writer.GATEWAY,
}
FOR_EVER = 4_102_444_800 * clock.SECOND
"""A program's user has no expiry: what ends it is kept until the year 2100."""
_RETIRED = "offline/retired.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What to write, in this order, and what to remove then."""

    write: Mapping[str, str]
    remove: tuple[str, ...] = ()


class Retired(msgspec.Struct, frozen=True, kw_only=True):
    """A broker user that was replaced."""

    role: Role
    at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyStanding:
    """One signing key."""

    kid: str
    writer: types.Writer
    state: str
    """`in use`, `next` or `retired`."""


def add_signer(files: Files, role: Role) -> Change:
    """A new signing key beside the one in use: everybody may know it before anybody signs with it.

    Raises:
        errors.InstallationError: the files are no installation, or this program signs nothing.
    """
    writer = _writer(role)
    waiting = files.get(_next(role))
    signer = _signer(files, _next(role)) if waiting else installation.new_signer(writer)
    entries = {**_keyring(files), signer.kid: signer.entry(writer)}
    return Change(write={_next(role): f"{signer.text()}\n", "public/keyring.json": _json(entries)})


def switch_signer(files: Files, role: Role) -> Change:
    """Sign with the key that was added. Only once every program and runner has the keyring that holds it.

    Raises:
        errors.InstallationError: there is none, or the keyring lacks it.
    """
    _writer(role)
    if _next(role) not in files:
        raise errors.InstallationError(f"there is no next signing key for {role.value}; add one first")
    signer = _signer(files, _next(role))
    if signer.kid not in _keyring(files):
        raise errors.InstallationError(f"the keyring lacks {signer.kid}; add it once more")
    return Change(write={_used(role): f"{signer.text()}\n"}, remove=(_next(role),))


def renew_credentials(files: Files, role: Role, now: int) -> Change:
    """Another broker user for a program, beside the one it has; made also where it had none.

    Raises:
        errors.InstallationError: the files are no installation, or lack its offline keys.
    """
    accounts = _accounts(files)
    is_system = role is Role.SYSTEM
    issuer = _key(files, "offline/sys.nk" if is_system else "offline/core.nk")
    account = accounts.system if is_system else accounts.core
    path = installation.credentials_path(role)
    made = identities.user(role, account, issuer, now, Key.generate("user"))
    write = {path: made.text()}
    if path in files:
        old = _credentials(files, path).public_key
        retired = {**_retired(files), old: Retired(role=role, at=clock.whole(now))}
        # first: a death in between must not forget the old one, and what is in use is never revoked
        write = {_RETIRED: _json(retired), **write}
    return Change(write=write)


def to_revoke(files: Files) -> dict[str, Role]:
    """Users that were replaced, by their public key; never one that is in use."""
    used = {
        _credentials(files, path).public_key
        for role in Role
        if (path := installation.credentials_path(role)) in files
    }
    return {key: each.role for key, each in _retired(files).items() if key not in used}


def standing(files: Files) -> list[KeyStanding]:
    """Every signing key there ever was, and what it is now.

    Raises:
        errors.InstallationError: the files are no installation.
    """
    states: dict[str, str] = {}
    for role in SIGNERS:
        if _next(role) in files:
            states[_signer(files, _next(role)).kid] = "next"
        if _used(role) in files:
            states[_signer(files, _used(role)).kid] = "in use"
    return [
        KeyStanding(kid=kid, writer=entry.writer, state=states.get(kid, "retired"))
        for kid, entry in _keyring(files).items()
    ]


def read(folder: Path) -> dict[str, str]:
    """The files of an installation that keys and credentials lie in.

    Raises:
        errors.InstallationError: the folder holds none.
    """
    installation.load(folder)
    found: dict[str, str] = {}
    for path in sorted(folder.glob("*/*")):
        if path.parent.name not in ("server", "state") and path.is_file():
            found[str(path.relative_to(folder))] = path.read_text()
    return found


def apply(folder: Path, change: Change) -> None:
    """Write a change, each file whole or not at all, in order."""
    for name, text in change.write.items():
        target = folder / name
        target.parent.mkdir(exist_ok=True, mode=0o700)
        mode = 0o644 if name.startswith("public/") else 0o600
        draft = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        draft.rename(target)
    for name in change.remove:
        (folder / name).unlink(missing_ok=True)


async def revoke(nc: Client, files: Files) -> list[Role]:
    """End every user that was replaced; whoever still uses one is disconnected and must have read its new file.

    `nc` is a connection as `Role.SYSTEM`.

    Raises:
        errors.BrokerError: they may still be valid; do it again.
        errors.InstallationError: the files lack the operator's key.
    """
    accounts, operator = _accounts(files), _key(files, "operator/operator.nk")
    ended = to_revoke(files)
    for account, is_system in ((accounts.core, False), (accounts.system, True)):
        keys = [key for key, role in ended.items() if (role is Role.SYSTEM) == is_system]
        if keys:
            revoker = revocation.Revoker(nc, account, operator)
            await revoker.revoke_many(dict.fromkeys(keys, FOR_EVER))
    return sorted(set(ended.values()))


def _writer(role: Role) -> types.Writer:
    if role not in SIGNERS:
        raise errors.InstallationError(f"{role.value} signs nothing; operator and gateway do")
    return SIGNERS[role]


def _used(role: Role) -> str:
    return f"{role.value}/signing.key"


def _next(role: Role) -> str:
    return f"{role.value}/signing.next.key"


def _text(files: Files, path: str) -> str:
    if path not in files:
        raise errors.InstallationError(f"{path} is missing")
    return files[path]


def _signer(files: Files, path: str) -> signing.Signer:
    try:
        return signing.Signer.parse(_text(files, path))
    except ValueError as error:
        raise errors.InstallationError(f"{path}: {error}") from error


def _key(files: Files, path: str) -> Key:
    try:
        return Key.parse(_text(files, path))
    except ValueError as error:
        raise errors.InstallationError(f"{path}: {error}") from error


def _credentials(files: Files, path: str) -> Credentials:
    try:
        return Credentials.parse(_text(files, path))
    except ValueError as error:
        raise errors.InstallationError(f"{path}: {error}") from error


def _keyring(files: Files) -> dict[str, signing.KeyEntry]:
    try:
        return msgspec.json.decode(_text(files, "public/keyring.json"), type=dict[str, signing.KeyEntry])
    except msgspec.DecodeError as error:
        raise errors.InstallationError(f"public/keyring.json: {error}") from error


def _accounts(files: Files) -> identities.Accounts:
    try:
        return msgspec.json.decode(_text(files, "public/accounts.json"), type=identities.Accounts)
    except msgspec.DecodeError as error:
        raise errors.InstallationError(f"public/accounts.json: {error}") from error


def _retired(files: Files) -> dict[str, Retired]:
    try:
        return msgspec.json.decode(files.get(_RETIRED, "{}"), type=dict[str, Retired])
    except msgspec.DecodeError as error:
        raise errors.InstallationError(f"{_RETIRED}: {error}") from error


def _json(content: object) -> str:
    return msgspec.json.format(msgspec.json.encode(content), indent=2).decode() + "\n"
