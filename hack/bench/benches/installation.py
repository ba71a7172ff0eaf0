"""How long from `helm install` to the first Succeeded run on a cluster that has the images? And what does it use, idle?

On a containerd node (root), a cluster of its own for each installation, with every program as a Pod of its own image, the
embedded broker and Postgres among them. As README's second path: three charts, the example's first run. Then it is left
alone with one question to a person open, and what the kubelet counts of each program is taken at both ends of that time.
"""

import dataclasses
import itertools
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from hack import release
from hack.bench import samples
from hack.bench.place import Place
from hack.bench.result import Figure, Result
from hack.cluster import progress, settings
from hack.cluster.containerd import requirements
from hack.release import Scene, Use
from keelstep.events import clock

PROGRAMS = ("operator", "gateway", "projector", "views", "nats", "postgres")
DONE = ("Succeeded", "Failed", "Cancelled", "Killed")
SETTLE_SECONDS = 30.0
"""After what was begun is over: what programs do once, they have done."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """How often it is installed, and how long it is then left alone."""

    installations: int
    idle_seconds: float


FULL = Sizes(installations=3, idle_seconds=120.0)
SMOKE = Sizes(installations=1, idle_seconds=20.0)


@dataclass(slots=True)
class _Seen:
    """What was seen, a number for each installation."""

    took: list[float] = field(default_factory=list)
    pods: dict[str, int] = field(default_factory=dict)
    resident: dict[str, list[float]] = field(default_factory=dict)
    working_set: dict[str, list[float]] = field(default_factory=dict)
    cpu: dict[str, list[float]] = field(default_factory=dict)


def run(place: Place) -> Result:
    """Install it, wait for the first run, leave it alone."""
    sizes = place.choose(FULL, SMOKE)
    configured = dataclasses.replace(settings.read(), state=place.folder / "installation")
    requirements.check(configured)
    place.step.update("building images")
    archives = release.images(settings.REPOSITORY, place.folder / "images", release.NOW, progress.quiet())
    seen = _Seen()
    for number in range(sizes.installations):
        place.step.update(f"installation {number + 1} of {sizes.installations}")
        folder = place.folder / f"release-{number}"
        with release.staged(configured, folder, archives, progress.quiet()) as scene:
            place.calm.wait()
            seen.took.append(_install(scene))
            _idle(scene, sizes, seen)
    return Result(
        figures=list(_figures(sizes, seen)),
        sizes=dataclasses.asdict(sizes),
        notes=[
            "images are on the node; the cluster is new, each time; CPU: of one core, over the time it is left alone",
            "memory as the kubelet counts it: resident, and the working set, which has the files that a program maps too",
        ],
    )


def _install(scene: Scene) -> float:
    """Seconds from the first `helm install` to the first run's end, as README has it typed."""
    begun = time.monotonic()
    scene.helm.run(
        "install", "keelstep-crds", str(scene.chart("keelstep-crds", release.NOW)), "-n", release.SYSTEM
    )
    scene.install_example(release.NOW)
    scene.install(release.NOW)
    phase = scene.until_phase("small-claim", *DONE)["phase"]
    took = time.monotonic() - begun
    assert phase == "Succeeded", phase
    scene.until_gate("refund-approved")
    scene.until_available()
    return took


def _idle(scene: Scene, sizes: Sizes, seen: _Seen) -> None:
    time.sleep(SETTLE_SECONDS)
    before = scene.until("the kubelet to count every program", lambda: _whole(scene.uses()))
    time.sleep(sizes.idle_seconds)
    after = scene.uses()
    for program, pods in _by_program(after).items():
        seen.pods[program] = len(pods)
        resident = sum(after[pod].resident_bytes for pod in pods)
        working_set = sum(after[pod].working_set_bytes for pod in pods)
        cpu = sum(_share(before[pod], after[pod]) for pod in pods)
        for kept, value in (
            (seen.resident, resident / 2**20),
            (seen.working_set, working_set / 2**20),
            (seen.cpu, cpu * 100),
        ):
            kept.setdefault(program, []).append(value)


def _whole(found: Mapping[str, Use]) -> Mapping[str, Use] | None:
    return found if _by_program(found).keys() == set(PROGRAMS) else None


def _by_program(found: Mapping[str, Use]) -> dict[str, list[str]]:
    """Each program's Pods; the bootstrap's and tests' are none."""
    names = ((program, pod) for program, pod in itertools.product(PROGRAMS, sorted(found)))
    pods: dict[str, list[str]] = {}
    for program, pod in names:
        if pod.startswith(f"keelstep-{program}-"):
            pods.setdefault(program, []).append(pod)
    return pods


def _share(before: Use, after: Use) -> float:
    """Cores, on average."""
    return (after.cpu_ns - before.cpu_ns) / max(after.at - before.at, clock.SECOND)


def _figures(sizes: Sizes, seen: _Seen) -> Iterator[Figure]:
    yield _figure("keelstep", "helm install → first run Succeeded", "s", seen.took, sizes, target=60.0)
    for measure, unit, kept in (
        ("resident memory, idle", "MiB", seen.resident),
        ("working set, idle", "MiB", seen.working_set),
        ("CPU, idle", "% of a core", seen.cpu),
    ):
        for program, values in kept.items():
            yield _figure(f"{program} ({_counted(seen.pods[program])})", measure, unit, values, sizes)
        whole = [sum(each) for each in zip(*kept.values(), strict=True)]
        yield _figure("all of it", measure, unit, whole, sizes)


def _counted(pods: int) -> str:
    return "1 Pod" if pods == 1 else f"{pods} Pods"


def _figure(
    subject: str, measure: str, unit: str, values: Sequence[float], sizes: Sizes, target: float = 0.0
) -> Figure:
    return Figure(
        subject=subject,
        measure=measure,
        unit=unit,
        values={"value": samples.spread(values)},
        samples=1,
        repetitions=sizes.installations,
        target={"value": target} if target else {},
    )
