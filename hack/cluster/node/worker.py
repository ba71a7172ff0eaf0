"""Who carries out the decisions for one Pod? One worker per Pod: decide, act, record, ask again.

    see(pod) ─► wake ─► decide ─► act ─► store the record ─► report ─┐
                  ▲                                                  │
                  └── a process ended, a time came, the Pod changed ◄┘

Reporting runs beside it: an API server that is away never keeps a deadline or a kill from happening.
Must decide nothing itself.
"""

import asyncio
import dataclasses
import shutil
import signal
import time
from collections.abc import Callable, Mapping
from typing import Any, assert_never

import structlog

from hack.cluster.node import (
    client,
    configuration,
    containers,
    decisions,
    records,
    reports,
    shim,
    unsupported,
)

log = structlog.get_logger()

Pod = Mapping[str, Any]

RETRY_FIRST_SECONDS, RETRY_LIMIT_SECONDS = 0.05, 5.0
"""How soon a missing Secret is asked for again. Short at first: the node authorizer learns of a new
Pod some milliseconds after this node does, and refuses until then."""

LOG_TAIL_BYTES = 2048
"""How much of the log becomes the message, under FallbackToLogsOnError."""


class Worker:
    """One Pod on this node, from its binding to its removal."""

    def __init__(
        self,
        pod: Pod,
        place: records.Folder,
        api: client.Client,
        host: containers.Host,
        on_forgotten: Callable[[str], None],
    ) -> None:
        self.pod = pod
        self.place = place
        self.record = place.load() or _first_sight(pod)
        self._api = api
        self._host = host
        self._on_forgotten = on_forgotten
        self._wake = asyncio.Event()
        self._waits: set[asyncio.Task[None]] = set()
        self._retries = 0
        self._report = reports.Reporter(api, lambda: (self.pod, self.record))
        self._log = log.bind(pod=self.record.name, namespace=self.record.namespace, uid=self.record.uid)

    def see(self, pod: Pod) -> None:
        """Learn the Pod's newest version."""
        self.pod = pod
        self._wake.set()

    def lose(self) -> None:
        """Learn that the API server no longer has the Pod."""
        self._remember(is_gone=True)
        self._wake.set()

    async def run(self) -> None:
        """Carry out decisions until the Pod is forgotten."""
        for note in unsupported.notes(self.pod):
            self._log.info("Pod asks for what this node ignores", note=note)
        self._adopt()
        reporting = asyncio.create_task(self._report.run())
        try:
            while True:
                decision = decisions.decide(self.pod, self.record, time.time())
                if isinstance(decision, decisions.Forget):
                    break
                await self._act(decision)
        finally:
            reporting.cancel()
            for task in self._waits:
                task.cancel()
        await self._forget()

    async def _act(self, decision: decisions.Decision) -> None:
        match decision:
            case decisions.Start():
                await self._start(decision)
            case decisions.Fail(because=because):
                self._log.info("Pod failed", reason=because.reason, message=because.message)
                self._remember(verdict=because, waiting=None)
            case decisions.Terminate():
                self._signal(signal.SIGTERM)
                self._remember(asked_at=time.time())
            case decisions.Kill():
                self._signal(signal.SIGKILL)
                self._remember(killed_at=time.time())
            case decisions.Wait(until=until):
                self._report.request()
                await self._sleep(until)
            case decisions.Forget():
                raise AssertionError("run() forgets")
            case _:
                assert_never(decision)

    async def _start(self, decision: decisions.Start) -> None:
        spec = self.pod["spec"]
        every = [*spec.get("initContainers", ()), *spec["containers"]]
        container = next(c for c in every if c["name"] == decision.container)
        try:
            launch = await configuration.prepare(self._api, self.pod, container, self.place, self._host)
        except configuration.NotReady as error:
            delay = min(RETRY_FIRST_SECONDS * 2.0**self._retries, RETRY_LIMIT_SECONDS)
            self._retries = min(self._retries + 1, 16)
            because = records.Explanation(reason=error.reason, message=str(error))
            self._remember(waiting=because, retry_at=time.time() + delay)
            return
        self._retries = 0
        if self.pod["metadata"].get("deletionTimestamp") or self.record.is_gone:
            return  # It was deleted while its Secrets were read: decide again.
        self._launch(decision, launch)

    def _launch(self, decision: decisions.Start, launch: containers.Launch) -> None:
        """Start and record in one breath: an `await` between them would be a place to be cancelled."""
        run_folder = self.place.run(decision.container, decision.number)
        now = time.time()
        try:
            identity = shim.start(launch, run_folder)
        except shim.NotStartable as error:
            run = records.Run(
                number=decision.number,
                pid=0,
                created="",
                started_at=now,
                finished_at=now,
                exit_code=error.exit_code,
                reason="StartError",
                message=str(error),
            )
            self._log.info("Container could not be started", container=decision.container)
        else:
            run = records.Run(
                number=decision.number, pid=identity.pid, created=identity.created, started_at=now
            )
            self._log.info("Container was started", container=decision.container, pid=run.pid)
        self.record = self.record.with_run(decision.container, run)
        self._remember(waiting=None)
        if run.is_running:
            self._await_end(decision.container, run)

    def _adopt(self) -> None:
        """Go on with what an earlier agent started, and find what it could no longer record."""
        for container in self.pod["spec"].get("initContainers", []) + self.pod["spec"]["containers"]:
            name = container["name"]
            last = self.record.last(name)
            number = 0 if last is None else last.number + (0 if last.is_running else 1)
            found = shim.find(self.place.run(name, number))
            if found and not (last and last.is_running):
                run = records.Run(number=number, pid=found.pid, created=found.created, started_at=time.time())
                self.record = self.record.with_run(name, run)
        for name, run in list(self.record.running()):
            self._log.info("Container was adopted", container=name, pid=run.pid)
            self._await_end(name, run)
        self._remember()

    def _await_end(self, container: str, run: records.Run) -> None:
        task = asyncio.create_task(self._note_end(container, run))
        self._waits.add(task)
        task.add_done_callback(self._waits.discard)

    async def _note_end(self, container: str, run: records.Run) -> None:
        folder = self.place.run(container, run.number)
        end = await shim.wait(run.identity, folder)
        is_ours = self.record.killed_at is not None
        reason, message = "Completed" if end.exit_code == 0 else "Error", ""
        if end.exit_code is None and not is_ours:
            reason = "ContainerStatusUnknown"
            message = "the processes were gone and nobody saw how they ended"
        elif end.exit_code != 0:
            message = _log_tail(self.pod, container, folder)
        code = shim.KILLED if end.exit_code is None else end.exit_code
        ended = dataclasses.replace(run, finished_at=end.at, exit_code=code, reason=reason, message=message)
        self._log.info("Container ended", container=container, exit_code=code, reason=reason)
        self.record = self.record.with_run(container, ended)
        self._remember()
        self._wake.set()

    def _signal(self, number: signal.Signals) -> None:
        for name, run in self.record.running():
            self._log.info("Container was signalled", container=name, signal=number.name)
            run.identity.signal(number, is_group=True)

    def _remember(self, **changes: Any) -> None:
        self.record = dataclasses.replace(self.record, **changes)
        self.place.store(self.record)

    async def _sleep(self, until: float | None) -> None:
        delay = None if until is None else max(until - time.time(), 0)
        try:
            await asyncio.wait_for(self._wake.wait(), delay)
        except TimeoutError:
            return
        self._wake.clear()

    async def _forget(self) -> None:
        """Report how it ended, let the API server drop the Pod, and remove its folder."""
        if not self.record.is_gone:
            await self._report.finish()
        shutil.rmtree(self.place.root, ignore_errors=True)
        self._log.info("Pod was removed")
        self._on_forgotten(self.record.uid)


def _first_sight(pod: Pod) -> records.Record:
    """Begin the record of a Pod; one that ran already, unknown to us, has lost its processes."""
    metadata = pod["metadata"]
    record = records.Record(
        uid=metadata["uid"],
        namespace=metadata["namespace"],
        name=metadata["name"],
        started_at=time.time(),
    )
    for status in pod.get("status", {}).get("containerStatuses", ()):
        if "running" in status.get("state", {}):
            now = time.time()
            lost = records.Run(
                number=status["restartCount"],
                pid=0,
                created="",
                started_at=now,
                finished_at=now,
                exit_code=shim.KILLED,
                reason="ContainerStatusUnknown",
                message="this node has no record of the container",
            )
            record = record.with_run(status["name"], lost)
    return record


def _log_tail(pod: Pod, container: str, folder: Any) -> str:
    spec = pod["spec"]
    every = [*spec.get("initContainers", ()), *spec["containers"]]
    policy = next(c for c in every if c["name"] == container).get("terminationMessagePolicy")
    if policy != "FallbackToLogsOnError":
        return ""
    try:
        with (folder / "log").open("rb") as handle:
            handle.seek(0, 2)
            handle.seek(max(handle.tell() - LOG_TAIL_BYTES, 0))
            return str(handle.read().decode(errors="replace"))
    except FileNotFoundError:
        return ""
