"""Which Secrets, ConfigMaps and tokens does a Pod name, and what stands in them? Pure.

`references` says what must be fetched; the other functions read values out of what was fetched.
Must never put a Secret's value into a message.
"""

import base64
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Pod = Mapping[str, Any]

ADDRESS_FIELDS = frozenset({"status.podIP", "status.hostIP", "status.podIPs", "status.hostIPs"})


class NotConfigurable(Exception):
    """What a container names is not there (yet); the message says what, and it is tried again."""


@dataclass(frozen=True, slots=True)
class Reference:
    """A Secret or ConfigMap in the Pod's namespace."""

    kind: str
    """`Secret` or `ConfigMap`."""
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.name!r}"


@dataclass(frozen=True, slots=True)
class Token:
    """A service account token to request."""

    audience: str
    expiration_seconds: int


Fetched = Mapping[Reference, Mapping[str, bytes] | None]
"""The data of each reference; None where it does not exist or may not be read (yet)."""


def references(pod: Pod) -> set[Reference]:
    """Find every Secret and ConfigMap that the Pod's containers and volumes name."""
    spec = pod["spec"]
    found: set[Reference] = set()
    for container in [*spec.get("initContainers", ()), *spec["containers"]]:
        for source in container.get("envFrom", ()):
            found |= {Reference(kind, source[key]["name"]) for kind, key in _FROM if key in source}
        for variable in container.get("env", ()):
            chosen = variable.get("valueFrom") or {}
            found |= {Reference(kind, chosen[key]["name"]) for kind, key in _KEY if key in chosen}
    for volume in spec.get("volumes", ()):
        for kind, source in volume_sources(volume):
            if kind == "secret":
                found.add(Reference("Secret", source.get("secretName") or source["name"]))
            elif kind == "configMap":
                found.add(Reference("ConfigMap", source["name"]))
    return found


_FROM = (("Secret", "secretRef"), ("ConfigMap", "configMapRef"))
_KEY = (("Secret", "secretKeyRef"), ("ConfigMap", "configMapKeyRef"))


def tokens(pod: Pod) -> set[Token]:
    """Find every service account token that the Pod's volumes want."""
    return {
        token_of(source)
        for volume in pod["spec"].get("volumes", ())
        for kind, source in volume_sources(volume)
        if kind == "serviceAccountToken"
    }


def token_of(source: Mapping[str, Any]) -> Token:
    """Read the token request out of a projected volume's source."""
    return Token(source.get("audience", ""), int(source.get("expirationSeconds", 3600)))


def read_data(thing: Mapping[str, Any]) -> dict[str, bytes]:
    """Take the bytes out of a Secret or ConfigMap."""
    if thing["kind"] == "Secret":
        return {key: base64.b64decode(value) for key, value in (thing.get("data") or {}).items()}
    text = {key: value.encode() for key, value in (thing.get("data") or {}).items()}
    binary = {k: base64.b64decode(v) for k, v in (thing.get("binaryData") or {}).items()}
    return text | binary


def read_field(pod: Pod, path: str, address: str) -> str:
    """Read a field of the downward API."""
    if path in ADDRESS_FIELDS:
        return address
    for prefix in ("metadata.labels", "metadata.annotations"):
        values = pod["metadata"].get(prefix.split(".")[1], {})
        if path == prefix:
            # The format of a downward API file: one `key="value"` a line.
            return "\n".join(f'{k}="{_escaped(v)}"' for k, v in sorted(values.items()))
        if path.startswith(prefix + "["):
            return str(values.get(path[len(prefix) :].strip("[]'\""), ""))
    value: Any = pod
    for step in path.split("."):
        value = value.get(step) if isinstance(value, Mapping) else None
    if not isinstance(value, str):
        raise NotConfigurable(f"the field {path} of the Pod cannot be read")
    return value


def read_all(reference: Reference, fetched: Fetched, *, is_optional: bool) -> Mapping[str, bytes]:
    """Give all data of a reference; nothing where it is optional and missing.

    Raises:
        NotConfigurable: it is missing and not optional.
    """
    data = fetched[reference]
    if data is None:
        if is_optional:
            return {}
        raise NotConfigurable(f"{reference} is not there, or this node may not read it yet")
    return data


def read_key(reference: Reference, key: str, fetched: Fetched, *, is_optional: bool) -> bytes | None:
    """Give one value of a reference; None where it is optional and missing.

    Raises:
        NotConfigurable: the reference or the key is missing and not optional.
    """
    value = read_all(reference, fetched, is_optional=is_optional).get(key)
    if value is None and not is_optional:
        raise NotConfigurable(f"{reference} has no key {key!r}")
    return value


def volume_sources(volume: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Give every source of a volume in order (a projected volume has several), the last one wins."""
    if "projected" in volume:
        for source in volume["projected"].get("sources") or ():
            yield from source.items()
        return
    for kind, source in volume.items():
        if kind != "name":
            yield kind, source or {}


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
