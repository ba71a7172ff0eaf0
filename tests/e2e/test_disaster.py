"""Everything that the broker held is lost, and a backup brought back: do runs go on, and does nothing happen twice?

The steps are those of docs/operations.md, by the commands that it names.
"""

import json
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hack.local import world
from hack.local.platform import Platform
from hack.local.world import Tenant
from tests.e2e import person, record

CREDIT = "Order 1042 arrived with a chipped mug. The customer would like something for it."
REFUND = "The kettle of order 1071 leaks. The customer wants the money back."
PROGRAMS = ("operator", "gateway", "projector", "views")


@pytest.fixture(scope="module")
def doomed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """A whole keelstep whose broker will be lost."""
    with world.running(tmp_path_factory.mktemp("disaster")) as started:
        world.at_once(started.start_operator, started.start_gateway, started.start_views)
        yield started


def test_a_run_goes_on_from_a_backup_and_refunds_once(doomed: Platform, tmp_path: Path) -> None:
    """What the log has forgotten is held until a person looks; the refund's key is the same, so the shop books it once."""
    tenant = Tenant(platform=doomed, name="disaster")
    tenant.furnish()
    person.ask(tenant, "done", CREDIT)
    tenant.until_phase("done", "Succeeded")
    person.ask(tenant, "waiting", REFUND)
    tenant.until_gate("waiting")
    backup = tmp_path / "backup"
    keelstep(doomed, "backup", str(backup))

    tenant.answer(tenant.until_gate("waiting"), "Approved")
    tenant.until("the refund to be booked", tenant.refunds)
    tenant.until_phase("waiting", "Succeeded")
    person.ask(tenant, "forgotten", CREDIT)
    tenant.until_phase("forgotten", "Succeeded")
    booked = _keys(doomed)

    for part in PROGRAMS:
        doomed.stop(part)
    world.kill(doomed, doomed.broker_names[0])
    shutil.rmtree(doomed.installed.folder / "state")
    person.ask(tenant, "meanwhile", CREDIT)
    doomed.start_broker()
    report = keelstep(doomed, "restore", str(backup), "-o", "json")
    assert report["held"] == 1
    doomed.start_operator()
    doomed.start_gateway()

    held = tenant.until("the run to be held", lambda: _reads(tenant, "waiting", "LogRestored"))
    assert held["phase"] == "Suspended"
    assert tenant.status("done")["phase"] == "Succeeded"
    assert tenant.status("forgotten")["phase"] == "Succeeded", "how it ended is all that is left of it"
    tenant.until("what was asked meanwhile to be refused", lambda: _reads(tenant, "meanwhile", "LogLost"))
    assert _keys(doomed) == booked

    _suspend(tenant, "waiting", True)
    tenant.until("a person to have it", lambda: _reads(tenant, "waiting", "Suspended"))
    _suspend(tenant, "waiting", False)
    tenant.until_phase("waiting", "Succeeded")
    record.assert_sound(tenant, "waiting")
    assert _keys(doomed) == booked, "the same refund under the same key"

    tenant.admin.run("delete", "execution", "meanwhile", "-n", tenant.name)
    person.ask(tenant, "meanwhile", CREDIT)
    tenant.until_phase("meanwhile", "Succeeded")
    assert len(_keys(doomed)) == len(booked) + 1


def _reads(tenant: Tenant, name: str, reason: str) -> Any:
    status = tenant.status(name)
    return status if status.get("reason") == reason else None


def _suspend(tenant: Tenant, name: str, value: bool) -> None:
    patch = json.dumps({"spec": {"suspend": value}})
    tenant.admin.run("patch", "execution", name, "-n", tenant.name, "--type=merge", "-p", patch)


def _keys(platform: Platform) -> Counter[str]:
    """What the shop has booked, by key."""
    return Counter(booking["key"] for booking in platform.ledger() if booking["kind"] in ("credit", "refund"))


def keelstep(platform: Platform, *words: str) -> Any:
    """A command of whoever runs the installation; its JSON where it prints some."""
    where = ("--installation", str(platform.installed.folder), "--nats-url", platform.places.broker_url)
    done = subprocess.run([str(person.KEELSTEP), *words, *where], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout) if "json" in words else done.stdout
