"""How does the API server learn of a Pod's state? A merge patch whenever it differs from the last.

Retries for as long as it takes; must never delay what the worker does to processes.
"""

import asyncio
import json
import time
from collections.abc import Callable, Mapping
from typing import Any

import structlog

from hack.cluster.node import client, records, statuses

log = structlog.get_logger()

Pod = Mapping[str, Any]


class Reporter:
    """Reports one Pod's status."""

    def __init__(self, api: client.Client, read: Callable[[], tuple[Pod, records.Record]]) -> None:
        self._api = api
        self._read = read
        self._requested = asyncio.Event()
        self._sent: str | None = None

    def request(self) -> None:
        """Ask for a report; many requests become one."""
        self._requested.set()

    async def run(self) -> None:
        """Report whenever asked, for ever."""
        while True:
            await self._requested.wait()
            self._requested.clear()
            await self._send_until_done()

    async def finish(self) -> None:
        """Report the end of a Pod that leaves, and have the API server drop it."""
        await self._send_until_done()
        backoff = client.Backoff()
        pod, record = self._read()
        while not record.is_gone:
            options = {"gracePeriodSeconds": 0, "preconditions": {"uid": record.uid}}
            try:
                await self._api.delete(_path(pod), options)
                return
            except client.Refused as error:
                if error.status == 404:
                    return
                # 409: a conflict, or the name is somebody else's by now; the watch tells which.
                log.warning("Pod deletion was refused", pod=record.name, error=error.message)
            except client.Unreachable:
                pass
            await backoff.sleep()
            pod, record = self._read()

    async def _send_until_done(self) -> None:
        backoff = client.Backoff()
        while True:
            pod, record = self._read()
            status = statuses.build_status(pod, record, time.time())
            text = json.dumps(_without_times(status), sort_keys=True)
            if text == self._sent or record.is_gone:
                return
            # The uid makes the API server refuse a report on a namesake.
            body = {"metadata": {"uid": record.uid}, "status": status}
            try:
                await self._api.patch(f"{_path(pod)}/status", body)
                self._sent = text
                return
            except client.Refused as error:
                if error.status == 404:
                    return
                # 409: a conflict, or the name is somebody else's by now; the watch tells which.
                log.warning("Pod status was refused", pod=record.name, error=error.message)
            except client.Unreachable:
                pass
            await backoff.sleep()


def _path(pod: Pod) -> str:
    metadata = pod["metadata"]
    return f"/api/v1/namespaces/{metadata['namespace']}/pods/{metadata['name']}"


def _without_times(status: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out when conditions changed: that moves with every look, and is no news."""
    conditions = [
        {key: value for key, value in condition.items() if key != "lastTransitionTime"}
        for condition in status["conditions"]
    ]
    return {**status, "conditions": conditions}
