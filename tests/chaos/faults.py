"""What goes wrong, and how is each made? At a boundary, before the program that reached it is answered.

    kill, freeze              the program itself; a freeze lasts longer than every claim, lease and approval in the matrix
    kill SERVER               nats-server, postgres, etcd, kube-apiserver: `kill -9`, started again at once
    cut-to, cut-from SERVER   the program's connection, one direction for some seconds, then what waited is lost
    late-to, late-from SERVER the same, and then it arrives
    disk                      nats-server's files may not grow for some seconds; then it is started again
    clock+1h, clock-1h        the program's clock, for some seconds
    crowd kill, crowd freeze  the same as above among two operators and three gateways

A fault ends by itself or is ended before the case is judged; nothing stays broken.
"""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from tests.chaos.links import DIRECTIONS, Direction
from tests.chaos.stage import SERVERS, Stage
from tests.chaos.switchboard import Visit

FREEZE_SECONDS = 20.0
"""A claim lives for 3 s and 5 s of grace, a lease of the operator's for at most 15 s."""
CUT_SECONDS = 6.0
"""Longer than a publish, a probe of an owner or a request to the API server waits."""
LATE_SECONDS = 3.0
DISK_SECONDS = 4.0
CLOCK_SECONDS = 8.0
HOUR = 3600


@dataclass(slots=True)
class Running:
    """A fault under way: what still has to end."""

    stage: Stage
    _timers: list[threading.Timer] = field(default_factory=list)

    def after(self, seconds: float, work: Callable[[], None]) -> None:
        """Have something end later."""
        timer = threading.Timer(seconds, work)
        timer.daemon = True
        self._timers.append(timer)
        timer.start()

    def settle(self) -> None:
        """Wait until everything ended by itself, and let go what did not."""
        for timer in self._timers:
            timer.join()
        self.stage.links.heal()
        self.stage.wake_all()


Effect = Callable[[Running, Visit], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One way to go wrong."""

    name: str
    effect: Effect
    hits: Callable[[str, str], bool]
    """Does it make sense at this point of this program?"""
    disturbs_calls: bool = False
    """What a tool did may be unknown afterwards whoever's point it is at."""
    ends_anyhow: bool = False
    """The run may end otherwise than it would have: its programs believed a wrong time."""
    is_crowd: bool = False
    is_own: bool = False
    """It befalls the very program at the boundary, so each visit is another case."""


def _kill(running: Running, visit: Visit) -> str:
    return "kill"


def _freeze(running: Running, visit: Visit) -> str:
    running.after(FREEZE_SECONDS, lambda: _go_on(visit.pid))
    return "stop"


def _go_on(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGCONT)
    except ProcessLookupError:
        return


def _kill_server(name: str) -> Effect:
    def effect(running: Running, visit: Visit) -> str:
        running.stage.kill(name)
        return "go"

    return effect


def _cut(server: str, direction: Direction, *, is_late: bool) -> Effect:
    def effect(running: Running, visit: Visit) -> str:
        name = f"gateway-{server}" if server in ("shop", "model") else f"{visit.name}-{server}"
        link = running.stage.links[name]
        link.is_late = is_late
        link.cut.add(direction)
        running.after(LATE_SECONDS if is_late else CUT_SECONDS, lambda: link.cut.discard(direction))
        return "go"

    return effect


def _fill_disk(running: Running, visit: Visit) -> str:
    """Once there is room again the server has to be started again, too: it remembers the error for ever."""
    running.stage.limit_file_size("nats-server", 0)
    running.after(DISK_SECONDS, lambda: running.stage.kill("nats-server"))
    return "go"


def _shift(seconds: int) -> Effect:
    def effect(running: Running, visit: Visit) -> str:
        return f"clock {seconds} {CLOCK_SECONDS}"

    return effect


_TALKS_TO = {
    "broker": ("runner", "gateway", "operator", "projector"),
    "kubernetes": ("operator", "gateway"),
    "shop": ("gateway",),
    "model": ("gateway",),
    "postgres": ("projector",),
}
_NEEDS = {
    "nats-server": ("runner", "gateway", "operator", "projector"),
    "postgres": ("projector",),
    "etcd": ("operator",),
    "kube-apiserver": ("operator", "gateway"),
}


def _anywhere(point: str, program: str) -> bool:
    return True


def _at(*programs: str) -> Callable[[str, str], bool]:
    return lambda point, program: program in programs


def _around_calls(server: str) -> Callable[[str, str], bool]:
    """A link to a tool or a model is cut where it is used."""
    used = {"shop": ("gateway.before.send", "gateway.after.send"), "model": ("gateway.before.model",)}
    if server in used:
        return lambda point, program: point in used[server]
    return _at(*_TALKS_TO[server])


def _all() -> Iterator[Fault]:
    yield Fault(name="kill", effect=_kill, hits=_anywhere, is_own=True)
    yield Fault(name="freeze", effect=_freeze, hits=_anywhere, is_own=True)
    for server in SERVERS:
        yield Fault(
            name=f"kill {server}",
            effect=_kill_server(server),
            hits=_at(*_NEEDS[server]),
            disturbs_calls=server == "nats-server",
        )
    for server in _TALKS_TO:
        for direction in DIRECTIONS:
            for is_late in (False, True):
                yield Fault(
                    name=f"{'late' if is_late else 'cut'}-{direction} {server}",
                    effect=_cut(server, direction, is_late=is_late),
                    hits=_around_calls(server),
                    disturbs_calls=server in ("broker", "shop"),
                )
    yield Fault(
        name="disk",
        effect=_fill_disk,
        hits=lambda point, program: ".before." in point and point.count(".") > 2,
        disturbs_calls=True,
    )
    for hours in (1, -1):
        yield Fault(
            name=f"clock{hours:+d}h",
            effect=_shift(hours * HOUR),
            hits=_anywhere,
            disturbs_calls=True,
            ends_anyhow=True,
        )
    crowd = _at("operator", "gateway")
    yield Fault(name="crowd kill", effect=_kill, hits=crowd, is_crowd=True)
    yield Fault(name="crowd freeze", effect=_freeze, hits=crowd, is_crowd=True)


ALL: tuple[Fault, ...] = tuple(_all())
NONE = Fault(name="none", effect=lambda running, visit: "go", hits=_anywhere)
"""Nothing goes wrong: the scenario as it should be."""
EVERY = {fault.name: fault for fault in (NONE, *ALL)}
