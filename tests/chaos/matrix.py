"""How is one case played and judged? Furnish, arm, tell the story, let every fault end, judge until nothing is left to say.

A finding that time heals (a Pod that is going) is waited for; what is still found then is the case's. Stages are reused:
starting one is dear. After a case that failed, or many that did not, the next one gets a new stage.
"""

import contextlib
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import asyncpg  # type: ignore[import-untyped]
import nats.errors

from hack.local.api import RefusedError
from tests.chaos import cases, faults, scenarios, stage
from tests.chaos.cases import Case
from tests.chaos.checker import evidence, rules
from tests.chaos.checker.case import Expected, Finding
from tests.chaos.play import RUN, Play, StuckError
from tests.chaos.scenarios import Scenario
from tests.chaos.stage import Stage
from tests.chaos.switchboard import Record, Trigger

PATIENCE_SECONDS = 60.0
"""How long what time heals may take, from the end of the last fault."""
CASES_PER_STAGE = 60
_PAUSE_SECONDS = 0.2
_AWAY = (OSError, nats.errors.Error, asyncpg.PostgresError, asyncpg.InterfaceError, RefusedError)
"""Somebody is not there yet: what is read from them is read again."""

Verdict = Literal["ok", "failed", "unreached"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What became of a case."""

    case: Case
    verdict: Verdict
    findings: Sequence[Finding]
    seconds: float
    passed: dict[str, int]
    """How often each point was passed."""
    shown: frozenset[str]
    """Events of the log, as scenarios name them."""


def run(at: Stage, case: Case) -> Result:
    """Play a case and judge it."""
    begun = time.monotonic()
    scenario, fault = scenarios.named(case.scenario), faults.EVERY[case.fault]
    running = faults.Running(at)

    def arm() -> Trigger | None:
        if case.point == cases.NOWHERE:
            return None
        return at.board.arm(case.point, case.times, lambda visit: fault.effect(running, visit))

    played = tell(at, scenario, arm, running)
    found = list(played.findings)
    phase = played.status.get("phase", "")
    ends = scenario.ends[:1] if fault is faults.NONE else scenario.ends
    if not found and not fault.ends_anyhow and phase not in ends:
        why = f"{played.status.get('reason')}: {played.status.get('outcome')}"
        found.append(Finding("WrongEnd", f"{phase} {why}"))
    expected = played.expected(
        scenario,
        may_be_unknown=(
            scenario.loses_calls
            or fault.disturbs_calls
            or case.program == "gateway"
            or (scenario.holds_calls and fault is not faults.NONE)
        ),
        may_send_late=case.point == "gateway.before.send" or "shop" in fault.name,
    )
    seen, judged = judge(at, played, expected)
    at.board.disarm()
    if played.trigger is not None and played.trigger.spent_at > played.over_at:
        # it happened while what the run left was tidied up: that has to heal, too
        running.settle()
        at.until_ready()
        seen, judged = judge(at, played, expected)
    found += judged
    shown = _shown(seen)
    if fault is faults.NONE:
        found += [Finding("NotShown", each) for each in sorted(scenario.shows - shown)]
    is_unreached = played.trigger is not None and not played.trigger.is_spent
    return Result(
        case=case,
        verdict="failed" if found else "unreached" if is_unreached else "ok",
        findings=found,
        seconds=time.monotonic() - begun,
        passed=dict(Counter(visit.point for visit in played.record.visits)),
        shown=shown,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """A story that was told, and every fault of it over."""

    play: Play
    record: Record
    trigger: Trigger | None
    booked_before: int
    """The shop's last booking before it."""
    findings: Sequence[Finding]
    over_at: float
    """When the story ended, before its faults were waited for; monotonic seconds."""

    @property
    def status(self) -> Any:
        """The run's status now."""
        return self.play.status()

    @property
    def xid(self) -> str:
        """The log that was written; empty where none was."""
        shown = self.status.get("executionID", "")
        return str(shown or next((each.xid for each in self.record.tokens), ""))

    def expected(self, scenario: Scenario, *, may_be_unknown: bool, may_send_late: bool) -> Expected:
        """What is known from outside."""
        xid = self.xid
        return Expected(
            tenant=self.play.tenant,
            effects=scenario.effects,
            stored=[each.digest for each in self.record.stored if each.xid == xid],
            tokens=[each.public for each in self.record.tokens if each.tenant == self.play.tenant],
            stopped_at=self.play.stopped_at,
            stopped_tool=self.play.stopped_tool,
            may_be_unknown=may_be_unknown,
            may_send_late=may_send_late,
        )


def tell(at: Stage, scenario: Scenario, arm: Callable[[], Trigger | None], running: faults.Running) -> Played:
    """Furnish a tenant, arm, and tell the story to its end; every fault has ended when this returns."""
    play = Play(at, stage.fresh_tenant(), scenario.name, scenario.deadline_seconds)
    play.furnish()
    before = max((each.number for each in evidence.ledger(at.platform.places.shop_url)), default=0)
    record = at.board.begin(play.tenant)
    trigger = arm()
    found: list[Finding] = []
    try:
        play.release()  # and the shop counts anew
        scenario.story(play)
    except StuckError as stuck:
        found.append(Finding("NeverEnded", str(stuck)))
    finally:
        over_at = time.monotonic()
        running.settle()
    at.until_ready()
    return Played(
        play=play, record=record, trigger=trigger, booked_before=before, findings=found, over_at=over_at
    )


def judge(
    at: Stage,
    played: Played,
    expected: Expected,
    *,
    is_enough: Callable[[Sequence[Finding]], bool] = lambda found: not found,
    patience_seconds: float = PATIENCE_SECONDS,
) -> tuple[evidence.Evidence | None, list[Finding]]:
    """The evidence and the findings that stay, once there are none or enough, or the patience ends."""
    until = time.monotonic() + patience_seconds
    play, xid = played.play, played.xid
    while True:
        seen: evidence.Evidence | None = None
        try:
            seen = evidence.gather(at.witness(), play.tenant, RUN, xid, played.booked_before)
            found = rules.judge(seen, expected)
        except _AWAY as error:
            found = [Finding("NotReadable", f"{type(error).__name__}: {error}")]
        if is_enough(found) or time.monotonic() > until:
            return seen, found
        time.sleep(_PAUSE_SECONDS)


def _shown(seen: evidence.Evidence | None) -> frozenset[str]:
    """Which events are in a log, each also with its words."""
    names: set[str] = set()
    for message in seen.messages if seen is not None else ():
        event = message.event
        names.add(event["type"])
        data = event["data"]
        words = [data.get(field) for field in ("status", "verdict", "outcome")]
        words += [(data.get("error") or {}).get("reason"), "waited" if data.get("waited_ms") else None]
        if event["type"] == "exec.killed":
            words.append(data.get("scope", "execution"))
        names.update(f"{event['type']}{{{word}}}" for word in words if word)
    return frozenset(names)


def play_all(wanted: Sequence[Case], folder: Path) -> Iterator[Result]:
    """Play cases in order, on as few stages as will do."""
    waiting = list(wanted)
    number = 0
    while waiting:
        number += 1
        with stage.running(folder / f"stage-{number}") as at:
            for _ in range(min(CASES_PER_STAGE, len(waiting))):
                case = waiting.pop(0)
                with contextlib.ExitStack() as crowd:
                    if faults.EVERY[case.fault].is_crowd:
                        at.crowd(is_there=True)
                        crowd.callback(at.crowd, is_there=False)
                    result = run(at, case)
                yield result
                if result.verdict == "failed":
                    break
