"""How long from `kubectl apply` to a run's first own event? And where does that time go?

Own: written by runner or gateway, so the agent is at work. The clock starts before kubectl does and stops at the
broker's timestamp of that event. Runs come one after the other, on an otherwise idle keelstep.
"""

from dataclasses import dataclass

from hack.bench import samples, timeline
from hack.bench.place import Place
from hack.bench.result import Figure, Result
from hack.bench.timeline import Timeline


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """How many runs; shared with the bench of whole runs."""

    runs: int
    repetitions: int


FULL = Sizes(runs=30, repetitions=3)
SMOKE = Sizes(runs=1, repetitions=1)
SUBJECT = "keelstep"
MODEL = "the model answers at once"


def run(place: Place) -> Result:
    """Apply runs and take their time apart."""
    sizes = place.choose(FULL, SMOKE)
    measured = runs(place, sizes)
    firsts = [[each.first_event for each in repetition] for repetition in measured]
    figures = [_figure("apply → first own event", firsts, sizes, target={"p50": 1_500.0})]
    for name in timeline.STEPS:
        parts = [[each.steps()[name] for each in repetition] for repetition in measured]
        figures.append(_figure(name, parts, sizes))
    return Result(
        figures=figures,
        sizes={"runs": sizes.runs, "repetitions": sizes.repetitions},
        notes=[
            f"one run at a time; {MODEL}; a Pod is a local process on the node `process`",
            "percentiles of parts do not add up to the whole's",
        ],
    )


def runs(place: Place, sizes: Sizes) -> list[list[Timeline]]:
    """The timelines of every repetition; two benches look at the same runs."""
    stage = place.stage()
    wanted = sizes.runs * sizes.repetitions

    def told(done: int) -> None:
        place.step.update(f"run {done} of {wanted}")
        if done % sizes.runs == 0 and done < wanted:
            place.calm.wait()

    stage.warm_up()
    place.calm.wait()
    measured = stage.timelines(wanted, told)
    return [measured[at : at + sizes.runs] for at in range(0, wanted, sizes.runs)]


def _figure(
    measure: str, repetitions: list[list[float]], sizes: Sizes, target: dict[str, float] | None = None
) -> Figure:
    return Figure(
        subject=SUBJECT,
        measure=measure,
        unit="ms",
        values=samples.quantiles(repetitions),
        samples=sizes.runs,
        repetitions=sizes.repetitions,
        target=target or {},
    )
