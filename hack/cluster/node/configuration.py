"""What must be read from the API server before a container can start? Secrets, ConfigMaps, tokens.

Reads, then lets the pure modules build; writes the Pod's volumes. Starts nothing.
"""

import asyncio
from collections.abc import Mapping
from typing import Any

from hack.cluster import files
from hack.cluster.node import client, containers, records, sources, volumes

Pod = Mapping[str, Any]


class NotReady(Exception):
    """A container cannot be configured yet; it is tried again."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


async def prepare(
    api: client.Client,
    pod: Pod,
    container: Mapping[str, Any],
    place: records.Folder,
    host: containers.Host,
) -> containers.Launch:
    """Read what the Pod names, write its volumes and build the container's launch.

    Raises:
        NotReady: something it names is missing or may not be read, or the API server is away.
    """
    try:
        fetched = await _fetch(api, pod)
        tokens = await _request_tokens(api, pod)
        built = {
            volume["name"]: containers.build_files(pod, volume, fetched, tokens)
            for volume in pod["spec"].get("volumes", ())
        }
        launch = containers.build_launch(pod, container, fetched, place, host)
    except sources.NotConfigurable as error:
        raise NotReady("CreateContainerConfigError", str(error)) from error
    except client.Unreachable as error:
        raise NotReady("APIServerUnreachable", f"the API server is away: {error}") from error
    except client.Refused as error:
        raise NotReady("CreateContainerConfigError", str(error)) from error
    kubeconfig = containers.build_kubeconfig(pod, place, host)
    await asyncio.to_thread(_write, place, built, kubeconfig)
    return launch


def _write(
    place: records.Folder,
    built: Mapping[str, containers.Files | None],
    kubeconfig: Mapping[str, Any] | None,
) -> None:
    volumes.prepare(place)
    if kubeconfig is not None:
        files.write_json(place.kubeconfig, kubeconfig)
    for name, content in built.items():
        volumes.write(place, name, content)


async def _fetch(api: client.Client, pod: Pod) -> sources.Fetched:
    wanted = sorted(sources.references(pod), key=str)
    namespace = pod["metadata"]["namespace"]
    read = await asyncio.gather(*(_read(api, namespace, reference) for reference in wanted))
    return dict(zip(wanted, read, strict=True))


async def _read(
    api: client.Client, namespace: str, reference: sources.Reference
) -> Mapping[str, bytes] | None:
    plural = "secrets" if reference.kind == "Secret" else "configmaps"
    try:
        found = await api.get(f"/api/v1/namespaces/{namespace}/{plural}/{reference.name}")
    except client.Refused as error:
        # 403: the node authorizer does not know yet that this Pod is ours.
        if error.status in (403, 404):
            return None
        raise
    return sources.read_data({**found, "kind": reference.kind})


async def _request_tokens(api: client.Client, pod: Pod) -> Mapping[sources.Token, str]:
    metadata = pod["metadata"]
    account = pod["spec"].get("serviceAccountName", "default")
    path = f"/api/v1/namespaces/{metadata['namespace']}/serviceaccounts/{account}/token"
    bound = {
        "apiVersion": "v1",
        "kind": "Pod",
        "name": metadata["name"],
        "uid": metadata["uid"],
    }
    tokens = {}
    for token in sources.tokens(pod):
        spec: dict[str, Any] = {
            "expirationSeconds": token.expiration_seconds,
            "boundObjectRef": bound,
            "audiences": [token.audience] if token.audience else [],
        }
        answer = await api.create(
            path, {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
        )
        tokens[token] = str(answer["status"]["token"])
    return tokens
