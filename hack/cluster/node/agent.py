"""Who keeps this node part of the cluster? Registration, the lease, and one worker per bound Pod.

    list ─► a worker for each, `lose` for those that vanished ─► watch … (ended? list again)

Stopping the agent leaves the Pods' processes running; the next agent adopts them.
"""

import asyncio
import time
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog

from hack.cluster.node import client, containers, logs, records, registration, worker

log = structlog.get_logger()

HEARTBEAT_SECONDS = 10.0
LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"

Pod = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the agent is told at its start."""

    name: str
    folder: Path
    """State: `pods/<uid>/` for each Pod."""
    kubeconfig: Path
    port: int
    """Where logs are served."""
    certificate: Path
    key: Path
    authority: Path
    """Signs the API server's client certificate."""
    path: str
    """PATH of the Pods' processes."""
    version: str
    """Shown as the node's version."""


class Departed:
    """Pods that are done with here, while the watch may still tell older news of them.

    Our own last report comes back as a change after the Pod was removed: without this, it would be
    taken for a new Pod.
    """

    def __init__(self) -> None:
        self._uids: set[str] = set()

    def begin(self, uid: str) -> None:
        """Note that a Pod is done with, though the API server has not said DELETED yet."""
        self._uids.add(uid)

    def end(self, uid: str) -> None:
        """Note that the API server said DELETED: nothing of this Pod can follow."""
        self._uids.discard(uid)

    def keep_only(self, listed: Collection[str]) -> None:
        """Drop the Pods that a fresh list no longer has: their DELETED was missed."""
        self._uids &= set(listed)

    def __contains__(self, uid: str) -> bool:
        return uid in self._uids


class Agent:
    """The node `process`."""

    def __init__(self, options: Options, api: client.Client) -> None:
        self._options = options
        self._api = api
        self._workers: dict[str, worker.Worker] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._departed = Departed()
        server = api.server
        self._host = containers.Host(
            path=options.path, api_host=server.hostname or "", api_port=server.port or 443
        )

    async def run(self) -> None:
        """Be a node until cancelled."""
        log.warning(
            "Process node started: a development tool that isolates nothing",
            node=self._options.name,
        )
        context = logs.tls(self._options.certificate, self._options.key, self._options.authority)
        server = await logs.serve(self._options.port, context, self._find)
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._stay_registered())
                tasks.create_task(self._follow_pods())
        finally:
            await server.cleanup()

    def _find(self, namespace: str, name: str) -> worker.Worker | None:
        for one in self._workers.values():
            if (one.record.namespace, one.record.name) == (namespace, name):
                return one
        return None

    async def _stay_registered(self) -> None:
        backoff = client.Backoff()
        while True:
            try:
                await self._beat()
                backoff.reset()
                await asyncio.sleep(HEARTBEAT_SECONDS)
            except (client.Refused, client.Unreachable) as error:
                log.warning("Heartbeat failed", error=str(error))
                await backoff.sleep()

    async def _beat(self) -> None:
        """Renew the lease; (re)register the Node where it is missing or was given up."""
        name, path = self._options.name, f"/api/v1/nodes/{self._options.name}"
        node = await self._get_or_create(path, "/api/v1/nodes", registration.build_node(name))
        conditions = node.get("status", {}).get("conditions", ())
        if not any(c["type"] == "Ready" and c["status"] == "True" for c in conditions):
            status = registration.build_status(self._options.port, time.time(), self._options.version)
            await self._api.patch(f"{path}/status", {"status": status})
        lease = registration.build_lease(name, node["metadata"]["uid"], time.time())
        await self._get_or_create(f"{LEASES}/{name}", LEASES, lease)
        await self._api.patch(f"{LEASES}/{name}", {"spec": lease["spec"]})

    async def _get_or_create(self, path: str, collection: str, wanted: client.Object) -> client.Object:
        try:
            return await self._api.get(path)
        except client.Refused as error:
            if error.status != 404:
                raise
        return await self._api.create(collection, wanted)

    async def _follow_pods(self) -> None:
        query = {"fieldSelector": f"spec.nodeName={self._options.name}"}
        backoff = client.Backoff()
        while True:
            try:
                listed = await self._api.get("/api/v1/pods", query)
                self._take(listed["items"])
                version = listed["metadata"]["resourceVersion"]
                async for kind, pod in self._api.watch("/api/v1/pods", query, version):
                    backoff.reset()
                    if kind in ("ADDED", "MODIFIED"):
                        self._see(pod)
                    elif kind == "DELETED":
                        self._lose(pod["metadata"]["uid"])
            except client.Expired as error:
                log.info("Watch expired, Pods are listed again", reason=str(error))
                await backoff.sleep()
            except (client.Refused, client.Unreachable) as error:
                log.warning("Pods could not be followed", error=str(error))
                await backoff.sleep()

    def _take(self, listed: list[Pod]) -> None:
        """Compare with the list: some Pods are new, some vanished while nobody watched."""
        for pod in listed:
            self._see(pod)
        present = {pod["metadata"]["uid"] for pod in listed}
        self._departed.keep_only(present)
        for pod in self._left_behind():
            if pod["metadata"]["uid"] not in present | self._workers.keys():
                self._see(pod)
        for uid in [uid for uid in self._workers if uid not in present]:
            self._lose(uid)

    def _left_behind(self) -> Iterator[Pod]:
        """Find the Pods of an earlier agent; of those that vanished, only the record is left."""
        pods = self._options.folder / "pods"
        for root in sorted(pods.iterdir()) if pods.is_dir() else ():
            record = records.Folder(root).load()
            if record is not None:
                metadata = {"uid": record.uid, "namespace": record.namespace, "name": record.name}
                yield {"metadata": metadata, "spec": {"containers": []}}

    def _see(self, pod: Pod) -> None:
        uid = pod["metadata"]["uid"]
        known = self._workers.get(uid)
        if known is not None:
            known.see(pod)
        if known is not None or uid in self._departed:
            return
        place = records.Folder(self._options.folder / "pods" / uid)
        one = worker.Worker(pod, place, self._api, self._host, self._forget)
        self._workers[uid] = one
        task = asyncio.create_task(_work(one))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _lose(self, uid: str) -> None:
        self._departed.end(uid)
        known = self._workers.get(uid)
        if known is not None:
            known.lose()

    def _forget(self, uid: str) -> None:
        one = self._workers.pop(uid, None)
        if one is not None and not one.record.is_gone:
            self._departed.begin(uid)


async def _work(one: worker.Worker) -> None:
    backoff = client.Backoff(first_seconds=1.0, limit_seconds=60.0)
    while True:
        try:
            await one.run()
            return
        except Exception:
            # The outermost loop of a Pod: a fault in one must not take the node away from all.
            log.exception("Worker failed and is started again", pod=one.record.name)
            await backoff.sleep()
