"""How soon is a call taken over whose gateway died while the tool worked? Two gateways; kill -9 of the one that has it.

The tool has booked and holds its answer, so the claim is open and only its owner could end it. From the kill until
`tool.retried` is stored, by the other gateway; until its result is; and until the runner's next event, which shows that
the run goes on. The broker's timestamps, beside this machine's clock at the kill.
"""

import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass

from hack.bench import samples, stage
from hack.bench.place import Place
from hack.bench.result import Figure, Result
from hack.bench.stage import Stage
from hack.local import world
from keelstep.events import envelope
from keelstep.events.frame import Stored

GATEWAYS = ("gateway", "gateway-2")
RETRIED, RESULT, NEXT = (
    "kill → tool.retried stored",
    "kill → tool.result stored",
    "kill → the run's next event",
)
TARGET_MS = 6_000.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """How often a gateway is killed."""

    trials: int
    repetitions: int


FULL = Sizes(trials=20, repetitions=1)
SMOKE = Sizes(trials=1, repetitions=1)


def run(place: Place) -> Result:
    """Kill gateways of the shared keelstep, each time the one that is calling."""
    sizes = place.choose(FULL, SMOKE)
    there = place.stage()
    there.warm_up()
    measured: list[dict[str, list[float]]] = []
    try:
        for repetition in range(sizes.repetitions):
            place.calm.wait()
            found: dict[str, list[float]] = {RETRIED: [], RESULT: [], NEXT: []}
            for trial in range(sizes.trials):
                place.step.update(f"kill {trial + 1} of {sizes.trials}")
                for measure, took in _trial(there, f"taken-over-{repetition}-{trial}").items():
                    found[measure].append(took)
            measured.append(found)
    finally:
        there.platform.stop(GATEWAYS[1])
        there.platform.start_gateway()
    return Result(
        figures=[
            Figure(
                subject="keelstep",
                measure=measure,
                unit="ms",
                values=samples.quantiles([found[measure] for found in measured]),
                samples=sizes.trials,
                repetitions=sizes.repetitions,
                target={"p99": TARGET_MS} if measure == RETRIED else {},
            )
            for measure in (RETRIED, RESULT, NEXT)
        ],
        sizes={"trials": sizes.trials, "repetitions": sizes.repetitions, "gateways": len(GATEWAYS)},
        notes=[
            "the killed gateway's connection is closed by its machine at once; where that machine is gone, too, add 1.5 s"
        ],
    )


def _trial(there: Stage, name: str) -> dict[str, float]:
    """One run whose second call loses its gateway; milliseconds from the kill."""
    for each in GATEWAYS:
        there.platform.start_gateway(each)
    there.platform.shop("POST", "/faults", {"path": "/credits", "mode": "hold"})
    there.tenant.apply(there.tenant.person(world.REQUESTER), [there.manifest("small-claim", name)])
    there.until("the credit to be held", lambda: there.platform.shop("GET", "/faults/state")["waiting"])
    killed_at = _kill_owner(there, name)
    seen = there.watcher.run(name)
    there.until(f"{name} to be over", lambda: seen.is_over)
    there.platform.shop("DELETE", "/faults")
    assert seen.phase == "Succeeded", f"{name} ended {seen.phase}"
    log = there.watcher.read(stage.TENANT, seen.xid)
    after = [stored for stored in log if stored.stored_at > killed_at]
    return {
        RETRIED: _first(after, killed_at, "tool.retried"),
        RESULT: _first(after, killed_at, "tool.result"),
        NEXT: _first(after, killed_at, "model.called"),
    }


def _kill_owner(there: Stage, name: str) -> int:
    """Kill the gateway whose claim is open; when, in nanoseconds since 1970."""
    log = there.watcher.read(stage.TENANT, there.watcher.run(name).xid)
    claim = envelope.decode(log[-1].payload)
    assert isinstance(claim, envelope.Event)
    assert claim.type == "tool.called", claim.type
    owner = claim.envelope.actor.removeprefix("gateway/")
    for each in GATEWAYS:
        identity = there.platform.find(each)
        assert identity is not None
        if f'"owner": "{owner}"' in (there.platform.folder / "logs" / f"{each}.log").read_text():
            killed_at = time.time_ns()
            identity.signal(signal.SIGKILL)
            return killed_at
    raise AssertionError(f"no gateway is {owner}")


def _first(log: Sequence[Stored], since: int, type_name: str) -> float:
    """When the first event of this type was stored, in milliseconds after a moment."""
    for stored in log:
        event = envelope.decode(stored.payload)
        if isinstance(event, envelope.Event) and event.type == type_name:
            return (stored.stored_at - since) / 1_000_000
    raise AssertionError(f"there is no {type_name}")
