"""Which Secrets and ConfigMaps is an installation made of?

    keelstep-installation     every key, made in one write: what must be backed up
      ├─► keelstep-operator, keelstep-gateway, keelstep-projector, keelstep-reader, …    each program's own part, a Secret
      └─► keelstep-public, keelstep-server    ConfigMaps: whose signatures count; what the broker is told
    keelstep-postgres         the embedded Postgres' password

The one Secret comes first, in one write: a death at any moment leaves either no keys or all of them, and what the
others hold can always be taken from it. Pure: keys, times and passwords are arguments.
"""

import base64
from collections.abc import Mapping
from pathlib import Path

import msgspec

from keelstep import errors
from keelstep.kube import Object
from keelstep.log import installation, server

STATE = Path("/data")
"""Where the embedded broker's volume is mounted."""
PORT = 4222
POSTGRES_SECRET = "keelstep-postgres"  # noqa: S105 a name
POSTGRES_USER = POSTGRES_DATABASE = "keelstep"
LABELS = {"app.kubernetes.io/part-of": "keelstep", "app.kubernetes.io/managed-by": "keelstep-bootstrap"}
_NEEDED = (
    *("operator.nats.creds", "operator.sys.creds", "operator.operator.nk", "operator.run.nk"),
    *("operator.signing.key", "gateway.nats.creds", "gateway.signing.key"),
    *("projector.nats.creds", "reader.nats.creds"),
    *("public.accounts.json", "public.keyring.json", "server.server.conf"),
)
"""Without these no program starts; a file of an installation is a key, its folder before the first dot."""
_SHARED = ("public", "server")
"""Folders without a secret: ConfigMaps."""
_KEPT = ("offline",)
"""What no program reads, so that it stays where it is."""
_SERVER = "server.conf"
_TRUST = ("operator", "system_account", "resolver_preload")
"""What any broker must be told to be this installation's."""


def build_installation(name: str, namespace: str, keys: installation.Keys, now: int) -> Object:
    """The Secret with every key of a new installation, and what the embedded broker is told."""
    servers = {"server": server.Server(state=STATE, host="0.0.0.0", port=PORT)}  # noqa: S104 a Pod's own address
    files = installation.build(keys, servers, now)
    return _secret(name, namespace, {_key(path): content.text for path, content in files.items()})


def build_parts(namespace: str, whole: Object) -> list[Object]:
    """What each program gets of an installation.

    Raises:
        errors.InstallationError: the Secret lacks a part, or holds what cannot be read.
    """
    missing = [key for key in _NEEDED if not text(whole, key)]
    if missing:
        raise errors.InstallationError(
            f"the Secret {whole['metadata']['name']} is no complete installation: {', '.join(missing)} missing"
        )
    folders: dict[str, dict[str, str]] = {}
    for key in sorted(whole["data"]):
        folder, _, name = key.partition(".")
        if folder not in _KEPT:
            folders.setdefault(folder, {})[name] = text(whole, key)
    folders["server"]["trust.conf"] = _trust(whole, folders["server"][_SERVER])
    return [
        (_config_map if folder in _SHARED else _secret)(f"keelstep-{folder}", namespace, content)
        for folder, content in folders.items()
    ]


def build_postgres(namespace: str, host: str, password: str) -> Object:
    """The embedded Postgres' password, and its address for the projector."""
    dsn = f"postgresql://{POSTGRES_USER}:{password}@{host}/{POSTGRES_DATABASE}"
    return _secret(POSTGRES_SECRET, namespace, {"password": password, "dsn": dsn})


def build_tls(name: str, namespace: str, content: Mapping[str, str]) -> Object:
    """A certificate, its key and its authority."""
    return {**_secret(name, namespace, content), "type": "kubernetes.io/tls"}


def text(found: Object, key: str) -> str:
    """One value of a Secret; empty where it has none that is text."""
    try:
        return base64.b64decode((found.get("data") or {}).get(key, "")).decode()
    except ValueError:
        return ""


def _trust(whole: Object, configuration: str) -> str:
    """Of a broker's configuration what makes it this installation's, for a broker that somebody else runs."""
    try:
        found = msgspec.json.decode(configuration, type=dict[str, object])
        kept = {name: found[name] for name in _TRUST}
    except (msgspec.DecodeError, KeyError) as error:
        raise errors.InstallationError(
            f"server.{_SERVER} of the Secret {whole['metadata']['name']} cannot be read: {error}"
        ) from error
    return "".join(f"{name}: {msgspec.json.encode(content).decode()}\n" for name, content in kept.items())


def _key(path: str) -> str:
    """A file of an installation as a Secret's key, which holds no slash."""
    return path.replace("/", ".")


def _secret(name: str, namespace: str, content: Mapping[str, str]) -> Object:
    data = {key: base64.b64encode(value.encode()).decode() for key, value in content.items()}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        **_metadata(name, namespace),
        "type": "Opaque",
        "data": data,
    }


def _config_map(name: str, namespace: str, content: Mapping[str, str]) -> Object:
    return {"apiVersion": "v1", "kind": "ConfigMap", **_metadata(name, namespace), "data": dict(content)}


def _metadata(name: str, namespace: str) -> Object:
    return {"metadata": {"name": name, "namespace": namespace, "labels": dict(LABELS)}}
