"""What belongs to a new installation, and where does it lie?

    <folder>/
      public/     accounts.json, keyring.json                       everybody
      operator/   nats.creds, sys.creds, operator.nk, run.nk, signing.key
      gateway/    nats.creds, signing.key
      projector/  nats.creds          reader/  nats.creds
      server/     server.conf                                        nats-server; no secret
                  <name>.conf, one each                              instead, for several: they hold the routes' password
      offline/    identity.nk, core.nk, sys.nk                       to mint programs anew; no program reads it
      state/      what nats-server writes

One folder per program, so that each holds its own secrets only (in a cluster, one Secret each). `build` is pure;
`create` writes, once: an existing installation is read and never changed.
"""

import os
import secrets
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import msgspec
from nacl import signing as ed25519

from keelstep import errors
from keelstep.events import clock, signing, types
from keelstep.log import identities, server
from keelstep.log.identities import Role
from keelstep.log.tokens import Credentials, Key

Parsed = TypeVar("Parsed")
_SIGNERS = {Role.OPERATOR: types.Writer.OPERATOR, Role.GATEWAY: types.Writer.GATEWAY}
_ACCOUNTS, _KEYRING, _SERVERS = "public/accounts.json", "public/keyring.json", "server"
_ALONE = "server"
"""The configuration's name where there is one server only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One of several servers that keep every stream together."""

    name: str
    port: int
    cluster_port: int
    """Where the other servers reach it."""
    host: str = "127.0.0.1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """Every secret of an installation."""

    trust: server.Trust
    users: Mapping[Role, Key]
    signers: Mapping[Role, signing.Signer]
    routes_password: str
    """Whoever knows it may join as a server."""

    @classmethod
    def generate(cls) -> "Keys":
        """New ones, drawn at random."""
        trust = server.Trust(
            operator=Key.generate("operator"),
            operator_signing=Key.generate("operator"),
            system=Key.generate("account"),
            system_signing=Key.generate("account"),
            core=Key.generate("account"),
            core_signing=Key.generate("account"),
            run=Key.generate("account"),
            run_signing=Key.generate("account"),
        )
        return cls(
            trust=trust,
            users={role: Key.generate("user") for role in Role},
            signers={role: new_signer(writer) for role, writer in _SIGNERS.items()},
            routes_password=secrets.token_urlsafe(32),
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
        """What the only nats-server is started with."""
        return self.configuration_of(_ALONE)

    def configuration_of(self, node: str) -> Path:
        """What one of several servers is started with."""
        return self.folder / _SERVERS / f"{node}.conf"

    @property
    def keyring(self) -> signing.Keyring:
        """Whose signatures count."""
        return self._parsed(_KEYRING, lambda text: signing.Keyring.parse(text.encode()))

    def credentials_file(self, role: Role) -> Path:
        """A program's credentials for the broker."""
        return self.folder / credentials_path(role)

    def credentials(self, role: Role) -> Credentials:
        """A program's credentials for the broker."""
        return self._parsed(credentials_path(role), Credentials.parse)

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


def create(
    folder: Path, *, port: int = 4222, host: str = "127.0.0.1", nodes: Sequence[Node] = ()
) -> Installation:
    """The installation in this folder; a new one where there is none. Nothing that exists is overwritten.

    With `nodes` it is for that many servers, otherwise for one on `host` and `port`.

    Raises:
        errors.InstallationError: the folder holds something else, or only part of an installation.
    """
    if folder.exists() and any(folder.iterdir()):
        return load(folder)
    keys, state = Keys.generate(), folder.absolute() / "state"
    if nodes:
        servers = clustered(nodes, state, keys.routes_password)
    else:
        servers = {_ALONE: server.Server(state=state, host=host, port=port)}
    _write(folder, build(keys, servers, clock.now()))
    return load(folder)


def clustered(nodes: Sequence[Node], state: Path, password: str) -> dict[str, server.Server]:
    """What each of several servers is told, by name."""
    routes = [f"{node.host}:{node.cluster_port}" for node in nodes]
    return {
        node.name: server.Server(
            state=state / node.name,
            host=node.host,
            port=node.port,
            name=node.name,
            cluster=server.Cluster(routes=routes, host=node.host, port=node.cluster_port, password=password),
        )
        for node in nodes
    }


def load(folder: Path) -> Installation:
    """The installation in a folder.

    Raises:
        errors.InstallationError: the folder holds none, or only part of one.
    """
    missing = [path for path in (_ACCOUNTS, _KEYRING) if not (folder / path).is_file()]
    if not any((folder / _SERVERS).glob("*.conf")):
        missing.append(f"{_SERVERS}/{_ALONE}.conf")
    if missing:
        raise errors.InstallationError(f"{folder} is no installation: {', '.join(missing)} missing")
    try:
        accounts = msgspec.json.decode((folder / _ACCOUNTS).read_bytes(), type=identities.Accounts)
    except msgspec.DecodeError as error:
        raise errors.InstallationError(f"{folder / _ACCOUNTS} cannot be read: {error}") from error
    return Installation(folder, accounts)


def build(keys: Keys, servers: Mapping[str, server.Server], now: int) -> dict[str, Content]:
    """Every file of an installation by its path; a configuration per server, by its name."""
    trust = keys.trust
    accounts = identities.Accounts(
        operator=trust.operator.public,
        system=trust.system.public,
        core=trust.core.public,
        run=trust.run.public,
    )
    signs = {Role.SYSTEM: (accounts.system, trust.system_signing)}
    core = (accounts.core, trust.core_signing)
    entries = {keys.signers[role].kid: keys.signers[role].entry(writer) for role, writer in _SIGNERS.items()}
    files = {
        credentials_path(role): Content(
            identities.user(role, *signs.get(role, core), now, keys.users[role]).text()
        )
        for role in Role
    }
    files |= {
        f"{role.value}/signing.key": Content(f"{signer.text()}\n") for role, signer in keys.signers.items()
    }
    secret_keys = {
        "operator/operator.nk": trust.operator_signing,
        "operator/run.nk": trust.run_signing,
        "offline/identity.nk": trust.operator,
        "offline/core.nk": trust.core_signing,
        "offline/sys.nk": trust.system_signing,
    }
    files |= {path: Content(f"{key.seed}\n") for path, key in secret_keys.items()}
    files[_ACCOUNTS] = Content(_json(accounts), is_secret=False)
    files[_KEYRING] = Content(_json(entries), is_secret=False)
    files |= {
        f"{_SERVERS}/{name}.conf": Content(
            _json(server.configuration(trust, each, now)), is_secret=each.cluster is not None
        )
        for name, each in servers.items()
    }
    return files


def new_signer(writer: types.Writer) -> signing.Signer:
    """A new signing key with an id of its own."""
    return signing.Signer(f"{writer.value}-{secrets.token_hex(4)}", ed25519.SigningKey.generate())


def credentials_path(role: Role) -> str:
    """A program's credentials, by their path in an installation."""
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
