"""How is the Kubernetes API spoken to? Raw JSON objects over `kubernetes.aio`, which nothing else imports.

Get, list (with limit and continue), watch, create, delete (with a uid precondition), and patches of a status that test
the resource version. What the API server refuses becomes an exception of ours. Nothing here decides anything.
"""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import quote, urlencode

import aiohttp
import yaml
from kubernetes.aio import client as aio
from kubernetes.aio import config as aio_config
from kubernetes.aio.client import rest

from keelstep import errors, kinds, points, refusal

Object = dict[str, Any]
"""A Kubernetes object as JSON."""

LIST_LIMIT = 500
"""Objects a page of a list holds."""
TIMEOUT_SECONDS = 15.0
_UNUSABLE = (
    *(aio_config.ConfigException, OSError, ssl.SSLError, yaml.YAMLError),
    # what the library makes of a file that is no kubeconfig
    *(ValueError, TypeError, KeyError, AttributeError),
)
_JSON = "application/json"
_JSON_PATCH = "application/json-patch+json"
_MERGE_PATCH = "application/merge-patch+json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """Where objects of one kind live."""

    group: str
    """Empty for the core group."""
    version: str
    plural: str
    name: str
    is_namespaced: bool = True

    @property
    def api_version(self) -> str:
        """As a manifest says it."""
        return f"{self.group}/{self.version}" if self.group else self.version

    def path(self, namespace: str = "", name: str = "", subresource: str = "") -> str:
        """The URL's path; without a namespace it is all namespaces."""
        root = f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"
        parts = [root]
        if self.is_namespaced and namespace:
            parts += ["namespaces", quote(namespace, safe="")]
        parts.append(self.plural)
        parts += [quote(part, safe="") for part in (name, subresource) if part]
        return "/".join(parts)


def of(model: type[kinds.Resource]) -> Kind:
    """Where objects of one of our own kinds live."""
    return Kind(group=kinds.GROUP, version=kinds.VERSION, plural=model.crd.plural, name=model.crd.kind)


STRATEGIES = of(kinds.AgentStrategy)
CONTRACTS = of(kinds.ToolContract)
EXECUTIONS = of(kinds.Execution)
GATES = of(kinds.ApprovalGate)
PODS = Kind(group="", version="v1", plural="pods", name="Pod")
SECRETS = Kind(group="", version="v1", plural="secrets", name="Secret")
CONFIG_MAPS = Kind(group="", version="v1", plural="configmaps", name="ConfigMap")
NAMESPACES = Kind(group="", version="v1", plural="namespaces", name="Namespace", is_namespaced=False)
REVISIONS = Kind(group="apps", version="v1", plural="controllerrevisions", name="ControllerRevision")
LEASES = Kind(group="coordination.k8s.io", version="v1", plural="leases", name="Lease")
EVENTS = Kind(group="events.k8s.io", version="v1", plural="events", name="Event")
API_SERVICES = Kind(
    group="apiregistration.k8s.io",
    version="v1",
    plural="apiservices",
    name="APIService",
    is_namespaced=False,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A whole list, however many requests it took."""

    items: list[Object]
    resource_version: str
    """Where a watch continues from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """How to reach the API server, for another library that watches as the same user."""

    server: str
    ca_file: str | None
    certificate_file: str | None
    key_file: str | None
    is_verified: bool
    token: str | None


class Kube:
    """A connection to the API server; an async context manager."""

    def __init__(self, configuration: aio.Configuration) -> None:
        # a proxy of the environment has no business between us and the API server
        configuration.client_session_kwargs = {"trust_env": False}
        self._configuration = configuration
        self._rest = rest.RESTClientObject(configuration)

    @classmethod
    async def connect(cls, kubeconfig: Path | None = None) -> "Kube":
        """A connection as the kubeconfig says; without one as the Pod's own service account.

        Raises:
            errors.SettingsError: there is neither, or the kubeconfig cannot be used.
        """
        configuration = aio.Configuration()
        if kubeconfig is not None and not await asyncio.to_thread(kubeconfig.is_file):
            raise errors.SettingsError(f"the kubeconfig {kubeconfig} cannot be used: there is no such file")
        try:
            if kubeconfig is None:
                aio_config.load_incluster_config(client_configuration=configuration)  # type: ignore[no-untyped-call]
            else:
                await aio_config.load_kube_config(  # type: ignore[no-untyped-call]
                    config_file=str(kubeconfig), client_configuration=configuration, persist_config=False
                )
            return cls(configuration)
        except _UNUSABLE as error:
            what = f"the kubeconfig {kubeconfig}" if kubeconfig else "the Pod's service account"
            raise errors.SettingsError(f"{what} cannot be used: {error}") from error

    async def __aenter__(self) -> "Kube":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close every connection."""
        await self._rest.close()

    async def access(self) -> Access:
        """How to reach the API server as the same user, with a fresh token."""
        found = self._configuration
        token = await found.get_api_key_with_prefix("BearerToken")
        return Access(
            server=found.host,
            ca_file=found.ssl_ca_cert,
            certificate_file=found.cert_file,
            key_file=found.key_file,
            is_verified=found.verify_ssl,
            token=token.partition(" ")[2] or token if token else None,
        )

    async def get(self, kind: Kind, namespace: str, name: str) -> Object:
        """One object.

        Raises:
            errors.NotFoundError: there is none.
            errors.KubeError: it could not be read.
        """
        return await self._send("GET", kind.path(namespace, name))

    async def find(self, kind: Kind, namespace: str, name: str) -> Object | None:
        """One object, or None where there is none.

        Raises:
            errors.KubeError: it could not be read.
        """
        try:
            return await self.get(kind, namespace, name)
        except errors.NotFoundError:
            return None

    async def list(
        self, kind: Kind, namespace: str = "", *, labels: str = "", limit: int = LIST_LIMIT
    ) -> Page:
        """All objects of a kind, asked for in pages.

        Raises:
            errors.GoneError: it took so long that the list is no longer one; begin again.
            errors.KubeError: it could not be read.
        """
        items: list[Object] = []
        query: dict[str, Any] = {"limit": limit}
        if labels:
            query["labelSelector"] = labels
        while True:
            page = await self._send("GET", kind.path(namespace), query=query)
            # items of a list say neither their kind nor their version
            items += [{"apiVersion": kind.api_version, "kind": kind.name, **item} for item in page["items"]]
            following = page["metadata"].get("continue")
            if not following:
                return Page(items=items, resource_version=page["metadata"].get("resourceVersion", ""))
            query["continue"] = following

    async def height(self) -> int:
        """The API server's latest resource version: it only ever grows, as long as its etcd is the same."""
        page = await self._send("GET", NAMESPACES.path(), query={"limit": 1})
        return int(page["metadata"]["resourceVersion"])

    async def watch(
        self,
        kind: Kind,
        namespace: str = "",
        *,
        resource_version: str,
        name: str = "",
        labels: str = "",
        timeout_seconds: int = 300,
    ) -> AsyncIterator[tuple[str, Object]]:
        """Changes after a resource version, as (type, object), until the server ends the watch.

        Raises:
            errors.GoneError: the version is too old; list again.
            errors.KubeError: the watch broke.
        """
        query: dict[str, Any] = {
            "watch": "true",
            "resourceVersion": resource_version,
            "allowWatchBookmarks": "true",
            "timeoutSeconds": timeout_seconds,
        }
        if name:
            query["fieldSelector"] = f"metadata.name={name}"
        if labels:
            query["labelSelector"] = labels
        timeout = aiohttp.ClientTimeout(
            total=None, sock_connect=TIMEOUT_SECONDS, sock_read=timeout_seconds + 30
        )
        response = await self._request("GET", kind.path(namespace), query=query, timeout=timeout)
        try:
            if response.status >= 300:
                raise refusal.error("GET", kind.path(namespace), response.status, await response.read())
            async for line in response.content:
                change = json.loads(line)
                if change["type"] == "ERROR":
                    status = change["object"]
                    raise refusal.error(
                        "WATCH", kind.path(namespace), int(status.get("code", 500)), line, status
                    )
                yield change["type"], change["object"]
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise errors.KubeUnavailableError(f"the watch of {kind.plural} broke: {error}") from error
        finally:
            response.close()

    async def create(self, kind: Kind, namespace: str, manifest: Object) -> Object:
        """Create an object.

        Raises:
            errors.AlreadyExistsError: there is one of that name.
            errors.KubeError: it was refused.
        """
        points.reached("operator.before.kube.create")
        created = await self._send("POST", kind.path(namespace), body=manifest)
        points.reached("operator.after.kube.create")
        return created

    async def create_or_get(self, kind: Kind, namespace: str, manifest: Object) -> tuple[Object, bool]:
        """The object of that name, and whether it was created just now; whose it is the caller must ask.

        Raises:
            errors.KubeError: it was refused, or could not be read.
        """
        try:
            return await self.create(kind, namespace, manifest), True
        except errors.AlreadyExistsError:
            return await self.get(kind, namespace, manifest["metadata"]["name"]), False

    async def delete(
        self, kind: Kind, namespace: str, name: str, *, uid: str = "", grace_seconds: int | None = None
    ) -> bool:
        """Delete an object, only this one where a uid is given. False where it was gone.

        Raises:
            errors.ConflictError: the object of that name has another uid.
            errors.KubeError: it was refused.
        """
        options: Object = {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": "Background"}
        if uid:
            options["preconditions"] = {"uid": uid}
        if grace_seconds is not None:
            options["gracePeriodSeconds"] = grace_seconds
        points.reached("operator.before.kube.delete")
        try:
            await self._send("DELETE", kind.path(namespace, name), body=options)
        except errors.NotFoundError:
            return False
        points.reached("operator.after.kube.delete")
        return True

    async def replace(self, kind: Kind, namespace: str, manifest: Object) -> Object:
        """Replace an object, only where nobody changed it since the manifest's resource version.

        Raises:
            errors.ConflictError: somebody did; read again and decide again.
            errors.KubeError: it was refused.
        """
        points.reached("operator.before.kube.replace")
        path = kind.path(namespace, manifest["metadata"]["name"])
        changed = await self._send("PUT", path, body=manifest)
        points.reached("operator.after.kube.replace")
        return changed

    async def replace_status(
        self, kind: Kind, namespace: str, name: str, status: Mapping[str, Any], resource_version: str
    ) -> Object:
        """Replace an object's whole status, only where nobody changed the object since.

        Raises:
            errors.ConflictError: somebody did; read again and decide again.
            errors.KubeError: it was refused.
        """
        patch = [
            # writing the version back makes the server compare it and answer 409; a failed `test` says only 422
            {"op": "replace", "path": "/metadata/resourceVersion", "value": resource_version},
            {"op": "add", "path": "/status", "value": status},
        ]
        points.reached("operator.before.kube.patch")
        path = kind.path(namespace, name, "status")
        changed = await self._send("PATCH", path, body=patch, content_type=_JSON_PATCH)
        points.reached("operator.after.kube.patch")
        return changed

    async def _send(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        body: Any = None,
        content_type: str = _JSON,
    ) -> Object:
        timeout = aiohttp.ClientTimeout(total=TIMEOUT_SECONDS)
        response = await self._request(
            method, path, query=query, body=body, content_type=content_type, timeout=timeout
        )
        try:
            payload = await response.read()
        except (aiohttp.ClientError, TimeoutError) as error:
            raise errors.KubeUnavailableError(f"{method} {path}: {error or 'no answer'}") from error
        if response.status >= 300:
            raise refusal.error(method, path, response.status, payload)
        found: Object = json.loads(payload)
        return found

    async def _request(
        self,
        method: str,
        path: str,
        *,
        timeout: aiohttp.ClientTimeout,
        query: Mapping[str, Any] | None = None,
        body: Any = None,
        content_type: str = _JSON,
    ) -> aiohttp.ClientResponse:
        headers = {"Accept": _JSON, "Content-Type": content_type}
        token = await self._configuration.get_api_key_with_prefix("BearerToken")
        if token:
            headers["Authorization"] = token
        url = f"{self._configuration.host}{path}" + (f"?{urlencode(query)}" if query else "")
        try:
            answer = await self._rest.request(  # type: ignore[no-untyped-call]
                method, url, headers, body, _request_timeout=timeout
            )
        except (aiohttp.ClientError, TimeoutError, asyncio.IncompleteReadError, OSError) as error:
            raise errors.KubeUnavailableError(f"{method} {path}: {error or 'no answer'}") from error
        response: aiohttp.ClientResponse = answer.response
        return response
