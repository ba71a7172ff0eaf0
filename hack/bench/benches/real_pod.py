"""How long from `kubectl apply` to a run's first own event where the runner is a real Pod? And where does it go?

On a containerd node (root): the real scheduler, kubelet, containerd, Pod network and the runner's own image. Operator,
gateway and broker are processes beside it, as in `first-event`, so that the two differ by the node alone.
"""

import contextlib
import dataclasses
import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from hack.bench import samples, watcher
from hack.bench.place import Place
from hack.bench.result import Figure, Result
from hack.bench.stage import Stage
from hack.bench.timeline import MILLISECOND
from hack.bench.watcher import Seen
from hack.cluster import controlplane, lifecycle, progress, settings
from hack.cluster.containerd import images, requirements
from hack.images import base, catalogue
from hack.images import build as building
from hack.images.buildah import Buildah
from hack.local.platform import Platform
from hack.local.world import REQUESTER, Tenant
from keelstep.events import clock

CLUSTER = "bench"
TENANT = "bench"
STEPS = (
    "kubectl apply to the Execution in the API server",
    "… to the Pod created (operator: pins, identity, Secret)",
    "… to the Pod bound to the node (scheduler)",
    "… to its sandbox begun (kubelet: volumes)",
    "… to its sandbox ready (namespaces, network)",
    "… to its process started (container)",
    "… to the runner connected (interpreter, imports, broker)",
    "… to the first own event (log, revisions, prompt, gateway)",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """How many runs."""

    runs: int
    repetitions: int


FULL = Sizes(runs=10, repetitions=3)
SMOKE = Sizes(runs=1, repetitions=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lives:
    """What containerd did for one Pod; nanoseconds since 1970."""

    begun_at: int
    sandbox_at: int
    started_at: int


def run(place: Place) -> Result:
    """Apply runs and take their time apart."""
    sizes = place.choose(FULL, SMOKE)
    measured: list[list[list[float]]] = []
    with _running(place) as (stage, log):
        _once(stage, log, "warm-up")
        for repetition in range(sizes.repetitions):
            place.calm.wait()
            measured.append([])
            for number in range(sizes.runs):
                place.step.update(
                    f"run {repetition * sizes.runs + number + 1} of {sizes.runs * sizes.repetitions}"
                )
                measured[-1].append(_once(stage, log, f"small-claim-{repetition}-{number}"))
    figures = [
        _figure("apply → first own event", [[one[-1] for one in each] for each in measured], sizes, 2_000.0)
    ]
    for index, name in enumerate(STEPS):
        parts = [[one[index] - (one[index - 1] if index else 0.0) for one in each] for each in measured]
        figures.append(_figure(name, parts, sizes))
    return Result(
        figures=figures,
        sizes={"runs": sizes.runs, "repetitions": sizes.repetitions},
        notes=[
            "one run at a time; the model answers at once; the runner's image is on the node already",
            "percentiles of parts do not add up to the whole's",
        ],
    )


def _once(stage: Stage, log: Path, name: str) -> list[float]:
    """One run; milliseconds after `kubectl apply` was begun, in the order of STEPS, never falling."""
    applied_at = time.time_ns()
    stage.tenant.person(REQUESTER).apply(stage.manifest("small-claim", name))
    seen = stage.watcher.run(name)
    stage.until(f"{name} to be over", lambda: seen.is_over)
    stored = stage.watcher.read(TENANT, seen.xid)
    own = min(each.stored_at for each in stored if each.writer != "op")
    return list(_rising(applied_at, seen, lives(log, f"{name}-a1"), own))


def _rising(applied_at: int, seen: Seen, pod: Lives, own: int) -> Iterator[float]:
    """What was seen later than what follows it counts as no time at all."""
    moments = (
        seen.accepted_at,
        seen.pod_created_at,
        seen.pod_bound_at,
        pod.begun_at,
        pod.sandbox_at,
        pod.started_at,
        seen.connected_at,
        own,
    )
    latest = applied_at
    for index, moment in enumerate(moments):
        following = moments[index:]
        latest = max(latest, min(moment, *following))
        yield (latest - applied_at) / MILLISECOND


def lives(log: Path, pod: str) -> Lives:
    """What containerd's log says of a Pod with one container.

    Raises:
        AssertionError: it says too little.
    """
    asked = re.compile(rf'msg="RunPodSandbox for &PodSandboxMetadata{{Name:{pod},[^}}]*}}(.*)"$')
    found: dict[str, int] = {}
    sandbox = container = "?"
    for line in log.read_text(errors="replace").splitlines():
        if (about := asked.search(line)) is not None:
            found["sandbox" if "returns" in about[1] else "begun"] = _at(line)
            sandbox = _quoted(about[1]) or sandbox
        elif f'within sandbox \\"{sandbox}\\"' in line and "returns container id" in line:
            container = _quoted(line.rpartition("returns")[2])
        elif f'StartContainer for \\"{container}\\" returns' in line:
            found["started"] = _at(line)
    lacking = {"begun", "sandbox", "started"} - found.keys()
    assert not lacking, f"{log} does not say when {pod} was {', '.join(sorted(lacking))}"
    return Lives(begun_at=found["begun"], sandbox_at=found["sandbox"], started_at=found["started"])


def _at(line: str) -> int:
    return clock.parse(line.partition('time="')[2].partition('"')[0])


def _quoted(text: str) -> str:
    return text.partition('\\"')[2].partition('\\"')[0]


def _figure(
    measure: str, repetitions: Sequence[Sequence[float]], sizes: Sizes, target: float = 0.0
) -> Figure:
    return Figure(
        subject="keelstep on containerd",
        measure=measure,
        unit="ms",
        values=samples.quantiles(repetitions),
        samples=sizes.runs,
        repetitions=sizes.repetitions,
        target={"p50": target} if target else {},
    )


@contextlib.contextmanager
def _running(place: Place) -> Iterator[tuple[Stage, Path]]:
    """A keelstep whose runners are Pods of the containerd node, and containerd's log."""
    configured = dataclasses.replace(settings.read(), state=place.folder / "containerd")
    requirements.check(configured)
    image = _image(configured, place)
    shown = progress.quiet()
    up = lifecycle.up(configured, CLUSTER, "containerd", shown)
    try:
        archive = place.folder / "runner.tar"
        Buildah.find(configured).push(image, archive)
        images.load(up.folder, archive)
        plane = controlplane.find(up.folder)
        assert plane is not None, "it has just come up"
        platform = Platform(folder=place.folder / "real-pod", plane=plane, kubectl_binary=up.kubectl)
        with _keelstep(platform, image) as stage:
            yield stage, up.folder / "logs" / "containerd.log"
    finally:
        lifecycle.down(configured, CLUSTER, shown)


def _image(configured: settings.Settings, place: Place) -> str:
    """The runner's image, of the sources as they are."""
    tool = Buildah.find(configured)
    target = catalogue.find("runner")
    assert target is not None
    place.step.update("building the runner's image")
    (built,) = building.run(tool, [target], base.choose(tool, "auto", place.shown), "bench", progress.quiet())
    return built.image


@contextlib.contextmanager
def _keelstep(platform: Platform, image: str) -> Iterator[Stage]:
    try:
        platform.start_broker()
        platform.start_example()
        platform.define()
        platform.start_operator(KEELSTEP_RUNNER_IMAGE=image, KEELSTEP_RUNNER_PULL_POLICY="Never")
        platform.start_gateway()
        tenant = Tenant(platform=platform, name=TENANT)
        tenant.furnish()
        with watcher.watching(platform, TENANT) as watched:
            yield Stage(platform=platform, tenant=tenant, watcher=watched)
    finally:
        platform.stop_all()
