"""What belongs to a new installation, and where does it lie?

    <folder>/
      public/     accounts.json, keyring.json                       everybody
      operator/   nats.creds, sys.creds, operator.nk, run.nk, signing.key
      gateway/    nats.creds, signing.key
      projector/  nats.creds          reader/  nats.creds
      server/     server.conf                                        nats-server; no secret
      offline/    identity.nk, core.nk, sys.nk                       to mint programs anew; no program reads it
      state/      what nats-server writes

One folder per program, so that each holds its own secrets only (in a cluster, one Secret each). `build` is pure;
`create` writes, once: an existing installation is read and never changed.
"""

import os
import secrets
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import msgspec
from nacl import signing as ed25519

from keelstep import errors
from keelstep.events import clock, signing, types
from keelstep.log import identities
from keelstep.log.identities import Role
from keelstep.log.tokens import Credentials, Key

MAX_PAYLOAD_BYTES = 8 * 1024 * 1024
"""The largest message: an object."""
Parsed = TypeVar("Parsed")
_SIGNERS = {Role.OPERATOR: types.Writer.OPERATOR, Role.GATEWAY: types.Writer.GATEWAY}
_ACCOUNTS, _KEYRING, _CONFIGURATION = "public/accounts.json", "public/keyring.json", "server/server.conf"


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSettings:
    """Where nats-server listens and keeps its state."""

    state: Path
    """A folder of its own."""
    host: str = "127.0.0.1"
    port: int = 4222
    """-1 lets the server choose a free one."""
    name: str = "keelstep"


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """Every secret of an installation."""

    operator: Key
    operator_signing: Key
    system: Key
    system_signing: Key
    core: Key
    core_signing: Key
    run: Key
    run_signing: Key
    users: Mapping[Role, Key]
    signers: Mapping[Role, signing.Signer]

    @classmethod
    def generate(cls) -> "Keys":
        """New ones, drawn at random."""
        return cls(
            operator=Key.generate("operator"),
            operator_signing=Key.generate("operator"),
            system=Key.generate("account"),
            system_signing=Key.generate("account"),
            core=Key.generate("account"),
            core_signing=Key.generate("account"),
            run=Key.generate("account"),
            run_signing=Key.generate("account"),
            users={role: Key.generate("user") for role in Role},
            signers={role: new_signer(writer) for role, writer in _SIGNERS.items()},
        )


@dataclass(frozen=True, slots=True)
class Content:
    """One file."""

    text: str
    is_secret: bool = True


@dataclass(frozen=True, slots=True)
class Installation:
    """An installation in a folder. A file that is missing or broken is an errors.InstallationError when it is asked for."""

    folder: Path
    accounts: identities.Accounts

    @property
    def server_configuration(self) -> Path:
        """What nats-server is started with."""
        return self.folder / _CONFIGURATION

    @property
    def keyring(self) -> signing.Keyring:
        """Whose signatures count."""
        return self._parsed(_KEYRING, lambda text: signing.Keyring.parse(text.encode()))

    def credentials_file(self, role: Role) -> Path:
        """A program's credentials for the broker."""
        return self.folder / _credentials(role)

    def credentials(self, role: Role) -> Credentials:
        """A program's credentials for the broker."""
        return self._parsed(_credentials(role), Credentials.parse)

    def signer(self, role: Role) -> signing.Signer:
        """What operator or gateway sign events with."""
        return self._parsed(f"{role.value}/signing.key", signing.Signer.parse)

    @property
    def attempt_issuer(self) -> identities.AttemptIssuer:
        """Mints runner identities; only the operator holds its key."""
        return identities.AttemptIssuer(self.accounts.run, self._parsed("operator/run.nk", Key.parse))

    @property
    def operator_key(self) -> Key:
        """Vouches for accounts, so revokes runner identities; only the operator holds it."""
        return self._parsed("operator/operator.nk", Key.parse)

    def _parsed(self, path: str, parse: Callable[[str], Parsed]) -> Parsed:
        file = self.folder / path
        try:
            return parse(file.read_text())
        except (OSError, ValueError) as error:
            raise errors.InstallationError(f"{file} cannot be read: {error}") from error


def create(folder: Path, *, port: int = 4222, host: str = "127.0.0.1") -> Installation:
    """The installation in this folder; a new one where there is none. Nothing that exists is overwritten.

    Raises:
        errors.InstallationError: the folder holds something else, or only part of an installation.
    """
    if folder.exists() and any(folder.iterdir()):
        return load(folder)
    settings = ServerSettings(state=folder.absolute() / "state", host=host, port=port)
    _write(folder, build(Keys.generate(), settings, clock.now()))
    return load(folder)


def load(folder: Path) -> Installation:
    """The installation in a folder.

    Raises:
        errors.InstallationError: the folder holds none, or only part of one.
    """
    missing = [path for path in (_ACCOUNTS, _KEYRING, _CONFIGURATION) if not (folder / path).is_file()]
    if missing:
        raise errors.InstallationError(f"{folder} is no installation: {', '.join(missing)} missing")
    try:
        accounts = msgspec.json.decode((folder / _ACCOUNTS).read_bytes(), type=identities.Accounts)
    except msgspec.DecodeError as error:
        raise errors.InstallationError(f"{folder / _ACCOUNTS} cannot be read: {error}") from error
    return Installation(folder, accounts)


def build(keys: Keys, settings: ServerSettings, now: int) -> dict[str, Content]:
    """Every file of an installation by its path."""
    accounts = identities.Accounts(
        operator=keys.operator.public, system=keys.system.public, core=keys.core.public, run=keys.run.public
    )
    signs = {Role.SYSTEM: (accounts.system, keys.system_signing)}
    core = (accounts.core, keys.core_signing)
    entries = {keys.signers[role].kid: keys.signers[role].entry(writer) for role, writer in _SIGNERS.items()}
    files = {
        _credentials(role): Content(
            identities.user(role, *signs.get(role, core), now, keys.users[role]).text()
        )
        for role in Role
    }
    files |= {
        f"{role.value}/signing.key": Content(f"{signer.text()}\n") for role, signer in keys.signers.items()
    }
    secret_keys = {
        "operator/operator.nk": keys.operator_signing,
        "operator/run.nk": keys.run_signing,
        "offline/identity.nk": keys.operator,
        "offline/core.nk": keys.core_signing,
        "offline/sys.nk": keys.system_signing,
    }
    files |= {path: Content(f"{key.seed}\n") for path, key in secret_keys.items()}
    files[_ACCOUNTS] = Content(_json(accounts), is_secret=False)
    files[_KEYRING] = Content(_json(entries), is_secret=False)
    files[_CONFIGURATION] = Content(_json(server_configuration(keys, settings, now)), is_secret=False)
    return files


def server_configuration(keys: Keys, settings: ServerSettings, now: int) -> dict[str, object]:
    """What nats-server reads: its configuration language includes JSON."""
    vouching = keys.operator_signing
    return {
        "server_name": settings.name,
        "host": settings.host,
        "port": settings.port,
        "max_payload": MAX_PAYLOAD_BYTES,
        "ping_interval": "10s",
        "ping_max": 2,
        "operator": identities.operator_token(keys.operator, vouching, keys.system.public, now),
        "system_account": keys.system.public,
        # the memory resolver would forget revocations at a restart
        "resolver": {
            "type": "full",
            "dir": str(settings.state / "accounts"),
            "allow_delete": False,
            "interval": "2m",
        },
        "resolver_preload": {
            keys.system.public: identities.system_account(
                keys.system.public, keys.system_signing, vouching, now
            ),
            keys.core.public: identities.core_account(keys.core.public, keys.core_signing, vouching, now),
            keys.run.public: identities.run_account(
                keys.run.public, keys.run_signing, keys.core.public, vouching, now
            ),
        },
        # without it an acknowledged append may be lost with the machine: the default flushes every two minutes
        "jetstream": {"store_dir": str(settings.state / "jetstream"), "sync_interval": "always"},
    }


def new_signer(writer: types.Writer) -> signing.Signer:
    """A new signing key with an id of its own."""
    return signing.Signer(f"{writer.value}-{secrets.token_hex(4)}", ed25519.SigningKey.generate())


def _credentials(role: Role) -> str:
    return "operator/sys.creds" if role is Role.SYSTEM else f"{role.value}/nats.creds"


def _write(folder: Path, files: Mapping[str, Content]) -> None:
    """All of it or nothing: written beside, then moved into place."""
    draft = folder.with_name(f".{folder.name}.{secrets.token_hex(4)}")
    try:
        for path, content in files.items():
            target = draft / path
            target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            mode = 0o600 if content.is_secret else 0o644
            with os.fdopen(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w") as file:
                file.write(content.text)
        draft.rename(folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _json(content: object) -> str:
    return msgspec.json.format(msgspec.json.encode(content), indent=2).decode() + "\n"
