"""Where do whole runs happen? On a keelstep of the bench's own: real API server, node, broker, operator, gateway, model.

The scripted model answers at once where its script names no delay, so what is measured is the platform. Everything
lies in one folder and is ended with the block.
"""

import copy
import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from hack.bench import watcher
from hack.bench.timeline import Timeline
from hack.bench.watcher import Watcher
from hack.cluster import build, controlplane, nodes, progress, settings
from hack.local.platform import Platform
from hack.local.world import REQUESTER, Tenant
from keelstep.events import clock
from keelstep.events.frame import Stored
from keelstep.log import subjects, tail

TENANT = "bench"
SCRIPT = Path(__file__).parent / "script.yaml"
"""What the model says in the benches' own runs, beside the example's."""
SERVERS = ("operator", "gateway", "nats-server", "kube-apiserver")
"""Whose CPU a run uses, beside its own runner's."""
RUN_SECONDS = 120.0
POLL_SECONDS = 0.01


@dataclass(slots=True, kw_only=True)
class Stage:
    """A running keelstep with the refund example in one namespace."""

    platform: Platform
    tenant: Tenant
    watcher: Watcher
    _timelines: list[Timeline] = field(default_factory=list)
    _number: int = 0
    _is_warm: bool = False

    def manifest(self, example: str, name: str) -> Any:
        """One of the example's executions under another name."""
        found = next(
            each for each in self.tenant.manifests("executions.yaml") if each["metadata"]["name"] == example
        )
        renamed = copy.deepcopy(found)
        renamed["metadata"]["name"] = name
        return renamed

    def timelines(self, runs: int, told: Callable[[int], None]) -> list[Timeline]:
        """Runs of `small-claim`, one after the other; those measured before count."""
        while len(self._timelines) < runs:
            self._number += 1
            self._timelines.append(self._run_once(f"small-claim-{self._number}"))
            told(len(self._timelines))
        return self._timelines[:runs]

    def warm_up(self) -> None:
        """One run that counts for nothing: the gateway loads its model client at the first call."""
        if not self._is_warm:
            self._run_once("warm-up")
            self._is_warm = True

    def process(self, part: str) -> psutil.Process:
        """The process of a part of keelstep or of the control plane."""
        found = self.platform.find(part) or self.platform.plane.records.find(part)
        assert found is not None, f"{part} does not run"
        return psutil.Process(found.pid)

    def events(self) -> int:
        """The spine's last sequence: what was ever appended, to whatever run."""
        return self.watcher.ask(tail.place(self.watcher.broker, subjects.stream(0), 10.0)).last

    def pattern(self) -> Sequence[Stored]:
        """The log of a real, finished run."""
        return self.watcher.read(TENANT, self.watcher.run("warm-up").xid)

    def _run_once(self, name: str) -> Timeline:
        """Apply one run with kubectl, wait until it and its Pod are over."""
        wanted = self.manifest("small-claim", name)
        requester = self.tenant.person(REQUESTER)
        spent = {part: cpu_seconds(self.process(part)) for part in SERVERS}
        applied_at = time.time_ns()
        requester.apply(wanted)
        returned_at = time.time_ns()
        seen = self.watcher.run(name)
        self.until(f"{name} to be over", lambda: seen.is_over)
        assert seen.phase == "Succeeded", f"{name} ended {seen.phase}: {self.tenant.status(name)}"
        used = {part: (cpu_seconds(self.process(part)) - spent[part]) * 1_000 for part in SERVERS}
        process_at = self._process_started(f"{name}-a1")
        log = self.watcher.read(TENANT, seen.xid)
        return Timeline.build(applied_at, returned_at, process_at, seen, log, used)

    def _process_started(self, pod: str) -> int:
        """When the node started a Pod's process, by the node's own log; nanoseconds since 1970."""
        log = self.platform.plane.plan.folder / "logs" / f"{nodes.AGENT}.log"
        for line in reversed(log.read_text().splitlines()):
            if '"Container was started"' in line and f'"{pod}"' in line:
                return clock.parse(json.loads(line)["timestamp"])
        raise AssertionError(f"{log} does not say when {pod} was started")

    def until(self, what: str, holds: Callable[[], Any], seconds: float = RUN_SECONDS) -> None:
        """Wait for a condition.

        Raises:
            AssertionError: it did not hold in time.
        """
        deadline = time.monotonic() + seconds
        while not holds():
            if time.monotonic() > deadline:
                raise AssertionError(f"waited {seconds:.0f} s for {what}")
            time.sleep(POLL_SECONDS)


def cpu_seconds(process: psutil.Process) -> float:
    """What a process has used so far."""
    times = process.cpu_times()
    return float(times.user + times.system)


@contextmanager
def running(folder: Path) -> Iterator[Stage]:
    """A keelstep with the example's agents, ready for runs. Its etcd syncs to disk, unlike that of the tests."""
    programs = build.ensure(settings.read(), shown=progress.Progress())
    plane = controlplane.start(folder / "cluster", programs, is_durable=True)
    try:
        nodes.start(plane)
        with _keelstep(
            Platform(folder=folder / "keelstep", plane=plane, kubectl_binary=programs["kubectl"])
        ) as ready:
            yield ready
    finally:
        nodes.stop(plane)
        plane.stop()


@contextmanager
def _keelstep(platform: Platform) -> Iterator[Stage]:
    try:
        platform.start_broker()
        platform.start_example(SCRIPT)
        platform.define()
        platform.start_operator()
        platform.start_gateway()
        tenant = Tenant(platform=platform, name=TENANT)
        tenant.furnish()
        with watcher.watching(platform, TENANT) as watched:
            yield Stage(platform=platform, tenant=tenant, watcher=watched)
    finally:
        platform.stop_all()
