"""Is a component of the control plane up? One HTTPS request, answered yes or no.

Must not wait or retry: deadlines belong to the callers.
"""

import http.client
import json
import ssl
import urllib.parse
from pathlib import Path
from typing import Any

from hack.cluster import certificates, components

TIMEOUT_SECONDS = 2.0


def is_healthy(name: str, plan: components.Plan) -> bool:
    """Ask a component whether it is ready to serve."""
    port = plan.ports[name]
    authority = plan.pair("ca").certificate
    if name == components.APISERVER:
        return _get(f"{plan.server}/readyz", authority, None) is not None
    if name == components.ETCD:
        client = plan.pair("apiserver-etcd")
        authority = plan.pair("etcd-ca").certificate
        return _get(f"https://127.0.0.1:{port}/health", authority, client) is not None
    return _get(f"https://127.0.0.1:{port}/healthz", authority, None) is not None


def read(plan: components.Plan, path: str, client: certificates.Pair) -> dict[str, Any] | None:
    """Read one object of the API as somebody; None where it is absent or nobody answers."""
    text = _get(f"{plan.server}{path}", plan.pair("ca").certificate, client)
    if text is None:
        return None
    found: dict[str, Any] = json.loads(text)
    return found


def read_agent_pid(plan: components.Plan) -> int | None:
    """Ask the node agent for its pid, as the API server would; None where nobody answers."""
    url = f"https://127.0.0.1:{plan.ports['kubelet']}/healthz"
    text = _get(url, plan.pair("ca").certificate, plan.pair("apiserver-kubelet"))
    return None if text is None else int(json.loads(text)["pid"])


def _get(url: str, authority: Path, client: certificates.Pair | None) -> bytes | None:
    context = ssl.create_default_context(cafile=str(authority))
    if client is not None:
        context.load_cert_chain(client.certificate, client.key)
    at = urllib.parse.urlsplit(url)
    assert at.hostname is not None
    connection = http.client.HTTPSConnection(at.hostname, at.port, timeout=TIMEOUT_SECONDS, context=context)
    try:
        connection.request("GET", at.path)
        answer = connection.getresponse()
        return answer.read() if answer.status == http.HTTPStatus.OK else None
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()
