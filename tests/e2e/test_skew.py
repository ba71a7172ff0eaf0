"""Do runs go on, and begin, under this operator and these kinds with runners and gateways of the release before?

There is no release yet: in its place stands the first commit with a corpus of logs that is kept for ever, and so a promise
to be read by what comes after, whose programs fit together. They are run from its own sources, with the dependencies of
today.
"""

import io
import json
import os
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from hack.cluster import settings
from hack.local import world
from hack.local.platform import Platform
from hack.local.world import Tenant
from tests.e2e import person, record

BEFORE = os.environ.get("KEELSTEP_RELEASE_BEFORE", "226f5ae6d3e88c562a7b07989a52baf331c6b357")
"""The commit of the release before."""
REFUND = "The kettle of order 1071 leaks. The customer wants the money back."
SOURCES = ("spine", "operator", "gateway", "runner")


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of the release before."""
    folder = tmp_path_factory.mktemp("before")
    packed = subprocess.run(
        ["git", "archive", BEFORE, "crds", *SOURCES],
        cwd=settings.REPOSITORY,
        capture_output=True,
        check=False,
    )
    if packed.returncode:
        pytest.skip(f"this clone has no commit {BEFORE[:12]}: {packed.stderr.decode().strip()}")
    with tarfile.open(fileobj=io.BytesIO(packed.stdout)) as sources:
        sources.extractall(folder, filter="data")
    where = "import keelstep, keelstep_gateway, keelstep_runner as r; print(keelstep.__file__, r.__file__)"
    found = subprocess.run(
        [sys.executable, "-c", where],
        env={"PYTHONPATH": _path(folder)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert all(each.startswith(str(folder)) for each in found.stdout.split()), found.stdout
    return folder


def _path(folder: Path) -> str:
    return os.pathsep.join(str(folder / name) for name in SOURCES)


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory, before: Path) -> Iterator[Platform]:
    """Kinds, operator, gateway and runners of the release before; these views."""
    path = _path(before)
    with world.running(tmp_path_factory.mktemp("skew")) as started:
        kinds = ("--server-side", "--force-conflicts", "-f", str(before / "crds"))
        started.kubectl("admin").run("apply", *kinds, shown=False)
        world.at_once(
            lambda: started.start_operator(PYTHONPATH=path, KEELSTEP_RUNNER_ENV=_runner(before)),
            lambda: started.start_gateway(PYTHONPATH=path),
            started.start_views,
        )
        yield started


def _runner(before: Path) -> str:
    """The environment by which an operator's Pods run the runner of the release before."""
    return json.dumps({"PYTHONPATH": _path(before)})


def _upgrade(old: Platform, before: Path) -> None:
    """Kinds and operator are this version's; gateway and runners stay what they were."""
    old.stop("operator")
    old.define()
    old.start_operator(KEELSTEP_RUNNER_ENV=_runner(before))


def _goes_through(tenant: Tenant) -> None:
    """The question is answered, the refund booked once, and the log Verified by this version."""
    booked = len(tenant.refunds())
    tenant.answer(tenant.until_gate("refund"), "Approved")
    tenant.until_phase("refund", "Succeeded")
    record.assert_sound(tenant, "refund")
    assert len(tenant.refunds()) == booked + 1
    verdict = tenant.get("executionverifications", "refund")
    assert verdict["verdict"] == "Verified"


def test_a_governed_run_goes_through_an_upgrade_of_the_operator(old: Platform, before: Path) -> None:
    """It asks a person, kinds and operator are upgraded, and it goes on as if nothing had been."""
    tenant = Tenant(platform=old, name="skew")
    tenant.furnish()
    person.ask(tenant, "refund", REFUND)
    tenant.until_gate("refund")
    _upgrade(old, before)
    _goes_through(tenant)


def test_a_run_that_begins_after_the_upgrade_goes_through_too(old: Platform, before: Path) -> None:
    """The API server writes the defaults of new fields into its definitions; an older gateway reads what the run pinned.

    Definitions that were there before the upgrade, and such that were applied after it.
    """
    there = Tenant(platform=old, name="skew-there")
    there.furnish()
    _upgrade(old, before)
    late = Tenant(platform=old, name="skew-late")
    late.furnish()
    assert "maxBytes" in late.get("toolcontracts", "refund.issue")["spec"]["present"], (
        "written by the API server"
    )
    for tenant in (there, late):
        person.ask(tenant, "refund", REFUND)
        _goes_through(tenant)
