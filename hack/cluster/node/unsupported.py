"""Which Pods can this node not honour? Small checks, each naming the field that it refuses.

Fail closed: to run a Pod without what its author asked for would be a lie that surfaces later.
What is ignored on purpose is in `notes`, and in the package's docstring.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from hack.cluster.node import records

REASON = "UnsupportedByProcessNode"

Pod = Mapping[str, Any]

VOLUMES = frozenset({"secret", "configMap", "emptyDir", "downwardAPI", "projected"})
PROJECTED = frozenset({"secret", "configMap", "downwardAPI", "serviceAccountToken"})
ENVIRONMENT_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def find(pod: Pod) -> records.Explanation | None:
    """Find the first thing in a Pod that this node cannot honour."""
    for check in CHECKS:
        for problem in check(pod):
            message = f"the process node (a development tool) cannot honour {problem}"
            return records.Explanation(reason=REASON, message=message)
    return None


def notes(pod: Pod) -> list[str]:
    """List what is ignored on purpose, to be said once."""
    spec = pod["spec"]
    told = []
    if spec.get("securityContext") or any(c.get("securityContext") for c in _all(pod)):
        told.append("securityContext is ignored: processes run as the user of the node agent")
    if any(container.get("resources") for container in _all(pod)):
        told.append("resources are ignored: nothing limits a local process")
    return told


def _host_access(pod: Pod) -> Iterator[str]:
    """Does it ask for parts of the host, or for a runtime, that a process cannot be given?"""
    for field in ("hostPID", "hostIPC", "shareProcessNamespace", "runtimeClassName", "hostAliases"):
        if pod["spec"].get(field):
            yield f"spec.{field}: there are no namespaces"
    for path, container in _placed(pod):
        if container.get("securityContext", {}).get("privileged"):
            yield f"{path}.securityContext.privileged: it gives no rights"


def _command(pod: Pod) -> Iterator[str]:
    """Does every container say what to run?"""
    for path, container in _placed(pod):
        if not container.get("command"):
            yield f"{path}.command: it is empty, and there is no image to take an entrypoint from"


def _network(pod: Pod) -> Iterator[str]:
    """Does it expect a network of its own?"""
    for path, container in _placed(pod):
        if container.get("ports"):
            yield f"{path}.ports: there is no pod network, a Service could not reach it"


def _lifecycle(pod: Pod) -> Iterator[str]:
    """Does it expect the kubelet's probes, hooks, sidecars or terminals?"""
    fields = ("livenessProbe", "readinessProbe", "startupProbe", "lifecycle", "stdin", "tty")
    for path, container in _placed(pod):
        for field in (*fields, "restartPolicy", "restartPolicyRules", "volumeDevices"):
            if container.get(field):
                yield f"{path}.{field}: it is not implemented"
    if pod["spec"].get("readinessGates"):
        yield "spec.readinessGates: it is not implemented"


def _volumes(pod: Pod) -> Iterator[str]:
    """Is every volume of a kind that can be written into a folder?"""
    for index, volume in enumerate(pod["spec"].get("volumes", ())):
        path = f"spec.volumes[{index}]"
        kind = next((key for key in volume if key != "name"), "emptyDir")
        if kind not in VOLUMES:
            yield f"{path}.{kind}: supported are {', '.join(sorted(VOLUMES))}"
        if kind == "emptyDir" and (volume.get("emptyDir") or {}).get("medium"):
            yield f"{path}.emptyDir.medium: it is a folder on disk"
        for number, source in enumerate(volume.get("projected", {}).get("sources") or ()):
            foreign = next((key for key in source if key not in PROJECTED), None)
            if foreign:
                yield f"{path}.projected.sources[{number}].{foreign}"


def _mounts(pod: Pod) -> Iterator[str]:
    """Can every mount be found by replacing its path?"""
    for path, container in _placed(pod):
        mounts = container.get("volumeMounts", ())
        for index, mount in enumerate(mounts):
            if mount["mountPath"].rstrip("/") == "":
                yield f"{path}.volumeMounts[{index}].mountPath: / cannot be replaced in arguments"
            if mount.get("subPathExpr"):
                yield f"{path}.volumeMounts[{index}].subPathExpr: it is not implemented"
        folder = container.get("workingDir")
        if folder and not any(_is_under(folder, mount["mountPath"]) for mount in mounts):
            yield f"{path}.workingDir: only a folder under a volumeMount exists"


def _environment(pod: Pod) -> Iterator[str]:
    """Can every variable be set, and from a source that is known here?"""
    for path, container in _placed(pod):
        for index, variable in enumerate(container.get("env", ())):
            where = f"{path}.env[{index}]"
            if not ENVIRONMENT_NAME.fullmatch(variable["name"]):
                yield f"{where}.name: {variable['name']!r} is no name for a shell"
            for source in ("resourceFieldRef", "fileKeyRef"):
                if variable.get("valueFrom", {}).get(source):
                    yield f"{where}.valueFrom.{source}: it is not implemented"


CHECKS: tuple[Callable[[Pod], Iterator[str]], ...] = (
    _host_access,
    _command,
    _network,
    _lifecycle,
    _volumes,
    _mounts,
    _environment,
)


def _all(pod: Pod) -> list[Mapping[str, Any]]:
    return [container for _, container in _placed(pod)]


def _placed(pod: Pod) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for field in ("initContainers", "containers"):
        for index, container in enumerate(pod["spec"].get(field, ())):
            yield f"spec.{field}[{index}]", container


def _is_under(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip("/") + "/")
