"""When did Kubernetes and the broker show what? Watches of one namespace's Executions and Pods, and the broker's news.

One thread beside the bench notes when each thing was first seen; that is a few milliseconds after it happened. Events
of a log are not watched but read afterwards: the broker has stamped them.
"""

import asyncio
import contextlib
import threading
import time
from collections.abc import Coroutine, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import msgspec
from nats.aio.client import Client
from nats.aio.msg import Msg

from hack.cluster.node import client as kubernetes
from hack.local.platform import Platform
from keelstep.events.frame import Stored
from keelstep.kinds import names
from keelstep.log import connection, identities
from keelstep.log.identities import Role
from keelstep.log.reader import StreamReader

T = TypeVar("T")

OVER = frozenset({"Succeeded", "Failed", "Cancelled", "Killed"})
START_SECONDS = 20.0


@dataclass(slots=True)
class Seen:
    """One run, as it was seen; moments in nanoseconds since 1970, 0 where not yet."""

    name: str
    xid: str = ""
    phase: str = ""
    accepted_at: int = 0
    """The Execution was in the API server."""
    pod_created_at: int = 0
    pod_bound_at: int = 0
    """The scheduler gave the Pod a node."""
    pod_started_at: int = 0
    """The node reported the Pod as running."""
    pod_ended_at: int = 0
    connected_at: int = 0
    """The runner's connection, as the broker noticed it."""
    over_at: int = 0
    """Its status shows a terminal phase."""

    @property
    def is_over(self) -> bool:
        """The run and its Pod are over."""
        return bool(self.over_at and self.pod_ended_at)


@dataclass(slots=True, kw_only=True)
class Watcher:
    """What was seen of every run of a namespace."""

    loop: asyncio.AbstractEventLoop
    broker: Client
    shard: int = 0
    _runs: dict[str, Seen] = field(default_factory=dict)
    _connected: dict[str, int] = field(default_factory=dict)
    """When the runner of an xid connected first."""

    def run(self, name: str) -> Seen:
        """What is seen of a run; it goes on being filled in."""
        return self._runs.setdefault(name, Seen(name))

    def phases(self) -> dict[str, str]:
        """Every run's phase, as last seen."""
        return {name: seen.phase for name, seen in list(self._runs.items())}

    def read(self, tenant: str, xid: str) -> Sequence[Stored]:
        """A run's log."""
        return self.ask(StreamReader(self.broker, self.shard).read(tenant, xid, 0))

    def ask(self, question: Coroutine[Any, Any, T]) -> T:
        """Have the watching thread answer something."""
        return asyncio.run_coroutine_threadsafe(question, self.loop).result(timeout=60)

    def see(self, kind: str, found: Any) -> None:
        """Note a change of an Execution or a Pod."""
        now = time.time_ns()
        if kind == "executions":
            seen = self._runs.setdefault(found["metadata"]["name"], Seen(found["metadata"]["name"]))
            self._see_execution(seen, found.get("status", {}), now)
        else:
            name = found["metadata"].get("labels", {}).get(names.LABEL_EXECUTION, "")
            self._see_pod(self._runs.setdefault(name, Seen(name)), found, now)

    def _see_execution(self, seen: Seen, status: Any, now: int) -> None:
        seen.accepted_at = seen.accepted_at or now
        seen.xid = status.get("executionID", seen.xid)
        seen.phase = status.get("phase", seen.phase)
        if seen.phase in OVER:
            seen.over_at = seen.over_at or now
        seen.connected_at = seen.connected_at or self._connected.get(seen.xid, 0)

    def _see_pod(self, seen: Seen, found: Any, now: int) -> None:
        seen.pod_created_at = seen.pod_created_at or now
        if found["spec"].get("nodeName"):
            seen.pod_bound_at = seen.pod_bound_at or now
        phase = found.get("status", {}).get("phase", "")
        if phase in ("Running", "Succeeded", "Failed"):
            seen.pod_started_at = seen.pod_started_at or now
        if phase in ("Succeeded", "Failed"):
            seen.pod_ended_at = seen.pod_ended_at or now

    async def heard(self, message: Msg) -> None:
        """The broker says that somebody connected."""
        news = msgspec.json.decode(message.data, type=_Connected)
        if news.client.name.startswith("runner-"):
            self._connected.setdefault(news.client.name.split("-", 1)[1].rpartition("-")[0], time.time_ns())


class _ConnectedClient(msgspec.Struct, frozen=True):
    name: str = ""


class _Connected(msgspec.Struct, frozen=True):
    client: _ConnectedClient


@contextlib.contextmanager
def watching(platform: Platform, tenant: str) -> Iterator[Watcher]:
    """Watch a namespace in a thread of its own, ended with the block."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="watcher", daemon=True)
    thread.start()
    opened = asyncio.run_coroutine_threadsafe(_open(platform, tenant), loop).result(timeout=START_SECONDS)
    watcher, stack = opened
    try:
        yield watcher
    finally:
        asyncio.run_coroutine_threadsafe(stack.aclose(), loop).result(timeout=START_SECONDS)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(timeout=START_SECONDS)
        loop.close()


async def _open(platform: Platform, tenant: str) -> tuple[Watcher, contextlib.AsyncExitStack]:
    stack = contextlib.AsyncExitStack()
    reader = await _broker(platform, Role.READER)
    stack.push_async_callback(reader.close)
    system = await _broker(platform, Role.SYSTEM)
    stack.push_async_callback(system.close)
    watcher = Watcher(loop=asyncio.get_running_loop(), broker=reader)
    await system.subscribe("$SYS.ACCOUNT.*.CONNECT", cb=watcher.heard)
    await system.flush()
    api = await kubernetes.Client.connect(platform.plane.admin_kubeconfig)
    stack.push_async_callback(api.close)
    for group, plural in (("apis/keelstep.io/v1alpha1", "executions"), ("api/v1", "pods")):
        path = f"/{group}/namespaces/{tenant}/{plural}"
        task = asyncio.create_task(_follow(api, path, plural, watcher))
        stack.push_async_callback(_cancelled, task)
    return watcher, stack


async def _broker(platform: Platform, role: Role) -> Client:
    credentials = platform.installed.credentials_file(role)
    return await connection.connect(
        platform.places.broker_url, credentials, "bench", inbox_prefix=identities.inbox(role)
    )


async def _cancelled(task: "asyncio.Task[None]") -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def _follow(api: kubernetes.Client, path: str, plural: str, watcher: Watcher) -> None:
    while True:
        with contextlib.suppress(kubernetes.Expired, kubernetes.Unreachable):
            listed = await api.get(path)
            for found in listed["items"]:
                watcher.see(plural, found)
            async for kind, found in api.watch(path, {}, listed["metadata"]["resourceVersion"]):
                if kind in ("ADDED", "MODIFIED"):
                    watcher.see(plural, found)
