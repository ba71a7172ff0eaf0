"""Who can a person be in the demo? Each of its people is a context of its kubeconfig: `kubectl --context grace …`.

Client certificates of the local cluster's own authority, valid nowhere else. Must never touch `~/.kube/config`.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from hack.cluster import files


def add(kubeconfig: Path, people: Iterable[tuple[str, Path]], namespace: str) -> None:
    """Give a kubeconfig a context for each person, named like them and in this namespace; whose it is stays as it was.

    `people` are names and kubeconfigs of their own.
    """
    found = _read(kubeconfig)
    [cluster] = found["clusters"]
    for name, own in people:
        [credentials] = [user["user"] for user in _read(own)["users"]]
        about = {"cluster": cluster["name"], "user": name, "namespace": namespace}
        _put(found["users"], {"name": name, "user": credentials})
        _put(found["contexts"], {"name": name, "context": about})
    files.write(kubeconfig, yaml.safe_dump(found, sort_keys=False))


def _put(entries: list[dict[str, Any]], entry: dict[str, Any]) -> None:
    entries[:] = [each for each in entries if each["name"] != entry["name"]] + [entry]


def _read(file: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(file.read_text())
    return found
