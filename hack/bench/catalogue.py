"""Which benches are there, in which order do they run, and which question does each answer?"""

from collections.abc import Callable
from dataclasses import dataclass

from hack.bench.benches import append, first_event, fold, operator_load, store_credit
from hack.bench.place import Place
from hack.bench.result import Result


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """One bench."""

    name: str
    """Also its file's name under `build/bench/`."""
    question: str
    run: Callable[[Place], Result]


BENCHES = (
    Bench(name="fold", question="how fast does a log become a state?", run=fold.run),
    Bench(name="append", question="what does one durable event cost its writer?", run=append.run),
    Bench(
        name="first-event",
        question="how long from kubectl apply to a run's first own event?",
        run=first_event.run,
    ),
    Bench(
        name="store-credit",
        question="how long does a whole run take beside an instant model?",
        run=store_credit.run,
    ),
    Bench(
        name="operator-load", question="what does the operator cost with many runs?", run=operator_load.run
    ),
)
