"""Many runners in one process: for every Pod of a namespace that no node takes, its runner's loop, with that Pod's identity.

`python -m hack.bench.pool KUBECONFIG NAMESPACE BROKER_URL` says `ready`, then works until SIGTERM.

A runner keeps no state and holds no secret but the identity of its attempt, so a process may be many of them: a
connection each, as every Pod has. What it saves is a Python for each Pod; two hundred runs at once then fit a small
machine. Operator, gateway and broker see what they see of Pods. Must not decide anything.
"""

import asyncio
import base64
import contextlib
import signal
import sys
from dataclasses import dataclass, field
from pathlib import Path

import structlog
import uvloop

from hack.cluster.node import client as kubernetes
from keelstep import errors, logs
from keelstep.events.signing import Keyring
from keelstep.kinds import names
from keelstep.log import connection, subjects
from keelstep.log.objects import Objects
from keelstep.log.spine import Author, Log
from keelstep.log.tokens import Credentials
from keelstep_operator import pods
from keelstep_runner.ask import Gateway
from keelstep_runner.loop import Loop

log = structlog.get_logger(__name__)


@dataclass(slots=True, kw_only=True)
class Pool:
    """The runners of one namespace."""

    api: kubernetes.Client
    namespace: str
    broker_url: str
    _running: "dict[str, asyncio.Task[None]]" = field(default_factory=dict)
    """By Pod."""

    async def run(self) -> None:
        """Follow the Pods for ever."""
        path = f"/api/v1/namespaces/{self.namespace}/pods"
        query = {"labelSelector": f"{names.LABEL_COMPONENT}={names.COMPONENT_RUNNER}"}
        while True:
            with contextlib.suppress(kubernetes.Expired, kubernetes.Unreachable):
                listed = await self.api.get(path, query)
                for found in listed["items"]:
                    self._see("ADDED", found)
                async for kind, found in self.api.watch(path, query, listed["metadata"]["resourceVersion"]):
                    self._see(kind, found)

    def _see(self, kind: str, found: kubernetes.Object) -> None:
        if kind == "BOOKMARK":
            return
        uid = found["metadata"]["uid"]
        is_ours = not found["spec"].get("nodeName") and found["status"].get("phase") == "Pending"
        if kind == "DELETED":
            task = self._running.pop(uid, None)
            if task is not None:
                task.cancel()
        elif is_ours and uid not in self._running:
            self._running[uid] = asyncio.create_task(self._attempt(found))

    async def _attempt(self, pod: kubernetes.Object) -> None:
        name = pod["metadata"]["name"]
        try:
            why = await self._loop(pod["metadata"]["labels"])
            ended = {"status": {"phase": "Succeeded"}}
            await self.api.patch(f"/api/v1/namespaces/{self.namespace}/pods/{name}/status", ended)
            log.info("ended", pod=name, reason=why)
        except (errors.KeelstepError, kubernetes.Refused, kubernetes.Unreachable) as error:
            log.info(
                "failed", pod=name, why=str(error)
            )  # killed, mostly: its identity is revoked, its Pod gone

    async def _loop(self, labels: dict[str, str]) -> str:
        execution, xid = labels[names.LABEL_EXECUTION], labels[names.LABEL_EXECUTION_ID]
        number = int(labels[names.LABEL_ATTEMPT])
        secret = names.identity_secret(execution, number)
        found = await self.api.get(f"/api/v1/namespaces/{self.namespace}/secrets/{secret}")
        nc = await connection.connect(
            self.broker_url,
            Credentials.parse(pods.secret_credentials(found)),
            f"runner-{xid}-{subjects.attempt(number)}",
            inbox_prefix=subjects.inbox(xid, number),
        )
        try:
            gateway = Gateway(nc=nc, shard=0, tenant=self.namespace, xid=xid, attempt=number)
            spine = Log(
                nc=nc,
                reader=gateway,
                author=Author(subjects.attempt(number), 0),
                keyring=Keyring.parse(base64.b64decode(found["data"][pods.KEYRING_FILE])),
                tenant=self.namespace,
                xid=xid,
            )
            return await Loop(spine=spine, gateway=gateway, objects=Objects(nc), attempt=number).run()
        finally:
            with contextlib.suppress(Exception):  # what it wrote is acknowledged already
                await nc.close()


async def _main(kubeconfig: str, namespace: str, broker_url: str) -> None:
    api = await kubernetes.Client.connect(Path(kubeconfig))
    work = asyncio.create_task(Pool(api=api, namespace=namespace, broker_url=broker_url).run())
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, work.cancel)
    print("ready", flush=True)
    with contextlib.suppress(asyncio.CancelledError):
        await work
    await api.close()


if __name__ == "__main__":
    logs.configure("pool", "INFO")
    uvloop.run(_main(*sys.argv[1:]))
