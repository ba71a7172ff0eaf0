"""How does the matrix talk to Kubernetes as a person? Plain HTTPS with that person's certificate, patient with outages.

A server that is away is asked again until it answers or the patience ends; what was lost with an answer is asked about
again, so that nothing is done twice by this side.
"""

import http.client
import json
import ssl
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

GROUP = "/apis/keelstep.io/v1alpha1"
PATIENCE_SECONDS = 60.0
_PAUSE_SECONDS = 0.1
_TIMEOUT_SECONDS = 5.0
_JSON, _MERGE, _PATCH = (
    "application/json",
    "application/merge-patch+json",
    "application/json-patch+json",
)


class RefusedError(Exception):
    """The API server said no."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"{status}: {message}")
        self.status = status


@dataclass(slots=True)
class Api:
    """The API server as one persona."""

    port: int
    ca: Path
    certificate: Path
    key: Path
    _context: ssl.SSLContext = field(init=False)

    def __post_init__(self) -> None:
        self._context = ssl.create_default_context(cafile=str(self.ca))
        self._context.load_cert_chain(self.certificate, self.key)

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

    def merge(self, path: str, change: Any) -> Any:
        """A merge patch, which may be sent twice."""
        return self._patiently("PATCH", path, change, _MERGE)

    def change(self, path: str, operations: Any) -> Any:
        """A JSON patch, sent once; an OSError says that nobody knows what became of it."""
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
                # a namespace that has just been made may not be known to every admission check yet
                is_passing = (
                    not isinstance(error, RefusedError) or error.status in (403, 429) or error.status >= 500
                )
                if not is_passing or time.monotonic() > until:
                    raise
                time.sleep(_PAUSE_SECONDS)

    def _once(self, method: str, path: str, body: Any, kind: str) -> Any:
        connection = http.client.HTTPSConnection(
            "127.0.0.1", self.port, timeout=_TIMEOUT_SECONDS, context=self._context
        )
        try:
            payload = json.dumps(body).encode() if body is not None else None
            connection.request(method, path, payload, {"Content-Type": kind, "Accept": _JSON})
            response = connection.getresponse()
            answer = response.read()
        finally:
            connection.close()
        if response.status >= 300:
            raise RefusedError(response.status, answer.decode(errors="replace")[:1000])
        return json.loads(answer) if answer else None
