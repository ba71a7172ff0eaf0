"""How does one persona speak to the API server in a test? Plain JSON over HTTPS with a client certificate.

It returns what the server said, refusals included; it decides nothing and waits for nothing.
"""

import base64
import ssl
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import yaml

from keelstep import kinds

Object = dict[str, Any]

MERGE = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"

_PLURALS = {kind.crd.kind: kind.crd.plural for kind in kinds.KINDS} | {
    "Namespace": "namespaces",
    "Secret": "secrets",
    "Pod": "pods",
    "ConfigMap": "configmaps",
    "ResourceQuota": "resourcequotas",
    "Role": "roles",
    "RoleBinding": "rolebindings",
    "SubjectAccessReview": "subjectaccessreviews",
}
_CLUSTER_SCOPED = frozenset({"Namespace", "SubjectAccessReview"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the API server said."""

    status: int
    body: Object

    @property
    def is_ok(self) -> bool:
        """Whether the request was carried out."""
        return self.status < 300

    @property
    def message(self) -> str:
        """Why it was not; empty if it was."""
        return "" if self.is_ok else str(self.body.get("message", self.body))


class Persona:
    """One user of the API server."""

    def __init__(self, kubeconfig: Path) -> None:
        config = yaml.safe_load(kubeconfig.read_text())
        cluster, user = config["clusters"][0]["cluster"], config["users"][0]
        self.name: str = user["name"]
        self.kubeconfig = kubeconfig
        context = ssl.create_default_context(
            cadata=base64.b64decode(cluster["certificate-authority-data"]).decode()
        )
        with tempfile.NamedTemporaryFile() as pair:
            pair.write(base64.b64decode(user["user"]["client-certificate-data"]))
            pair.write(base64.b64decode(user["user"]["client-key-data"]))
            pair.flush()
            context.load_cert_chain(pair.name)
        self._http = httpx.Client(base_url=cluster["server"], verify=context, timeout=30, trust_env=False)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def create(self, manifest: Object) -> Answer:
        """POST a manifest, strictly: an unknown field is refused, as kubectl does it."""
        collection, _ = _path(manifest)
        return self._send("POST", collection, manifest, "application/json")

    def get(self, manifest: Object) -> Answer:
        """GET the object that the manifest names."""
        return self._send("GET", "/".join(_path(manifest)))

    def patch(self, manifest: Object, patch: Any, *, kind: str = MERGE, subresource: str = "") -> Answer:
        """PATCH the object that the manifest names."""
        path = "/".join((*_path(manifest), *filter(None, [subresource])))
        return self._send("PATCH", path, patch, kind)

    def delete(self, manifest: Object) -> Answer:
        """DELETE the object that the manifest names, and what it owns in the background."""
        return self._send("DELETE", "/".join(_path(manifest)))

    def fetch(self, path: str) -> Answer:
        """GET any path."""
        return self._send("GET", path)

    def status_of(self, path: str) -> int:
        """GET any path and look at the status alone: a watch's body is not one JSON value."""
        return self._http.get(path).status_code

    def _send(self, method: str, path: str, body: Any = None, content_type: str = "") -> Answer:
        response = self._http.request(
            method,
            path,
            params={"fieldValidation": "Strict"} if body is not None else {},
            json=body,
            headers={"Content-Type": content_type} if content_type else {},
        )
        return Answer(status=response.status_code, body=response.json())


def _path(manifest: Object) -> tuple[str, str]:
    version, metadata = manifest["apiVersion"], manifest["metadata"]
    root = "/api/v1" if version == "v1" else f"/apis/{version}"
    plural = _PLURALS[manifest["kind"]]
    if manifest["kind"] in _CLUSTER_SCOPED:
        return f"{root}/{plural}", metadata.get("name", "")
    return f"{root}/namespaces/{metadata['namespace']}/{plural}", metadata.get("name", "")


def merge(target: Object, patch: Object) -> Object:
    """A JSON merge patch (RFC 7386) applied here: null removes, objects merge, all else replaces."""
    result = dict(target)
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        elif isinstance(value, dict):
            inner = result.get(name)
            result[name] = merge(inner if isinstance(inner, dict) else {}, value)
        else:
            result[name] = value
    return result


def in_namespace(manifest: Object, namespace: str) -> Object:
    """The manifest as it would be applied in that namespace."""
    return merge(manifest, {"metadata": {"namespace": namespace}})
