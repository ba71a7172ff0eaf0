"""How long does a whole run take beside a model that answers at once? The example's store credit, apply to Succeeded.

Four model calls and three tool calls over HTTP, of tiers 0, 1 and 2: what is left is the platform's own time.
"""

import statistics

from hack.bench import samples, stage
from hack.bench.benches import first_event
from hack.bench.place import Place
from hack.bench.result import Figure, Result


def run(place: Place) -> Result:
    """Look at the runs of the first-event bench to their end."""
    sizes = place.choose(first_event.FULL, first_event.SMOKE)
    measured = first_event.runs(place, sizes)
    looks = {
        "apply → exec.finished stored": [[each.finished for each in runs] for runs in measured],
        "apply → status shows Succeeded": [[each.shown for each in runs] for runs in measured],
        "first own event → exec.finished": [
            [each.finished - each.first_event for each in runs] for runs in measured
        ],
    }
    figures = [
        Figure(
            subject=first_event.SUBJECT,
            measure=measure,
            unit="ms",
            values=samples.quantiles(values),
            samples=sizes.runs,
            repetitions=sizes.repetitions,
        )
        for measure, values in looks.items()
    ]
    for part in stage.SERVERS:
        means = [statistics.fmean(each.cpu[part] for each in runs) for runs in measured]
        figures.append(
            Figure(
                subject=part,
                measure="CPU for one run, mean",
                unit="ms",
                values={"value": samples.spread(means)},
                samples=sizes.runs,
                repetitions=sizes.repetitions,
            )
        )
    events = sorted({each.events for runs in measured for each in runs})
    return Result(
        figures=figures,
        sizes={"runs": sizes.runs, "repetitions": sizes.repetitions, "events_of_a_run": events},
        notes=[f"one run at a time; {first_event.MODEL}; every event fsynced"],
    )
