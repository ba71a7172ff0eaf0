"""How does a program speak to the API server as a person? Plain HTTPS with that person's certificate, patient with outages.

kubectl is for what a person types: each start of it costs more than a hundred requests. A server that is away is asked
again until it answers or the patience ends; what was lost with an answer is asked about again, so that nothing is done
twice by this side. Must import nothing of keelstep: those who judge it use this.
"""

import http.client
import json
import ssl
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

GROUP = "/apis/keelstep.io/v1alpha1"
VIEWS = "/apis/views.keelstep.io/v1alpha1"
PATIENCE_SECONDS = 60.0
MANAGER = "keelstep-local"
"""Whose fields applied ones are; a field that is not applied again is taken away."""
_CORE = ("events", "namespaces", "nodes", "pods", "secrets", "services")
_OF_VIEWS = ("executionlogs", "executiontraces", "executionverifications")
_CLUSTER_WIDE = ("namespaces", "nodes")
_PAUSE_SECONDS = 0.1
_TIMEOUT_SECONDS = 5.0
_JSON, _MERGE, _PATCH, _APPLY = (
    "application/json",
    "application/merge-patch+json",
    "application/json-patch+json",
    "application/apply-patch+yaml",
)


class RefusedError(Exception):
    """The API server said no."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"{status}: {message}")
        self.status = status


def path(plural: str, namespace: str, name: str = "") -> str:
    """Where objects lie: ours, their views, or of Kubernetes' core."""
    root = "/api/v1" if plural in _CORE else VIEWS if plural in _OF_VIEWS else GROUP
    return _path(root, plural, namespace, name)


def path_of(manifest: Any) -> str:
    """Where the object of a manifest lies."""
    version, kind, metadata = manifest["apiVersion"], manifest["kind"].lower(), manifest["metadata"]
    plural = f"{kind[:-1]}ies" if kind.endswith("y") else f"{kind}s"
    root = f"/api/{version}" if "/" not in version else f"/apis/{version}"
    return _path(root, plural, metadata.get("namespace", ""), metadata["name"])


def _path(root: str, plural: str, namespace: str, name: str) -> str:
    where = "" if plural in _CLUSTER_WIDE else f"/namespaces/{namespace}"
    return f"{root}{where}/{plural}" + (f"/{name}" if name else "")


@dataclass(slots=True)
class Api:
    """The API server as one persona; each thread that asks keeps a connection of its own until `close`."""

    host: str
    port: int
    ca: Path
    certificate: Path
    key: Path
    _context: ssl.SSLContext = field(init=False)
    _own: threading.local = field(init=False, default_factory=threading.local)
    _all: list[http.client.HTTPSConnection] = field(init=False, default_factory=list)

    def __post_init__(self) -> None:
        self._context = ssl.create_default_context(cafile=str(self.ca))
        self._context.load_cert_chain(self.certificate, self.key)

    def close(self) -> None:
        """Hang up, in every thread."""
        for connection in self._all:
            connection.close()

    def get(self, path: str) -> Any:
        """An object or a list; None where there is none."""
        try:
            return self._patiently("GET", path, None, _JSON)
        except RefusedError as refused:
            if refused.status == 404:
                return None
            raise

    def create(self, path: str, manifest: Any) -> Any:
        """Create an object, or take the one that is there."""
        try:
            return self._patiently("POST", path, manifest, _JSON)
        except RefusedError as refused:
            if refused.status == 409:
                return self.get(f"{path}/{manifest['metadata']['name']}")
            raise

    def apply(self, manifest: Any) -> Any:
        """Have the object be as its manifest says, as `kubectl apply --server-side` does."""
        query = f"fieldManager={MANAGER}&force=true&fieldValidation=Strict"
        return self._patiently("PATCH", f"{path_of(manifest)}?{query}", manifest, _APPLY)

    def merge(self, path: str, change: Any) -> Any:
        """A merge patch, which may be sent twice."""
        return self._patiently("PATCH", path, change, _MERGE)

    def change(self, path: str, operations: Any) -> Any:
        """A JSON patch, sent once; an OSError says that nobody knows what became of it."""
        self._connection().close()  # it may have been ended from there long ago; asking opens it again
        return self._once("PATCH", path, operations, _PATCH)

    def delete(self, path: str) -> None:
        """Delete an object, or find it gone."""
        try:
            self._patiently("DELETE", path, None, _JSON)
        except RefusedError as refused:
            if refused.status != 404:
                raise

    def _patiently(self, method: str, path: str, body: Any, kind: str) -> Any:
        until = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                return self._once(method, path, body, kind)
            except (OSError, http.client.HTTPException, RefusedError) as error:
                # a namespace or a role that has just been made may not be known to every check yet
                is_passing = (
                    not isinstance(error, RefusedError) or error.status in (403, 429) or error.status >= 500
                )
                if not is_passing or time.monotonic() > until:
                    raise
                time.sleep(_PAUSE_SECONDS)

    def _once(self, method: str, path: str, body: Any, kind: str) -> Any:
        connection = self._connection()
        try:
            payload = json.dumps(body).encode() if body is not None else None
            connection.request(method, path, payload, {"Content-Type": kind, "Accept": _JSON})
            response = connection.getresponse()
            answer = response.read()
        except BaseException:
            connection.close()
            raise
        if response.status >= 300:
            raise RefusedError(response.status, answer.decode(errors="replace")[:1000])
        return json.loads(answer) if answer else None

    def _connection(self) -> http.client.HTTPSConnection:
        """This thread's; it connects by itself whenever it is asked and not connected."""
        found: http.client.HTTPSConnection | None = getattr(self._own, "connection", None)
        if found is None:
            found = http.client.HTTPSConnection(
                self.host, self.port, timeout=_TIMEOUT_SECONDS, context=self._context
            )
            self._own.connection = found
            self._all.append(found)
        return found
