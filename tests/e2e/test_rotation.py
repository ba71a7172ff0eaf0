"""Are signing keys and broker credentials replaced while runs are under way, with every log proven before and after?

The steps are those of docs/operations.md, by the commands that it names.
"""

import base64
import subprocess
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from hack.local import world
from hack.local.platform import Platform
from hack.local.world import REQUESTER, Tenant
from keelstep.log.identities import Role
from tests.e2e import person, record

GOAL = "Order 1042 arrived with a chipped mug. The customer would like something for it."
GRACE_SECONDS = 30.0
SIGNERS = ("operator", "gateway")
PROGRAMS = ("operator", "gateway", "second-gateway", "projector", "views")
WAVE = 3
RUNNERS = ("pods", "-l", "keelstep.io/component=runner")


@pytest.fixture(scope="module")
def rotated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """Everything there is, with two gateways."""
    with world.running(tmp_path_factory.mktemp("rotation")) as started:
        gateways = [partial(started.start_gateway, name) for name in ("gateway", "second-gateway")]
        world.at_once(started.start_operator, *gateways, started.start_views)
        yield started


def test_every_key_is_replaced_while_runs_go_on(rotated: Platform) -> None:
    """Each effect is booked once; logs that began under the old keys and under the new ones are Verified."""
    tenant = Tenant(platform=rotated, name="rotation")
    tenant.furnish()
    folder = rotated.installed.folder
    before = {role: rotated.installed.signer(Role(role)).kid for role in SIGNERS}
    _ask(tenant, "before")
    for role in SIGNERS:
        keys(folder, "add", role)
    _ask(tenant, "added")
    _restart(rotated, *PROGRAMS)
    tenant.admin.run("delete", *RUNNERS, "-n", tenant.name, "--ignore-not-found", "--wait=false")
    _until_known(tenant, folder)
    for role in SIGNERS:
        keys(folder, "switch", role)
    _restart(rotated, "gateway")
    _ask(tenant, "mixed")
    _restart(rotated, "second-gateway", "operator")
    _ask(tenant, "switched")
    for role in (Role.OPERATOR, Role.GATEWAY, Role.PROJECTOR, Role.READER):
        keys(folder, "renew", role.value)
    _ask(tenant, "renewed")
    _restart(rotated, *PROGRAMS)
    keys(folder, "revoke", "--nats-url", rotated.places.broker_url)
    _ask(tenant, "revoked")
    runs = [each["metadata"]["name"] for each in tenant.items("executions")]
    for name in runs:
        tenant.until_phase(name, "Succeeded", seconds=180)
    booked = Counter(booking["key"] for booking in rotated.ledger() if booking["kind"] == "credit")
    assert sorted(booked.values()) == [1] * len(runs)
    for name in runs:
        record.assert_sound(tenant, name)
    after = {role: rotated.installed.signer(Role(role)).kid for role in SIGNERS}
    assert all(after[role] != before[role] for role in SIGNERS)
    signed = _verdicts(tenant, runs)
    assert set(signed.values()) == {"Verified"}, signed


def _ask(tenant: Tenant, wave: str) -> None:
    runs = [person.execution(tenant, f"{wave}-{number}", GOAL) for number in range(WAVE)]
    tenant.apply(tenant.person(REQUESTER), runs)


def _restart(platform: Platform, *parts: str) -> None:
    """As a rollout does: one after the other, each with time to end what it has."""
    for part in parts:
        platform.stop(part, grace_seconds=GRACE_SECONDS)
        if part == "operator":
            platform.start_operator()
        elif part in ("projector", "views"):
            platform.start_views()
        else:
            platform.start_gateway(part)


def _until_known(tenant: Tenant, folder: Path) -> None:
    """Every runner that is there has the keyring with the new keys."""
    ring = (folder / "public" / "keyring.json").read_bytes()

    def known() -> bool:
        live = {
            pod["metadata"]["name"]
            for pod in tenant.items("pods")
            if pod["status"].get("phase") in ("Pending", "Running")
        }
        secrets = {each["metadata"]["name"]: each.get("data", {}) for each in tenant.items("secrets")}
        return all(
            base64.b64decode(secrets.get(f"{pod}-identity", {}).get("keyring.json", "")) == ring
            for pod in live
        )

    tenant.until("every runner to know the new keys", known)


def keys(folder: Path, *words: str) -> None:
    """`keelstep keys …`, as whoever runs the installation types it."""
    verb, *rest = words
    done = subprocess.run(
        [str(person.KEELSTEP), "keys", verb, str(folder), *rest], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def _verdicts(tenant: Tenant, runs: list[str]) -> dict[str, str]:
    """What `keelstep verify` says of each."""
    found = {name: tenant.get("executionverifications", name) for name in runs}
    return {name: str(each["verdict"]) for name, each in found.items()}
