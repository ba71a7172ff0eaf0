"""Which benches are there, in which order do they run, and which question does each answer?"""

from collections.abc import Callable
from dataclasses import dataclass

from hack.bench.benches import (
    append,
    contracts,
    first_event,
    fold,
    installation,
    kill,
    operator_load,
    pause,
    projector,
    real_pod,
    resume,
    rules,
    scale,
    steps,
    store_credit,
    take_over,
    throughput,
    tool_call,
)
from hack.bench.place import Place
from hack.bench.result import Result


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """One bench."""

    name: str
    """Also its file's name under `build/bench/`."""
    question: str
    run: Callable[[Place], Result]
    has_peers: bool = False
    """Others run beside it, where `--peers` asks for them."""
    is_on_request: bool = False
    """It needs root and packages that few machines have: run only where it is named."""


BENCHES = (
    Bench(name="fold", question="how fast does a log become a state?", run=fold.run),
    Bench(name="rules", question="what do rules and schemas cost a call?", run=rules.run),
    Bench(name="append", question="what does one durable event cost its writer?", run=append.run),
    Bench(name="steps", question="what does a durable step cost, end to end?", run=steps.run, has_peers=True),
    Bench(name="tool-call", question="what does governance add to a tool call?", run=tool_call.run),
    Bench(name="pause", question="how soon is a tool left alone that wants fewer calls?", run=pause.run),
    Bench(name="resume", question="how soon does a run of 10,000 events go on?", run=resume.run),
    Bench(name="projector", question="how fast do the views follow the log?", run=projector.run),
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
    Bench(name="take-over", question="how soon is a dead gateway's call taken over?", run=take_over.run),
    Bench(
        name="operator-load", question="what does the operator cost with many runs?", run=operator_load.run
    ),
    Bench(name="kill", question="how soon does a kill stop 200 runs in a tight loop?", run=kill.run),
    Bench(name="contracts", question="what do 10,000 contracts in 100 tenants cost?", run=contracts.run),
    Bench(name="throughput", question="how many runs a second are carried?", run=throughput.run),
    Bench(name="scale", question="what does the operator cost where much has gathered?", run=scale.run),
    Bench(
        name="real-pod",
        question="how long from kubectl apply to a run's first own event in a real Pod?",
        run=real_pod.run,
        is_on_request=True,
    ),
    Bench(
        name="installation",
        question="how soon does a new installation end a run, and what does it use, idle?",
        run=installation.run,
        is_on_request=True,
    ),
)
