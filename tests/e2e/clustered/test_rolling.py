"""Is everything restarted, one part after the other, without a run noticing? On three brokers, with two gateways.

Half of the runs are there before the first restart, the others come with each. `KEELSTEP_ROLLING_RUNS=200` takes that
many; with `-s` it is printed how many were open at each restart and how long it took.
"""

import asyncio
import os
import signal
import time
from collections import Counter
from dataclasses import dataclass, field

import asyncpg  # type: ignore[import-untyped]  # it ships none

from hack.cluster import processes, progress
from hack.local import postgres, world
from hack.local.platform import Platform
from hack.local.world import REQUESTER, Tenant
from tests.e2e import person, record
from tests.e2e.clustered.conftest import GATEWAYS

RUNS = int(os.environ.get("KEELSTEP_ROLLING_RUNS", "20"))
GOAL = "Order 1042 arrived with a chipped mug. The customer would like something for it."
"""A goal that the scripted model knows: it reads, books a credit and replies."""
VIEWS = ("projector", "views", "postgres")
API_SERVER = "kube-apiserver"
GRACE_SECONDS = 30.0
"""What Kubernetes grants by default; then it kills."""
SECONDS_PER_RUN = 6.0
"""Far more than a run takes on a busy machine."""


@dataclass(slots=True)
class Roll:
    """A rolling restart under load."""

    tenant: Tenant
    open_at: dict[str, tuple[int, float]] = field(default_factory=dict)
    """How many runs were open when each part was restarted, and how many seconds that took."""
    identities: dict[str, processes.Identity | None] = field(default_factory=dict)

    @property
    def platform(self) -> Platform:
        """Where it happens."""
        return self.tenant.platform

    @property
    def parts(self) -> list[str]:
        """Every part, in the order of the restarts."""
        return ["operator", *GATEWAYS, *VIEWS, *self.platform.broker_names, API_SERVER]

    def ask(self, count: int) -> None:
        """Apply more runs."""
        known = len(self.names())
        runs = [person.execution(self.tenant, f"run-{known + number}", GOAL) for number in range(count)]
        self.tenant.apply(self.tenant.person(REQUESTER), runs)

    def names(self) -> list[str]:
        """Every run."""
        return [each["metadata"]["name"] for each in self.tenant.items("executions")]

    def phases(self) -> Counter[str]:
        """How many runs are in each phase."""
        found = self.tenant.items("executions")
        return Counter(each.get("status", {}).get("phase", "Pending") for each in found)

    def restart(self, part: str) -> None:
        """Restart a part as whoever runs it would, while runs are under way; on a calm machine they may have ended."""
        phases = self.tenant.until("the runs to be under way", self._phases_once_begun)
        begun = time.monotonic()
        if part == API_SERVER:
            self._restart_api_server()
        else:
            if part == "postgres" and (found := self.platform.find(part)) is not None:
                found.signal(signal.SIGINT)  # at SIGTERM it would wait for its clients to leave
            self.platform.stop(part, grace_seconds=GRACE_SECONDS)
            self._start(part)
            self.identities[part] = self.platform.find(part)
        still_open = phases.total() - sum(phases[phase] for phase in world.OVER)
        self.open_at[part] = (still_open, round(time.monotonic() - begun, 1))

    def _phases_once_begun(self) -> Counter[str] | None:
        found = self.phases()
        is_begun = found["Running"] or sum(found[phase] for phase in world.OVER) == found.total()
        return found if is_begun else None

    def _start(self, part: str) -> None:
        if part == "operator":
            self.platform.start_operator()
        elif part in GATEWAYS:
            self.platform.start_gateway(part)
        elif part in VIEWS:
            self.platform.start_views()
        else:
            self.platform.start_broker(part)

    def _restart_api_server(self) -> None:
        plane = self.platform.plane
        running = plane.records.find(API_SERVER)
        assert running is not None
        processes.stop([running], grace_seconds=GRACE_SECONDS)
        plane.records.forget(API_SERVER)
        plane.bring_up(progress.Progress())


def test_every_run_succeeds_while_every_part_is_restarted(clustered: Platform) -> None:
    """Each effect is booked once, each log is sound, the views agree, and nothing is left behind."""
    roll = Roll(Tenant(platform=clustered, name="rolling"))
    roll.tenant.furnish()
    before = len(clustered.ledger())
    begun = time.monotonic()
    roll.ask(RUNS // 2)
    left = RUNS - RUNS // 2
    for number, part in enumerate(roll.parts):
        wave = -(-left // (len(roll.parts) - number))
        roll.ask(wave)
        left -= wave
        roll.restart(part)
    rolled = time.monotonic() - begun
    seconds = world.WAIT_SECONDS + SECONDS_PER_RUN * RUNS
    roll.tenant.until("every run to end", lambda: _are_over(roll.phases()), seconds)
    took = f"{time.monotonic() - begun:.0f} s, of which the restarts {rolled:.0f} s"
    print(f"{RUNS} runs took {took}; open at each restart: {roll.open_at}")  # noqa: T201 with -s a person reads it
    assert roll.phases() == {"Succeeded": RUNS}, roll.tenant.described()
    booked = Counter(booking["key"] for booking in clustered.ledger()[before:] if booking["kind"] == "credit")
    assert booked == Counter(_credit(roll.tenant, name) for name in roll.names())
    roll.tenant.until("the views to agree", lambda: asyncio.run(_succeeded(roll.tenant)) == RUNS)
    _assert_nothing_is_left(roll)


def _credit(tenant: Tenant, run: str) -> str:
    """The key of a run's credit, after a look at its whole log: sound, and the credit was granted, once."""
    log = record.assert_sound(tenant, run)
    results = [
        each["data"]
        for each in log
        if each["type"] == "tool.result" and each["data"]["tool"] == "credit.grant"
    ]
    assert [result["status"] for result in results] == ["ok"], f"{run}: {results}"
    key: str = results[0]["idempotency_key"]
    return key


def _are_over(phases: Counter[str]) -> bool:
    return sum(phases[phase] for phase in world.OVER) == RUNS


async def _succeeded(tenant: Tenant) -> int:
    """How many runs succeeded, as the views have it."""
    connection = await asyncpg.connect(postgres.dsn(tenant.platform.places.postgres))
    count = "SELECT count(*) FROM gold.executions WHERE outcome_success AND tenant = $1"
    try:
        found: int = await connection.fetchval(count, tenant.name)
        return found
    finally:
        await connection.close()


def _assert_nothing_is_left(roll: Roll) -> None:
    """No Pod runs, no runner's identity is kept, and every program is the one that was started last."""
    tenant = roll.tenant

    def is_tidy() -> bool:
        running = [
            pod for pod in tenant.items("pods") if pod["status"].get("phase") in ("Pending", "Running")
        ]
        identities = [each for each in tenant.items("secrets") if "identity.creds" in each.get("data", {})]
        return not running and not identities

    tenant.until("Pods and Secrets to go", is_tidy)
    for part, identity in roll.identities.items():
        assert identity is not None, part
        assert identity == roll.platform.find(part), f"{part} ended by itself"
