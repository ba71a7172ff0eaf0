"""How does a program or a person reach a cluster as somebody? A self-contained kubeconfig file.

Must never read or write `~/.kube/config`.
"""

import base64
from pathlib import Path

import yaml

from hack.cluster import certificates, files


def write(path: Path, *, cluster: str, server: str, ca: Path, client: certificates.Pair, user: str) -> Path:
    """Write a kubeconfig that carries its certificates inside, so that it can be copied."""
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": cluster,
        "clusters": [
            {
                "name": cluster,
                "cluster": {"server": server, "certificate-authority-data": _inline(ca)},
            }
        ],
        "users": [
            {
                "name": user,
                "user": {
                    "client-certificate-data": _inline(client.certificate),
                    "client-key-data": _inline(client.key),
                },
            }
        ],
        "contexts": [{"name": cluster, "context": {"cluster": cluster, "user": user}}],
    }
    files.write(path, yaml.safe_dump(content, sort_keys=False))
    return path


def _inline(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()
