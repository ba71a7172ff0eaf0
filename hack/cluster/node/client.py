"""How does the node talk to the API server? The only module here that imports `kubernetes`.

Raw dictionaries in and out: get, create, merge-patch, delete, list-and-watch. Foreign exceptions
stop here and become `Refused` or `Unreachable`. Must not know what a Pod is.
"""

import asyncio
import json
import urllib.parse
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import aiohttp
from kubernetes.aio import client as upstream
from kubernetes.aio import config

Object = dict[str, Any]

WATCH_SECONDS = 300
"""A watch ends after this long and the list is read again: a periodic relist-and-diff for free."""

CONNECTIONS = 64
"""Enough for a few hundred Pods at once; the API server's fairness queues do the rest."""


class Refused(Exception):
    """The API server answered with an error."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"{status}: {message}")
        self.status = status
        self.message = message


class Unreachable(Exception):
    """The API server did not answer."""


class Expired(Exception):
    """A watch can no longer go on from its resource version: list again."""


class Client:
    """A connection to one API server as one user."""

    def __init__(self, api: upstream.ApiClient, server: str) -> None:
        self._api = api
        self._server = server

    @classmethod
    async def connect(cls, kubeconfig: Path) -> "Client":
        """Read a kubeconfig; nothing is sent yet."""
        configuration = upstream.Configuration()
        await config.load_kube_config(  # type: ignore[no-untyped-call]
            config_file=str(kubeconfig), client_configuration=configuration
        )
        configuration.connection_pool_maxsize = CONNECTIONS
        return cls(upstream.ApiClient(configuration), configuration.host)

    @property
    def server(self) -> urllib.parse.SplitResult:
        """Where the API server is."""
        return urllib.parse.urlsplit(self._server)

    async def close(self) -> None:
        """Close every connection."""
        await self._api.close()  # type: ignore[no-untyped-call]

    async def get(self, path: str, query: Mapping[str, str] | None = None) -> Object:
        """Read an object or a list."""
        return await self._send("GET", path, query=query)

    async def create(self, path: str, body: Object) -> Object:
        """Create an object."""
        return await self._send("POST", path, body=body)

    async def patch(self, path: str, body: Object) -> Object:
        """Change an object by a JSON merge patch."""
        return await self._send("PATCH", path, body=body)

    async def delete(self, path: str, body: Object) -> Object:
        """Delete an object under the given options."""
        return await self._send("DELETE", path, body=body)

    async def watch(
        self, path: str, query: Mapping[str, str], version: str
    ) -> AsyncIterator[tuple[str, Object]]:
        """Give every change since a resource version, until the server ends the watch.

        Raises:
            Expired: the version is too old.
        """
        following = {"watch": "true", "allowWatchBookmarks": "true", "resourceVersion": version}
        limit = {"timeoutSeconds": str(WATCH_SECONDS)}
        # Bookmarks come every minute: a connection that is silent for longer is dead.
        patience = aiohttp.ClientTimeout(total=None, sock_connect=5, sock_read=120)
        response = await self._open("GET", path, {**query, **following, **limit}, None, patience)
        async with response:
            await _check(response)
            try:
                async for line in response.content:
                    event = json.loads(line)
                    if event["type"] == "ERROR":
                        raise Expired(event["object"].get("message", ""))
                    yield event["type"], event["object"]
            except (aiohttp.ClientError, TimeoutError, ValueError) as error:
                # ValueError: the server went away in the middle of a line.
                raise Unreachable(str(error)) from error

    async def _send(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        body: Object | None = None,
    ) -> Object:
        patience = aiohttp.ClientTimeout(total=15)
        response = await self._open(method, path, query or {}, body, patience)
        async with response:
            await _check(response)
            try:
                answer: Object = await response.json(content_type=None)
            except (aiohttp.ClientError, TimeoutError, ValueError) as error:
                raise Unreachable(str(error)) from error
            return answer

    async def _open(
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        body: Object | None,
        patience: aiohttp.ClientTimeout,
    ) -> aiohttp.ClientResponse:
        url = f"{self._server}{path}" + (f"?{urllib.parse.urlencode(query)}" if query else "")
        kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
        try:
            answer = await self._api.rest_client.request(  # type: ignore[no-untyped-call]
                method,
                url,
                headers={"Accept": "application/json", "Content-Type": kind},
                body=body,
                _request_timeout=patience,
            )
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Unreachable(str(error)) from error
        response: aiohttp.ClientResponse = answer.response
        return response


async def _check(response: aiohttp.ClientResponse) -> None:
    if response.status < 400:
        return
    text = await response.text(errors="replace")
    try:
        message = json.loads(text).get("message", text)
    except (ValueError, AttributeError):
        message = text
    if response.status == 410:
        raise Expired(message)
    raise Refused(response.status, str(message)[:500])


class Backoff:
    """Waits longer after each failure in a row, and little after a success."""

    def __init__(self, first_seconds: float = 0.05, limit_seconds: float = 5.0) -> None:
        self._first, self._limit = first_seconds, limit_seconds
        self._next = first_seconds

    def reset(self) -> None:
        """Note a success."""
        self._next = self._first

    async def sleep(self) -> None:
        """Wait before the next try."""
        await asyncio.sleep(self._next)
        self._next = min(self._next * 2, self._limit)
