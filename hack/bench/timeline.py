"""When did what happen in one run? Moments of one clock, the machine's own: broker, API server and bench share it.

    apply ─► accepted ─► exec.started ─► exec.attempt ─► Pod created ─► bound ─► process ─► connected ─► model.called
                                                                                                  ─► … exec.finished
                                                                                                  ─► status shows it
Events carry the broker's own timestamp; the rest is when it was first seen from outside.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec

from hack.bench.watcher import Seen
from keelstep.events.frame import Stored

MILLISECOND = 1_000_000
STEPS = (
    "kubectl apply to the Execution in the API server",
    "… to exec.started",
    "… to exec.attempt",
    "… to the Pod created",
    "… to the Pod bound to the node",
    "… to the runner's process started",
    "… to the runner connected",
    "… to the first own event (model.called)",
)
"""The parts of the way to the first event, in order; what was seen later than what follows it counts as 0."""


class _Head(msgspec.Struct, frozen=True):
    type: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """One run's moments, milliseconds after `kubectl apply` was begun."""

    applied: float
    """kubectl has returned."""
    accepted: float
    started: float
    attempt: float
    pod_created: float
    pod_bound: float
    process: float
    """The node has started the runner's process."""
    connected: float
    first_event: float
    """The first event of runner or gateway after `exec.attempt`."""
    finished: float
    """`exec.finished` is stored: the run is over."""
    shown: float
    """The Execution's status shows it."""
    events: int
    cpu: Mapping[str, float]
    """Milliseconds that each server used from apply to the end of the Pod; in steps of the kernel's 10 ms."""

    @classmethod
    def build(
        cls,
        applied_at: int,
        returned_at: int,
        process_at: int,
        seen: Seen,
        log: Sequence[Stored],
        cpu: Mapping[str, float],
    ) -> "Timeline":
        """From what was seen and the run's log."""
        named = [(msgspec.json.decode(each.payload, type=_Head).type, each) for each in log]
        at = {name: each.stored_at for name, each in reversed(named)}
        own = [
            each.stored_at
            for _, each in named
            if each.writer != "op" and each.stored_at >= at["exec.attempt"]
        ]

        def after(moment: int) -> float:
            return (moment - applied_at) / MILLISECOND

        return cls(
            applied=after(returned_at),
            accepted=after(seen.accepted_at),
            started=after(at["exec.started"]),
            attempt=after(at["exec.attempt"]),
            pod_created=after(seen.pod_created_at),
            pod_bound=after(seen.pod_bound_at),
            process=after(process_at),
            connected=after(seen.connected_at),
            first_event=after(own[0]),
            finished=after(at["exec.finished"]),
            shown=after(seen.over_at),
            events=len(log),
            cpu=cpu,
        )

    def steps(self) -> Mapping[str, float]:
        """How long each part of the way to the first event took."""
        moments = (
            self.accepted,
            self.started,
            self.attempt,
            self.pod_created,
            self.pod_bound,
            self.process,
            self.connected,
            self.first_event,
        )
        took: dict[str, float] = {}
        before = 0.0
        for name, moment in zip(STEPS, moments, strict=True):
            took[name] = max(0.0, moment - before)
            before = max(before, moment)
        return took
