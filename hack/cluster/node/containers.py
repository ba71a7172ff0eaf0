"""With which command, environment and files does a container run? Pure; writes and starts nothing."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hack.cluster.node import expansion, records, sources, statuses, unsupported

Pod = Mapping[str, Any]
Files = Mapping[str, bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """What this machine gives to every container."""

    path: str
    """PATH; begins with the repository's virtual environment."""
    api_host: str
    api_port: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """A container, ready to start."""

    argv: tuple[str, ...]
    environment: Mapping[str, str]
    folder: Path


def build_launch(
    pod: Pod,
    container: Mapping[str, Any],
    fetched: sources.Fetched,
    place: records.Folder,
    host: Host,
) -> Launch:
    """Build the command line and environment of a container.

    Raises:
        NotConfigurable: it names a Secret, ConfigMap or key that is missing.
    """
    mounts = expansion.Mounts(
        {
            mount["mountPath"]: place.volume(mount["name"]) / mount.get("subPath", "")
            for mount in container.get("volumeMounts", ())
        }
    )
    environment = _given(pod, container, place, host)
    for source in container.get("envFrom", ()):
        environment |= _from(source, fetched)
    for variable in container.get("env", ()):
        value = _value(pod, variable, fetched, mounts, environment)
        if value is not None:
            environment[variable["name"]] = value
    told = [*container.get("command", ()), *container.get("args", ())]
    argv = tuple(expansion.expand(mounts.replace(word), environment) for word in told)
    folder = Path(mounts.replace(container["workingDir"])) if "workingDir" in container else None
    return Launch(argv=argv, environment=environment, folder=folder or place.home)


def build_files(
    pod: Pod,
    volume: Mapping[str, Any],
    fetched: sources.Fetched,
    tokens: Mapping[sources.Token, str],
) -> Files | None:
    """Build the files of a volume by their relative path; None for an empty, writable folder.

    Raises:
        NotConfigurable: it names a Secret, ConfigMap or key that is missing.
    """
    written: dict[str, bytes] = {}
    for kind, source in sources.volume_sources(volume):
        if kind == "emptyDir":
            return None
        if kind == "serviceAccountToken":
            written[source["path"]] = tokens[sources.token_of(source)].encode()
        elif kind == "downwardAPI":
            for item in source.get("items", ()):
                if "fieldRef" not in item:
                    raise sources.NotConfigurable("downwardAPI knows only fieldRef on this node")
                path = item["fieldRef"]["fieldPath"]
                value = sources.read_field(pod, path, statuses.ADDRESS)
                written[item["path"]] = value.encode()
        else:
            written |= _keys(kind, source, fetched)
    return written


def build_kubeconfig(pod: Pod, place: records.Folder, host: Host) -> Mapping[str, Any] | None:
    """Build a kubeconfig for the Pod's own service account; None where no token is mounted.

    Programs look for the token at a path that no local process can be given; KUBECONFIG they honour.
    """
    volume = _account_volume(pod)
    if volume is None:
        return None
    token, authority = (place.volume(volume) / name for name in ("token", "ca.crt"))
    cluster = {
        "server": f"https://{host.api_host}:{host.api_port}",
        "certificate-authority": str(authority),
    }
    namespace = pod["metadata"]["namespace"]
    context = {"cluster": "cluster", "user": "account", "namespace": namespace}
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "pod",
        "clusters": [{"name": "cluster", "cluster": cluster}],
        "users": [{"name": "account", "user": {"tokenFile": str(token)}}],
        "contexts": [{"name": "pod", "context": context}],
    }


def mount_variable(volume: str) -> str:
    """Name the variable that holds the real place of a volume."""
    return "KEELSTEP_MOUNT_" + re.sub(r"[^A-Z0-9]", "_", volume.upper())


def _given(pod: Pod, container: Mapping[str, Any], place: records.Folder, host: Host) -> dict[str, str]:
    """Build the minimal environment: nothing of the agent's own leaks into a Pod."""
    given = {
        "PATH": host.path,
        "HOME": str(place.home),
        "TMPDIR": str(place.temporary),
        "LANG": "C.UTF-8",
        "HOSTNAME": pod["metadata"]["name"],
        "KUBERNETES_SERVICE_HOST": host.api_host,
        "KUBERNETES_SERVICE_PORT": str(host.api_port),
    }
    mounted = {mount["name"] for mount in container.get("volumeMounts", ())}
    if _account_volume(pod) in mounted:
        given["KUBECONFIG"] = str(place.kubeconfig)
    return given | {mount_variable(name): str(place.volume(name)) for name in sorted(mounted)}


def _account_volume(pod: Pod) -> str | None:
    """Find the volume that the API server adds to a Pod for its service account."""
    for volume in pod["spec"].get("volumes", ()):
        for kind, source in sources.volume_sources(volume):
            if kind == "serviceAccountToken" and source["path"] == "token":
                return str(volume["name"])
    return None


def _from(source: Mapping[str, Any], fetched: sources.Fetched) -> dict[str, str]:
    kind, key = ("Secret", "secretRef") if "secretRef" in source else ("ConfigMap", "configMapRef")
    chosen = source[key]
    data = sources.read_all(
        sources.Reference(kind, chosen["name"]), fetched, is_optional=chosen.get("optional", False)
    )
    named = {source.get("prefix", "") + name: value for name, value in data.items()}
    # Kubernetes too skips keys that are no names for a variable.
    fit = {n: v for n, v in named.items() if unsupported.ENVIRONMENT_NAME.fullmatch(n)}
    return {name: _text(name, value) for name, value in fit.items()}


def _value(
    pod: Pod,
    variable: Mapping[str, Any],
    fetched: sources.Fetched,
    mounts: expansion.Mounts,
    environment: Mapping[str, str],
) -> str | None:
    chosen = variable.get("valueFrom")
    if not chosen:
        return expansion.expand(mounts.replace(variable.get("value", "")), environment)
    if "fieldRef" in chosen:
        return sources.read_field(pod, chosen["fieldRef"]["fieldPath"], statuses.ADDRESS)
    kind, key = ("Secret", "secretKeyRef") if "secretKeyRef" in chosen else ("ConfigMap", "configMapKeyRef")
    named = chosen[key]
    data = sources.read_key(
        sources.Reference(kind, named["name"]),
        named["key"],
        fetched,
        is_optional=named.get("optional", False),
    )
    return None if data is None else _text(variable["name"], data)


def _keys(kind: str, source: Mapping[str, Any], fetched: sources.Fetched) -> dict[str, bytes]:
    name = source.get("secretName") or source["name"]
    reference = sources.Reference("Secret" if kind == "secret" else "ConfigMap", name)
    is_optional = source.get("optional", False)
    if not source.get("items"):
        return dict(sources.read_all(reference, fetched, is_optional=is_optional))
    values = {
        item["path"]: sources.read_key(reference, item["key"], fetched, is_optional=is_optional)
        for item in source["items"]
    }
    return {path: value for path, value in values.items() if value is not None}


def _text(name: str, value: bytes) -> str:
    try:
        text = value.decode()
    except UnicodeDecodeError as error:
        raise sources.NotConfigurable(f"the value for variable {name} is not UTF-8") from error
    if "\0" in text:
        raise sources.NotConfigurable(f"the value for variable {name} contains a zero byte")
    return text
