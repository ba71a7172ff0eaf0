"""How fast does a log become a state? Pure: no broker, no disk; the messages lie in memory.

The log is one run whose plans call a builtin function: an event per call, written by the runner. That is the longest
kind of log there is; 51,200 events is where other engines end a run.
"""

import time
from dataclasses import dataclass

from hack.bench import samples
from hack.bench.place import Place
from hack.bench.result import Figure, Result
from keelstep.domain import execution
from keelstep.testing import builders
from keelstep.testing.builders import LogBuilder

CALLS_IN_A_PLAN = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """How much is folded, how often."""

    events: tuple[int, ...]
    repetitions: int


FULL = Sizes(events=(10_000, 51_200), repetitions=7)
SMOKE = Sizes(events=(200,), repetitions=2)


def run(place: Place) -> Result:
    """Fold logs of each length."""
    sizes = place.choose(FULL, SMOKE)
    figures: list[Figure] = []
    for events in sizes.events:
        place.step.update(f"building a log of {events:,} events")
        told = story(events)
        rates: list[float] = []
        took: list[float] = []
        for repetition in range(sizes.repetitions):
            place.step.update(f"{events:,} events, repetition {repetition + 1} of {sizes.repetitions}")
            place.calm.wait()
            began = time.perf_counter()
            state = execution.resume(execution.begin(told.xid, told.tenant), told.messages, told.vouch)
            seconds = time.perf_counter() - began
            assert state == told.state, "the fold differs from the state it was built with"
            assert (state.seq, state.voids) == (events, 0)
            del state  # else the next repetition's time is also that of letting go of this one
            took.append(seconds * 1_000)
            rates.append(events / seconds)
        figures += _figures(events, rates, took)
    return Result(
        figures=figures,
        sizes={
            "events": list(sizes.events),
            "calls_in_a_plan": CALLS_IN_A_PLAN,
            "repetitions": sizes.repetitions,
        },
        notes=[
            "decode, hash, validity and evolve of every event; 2 of 43 are the gateway's, whose signatures are verified"
        ],
    )


def _figures(events: int, rates: list[float], took: list[float]) -> list[Figure]:
    measure = f"fold of {events:,} events"
    return [
        Figure(
            subject="keelstep",
            measure=f"{measure}, rate",
            unit="events/s",
            values={"value": samples.spread(rates)},
            samples=events,
            repetitions=len(rates),
            target={"at least": 150_000.0},
        ),
        Figure(
            subject="keelstep",
            measure=f"{measure}, time",
            unit="ms",
            values={"value": samples.spread(took)},
            samples=events,
            repetitions=len(took),
        ),
    ]


def story(events: int) -> LogBuilder:
    """A log of exactly so many valid events, nearly all of them results of a builtin."""
    told = builders.log("bench").started().attempt()
    planned = done = 0
    while len(told.events) < events:
        left = events - len(told.events)
        if done == planned and left >= 3:
            told.model().plan(*["math.add"] * CALLS_IN_A_PLAN)
            planned, done = CALLS_IN_A_PLAN, 0
        elif done < planned:
            told.builtin(done)
            done += 1
        else:
            told.model_called()  # no room for another turn: its call stays open
            planned = done = 0
            if len(told.events) < events:
                told.model_replied()
    return told
