"""Is the log the only truth? Status, etcd, Postgres: each is lost, and comes back from the log with no effect twice.

A keelstep of these tests' own, since what they lose would be missed by others, with runs in every state (`scene`). Each
test leaves them as they were, but for the last.
"""

import asyncio
import hashlib
import json
import os
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import asyncpg  # type: ignore[import-untyped]  # it ships none
import pytest

from hack.cluster import nodes, progress
from hack.local import postgres, world
from hack.local.platform import Platform
from hack.local.world import REQUESTER, Tenant
from keelstep.log import connection, identities, subjects, tail
from keelstep.log.identities import Role
from tests.e2e import person, record
from tests.e2e import scene as scenes
from tests.e2e.scene import Scene
from tests.integration.store.stage import TABLES

APPLIED_AGAIN = (scenes.FINISHED, scenes.KILLED, scenes.WAITING, scenes.RUNNING)
REFUNDED = Counter({("refund", "1071"): 1, ("reply", "1071"): 1})
ANSWERED = Counter({("reply", "1042"): 1})
"""What the shop books after etcd is lost: nothing that it had booked before."""


@pytest.fixture(scope="module")
def own_platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """A whole keelstep that these tests may break."""
    with world.running(tmp_path_factory.mktemp("truth")) as started:
        world.at_once(started.start_operator, started.start_gateway, started.start_views)
        yield started


@pytest.fixture(scope="module")
def scene(own_platform: Platform) -> Scene:
    """Runs in every state, left so by each test but the last."""
    made = Scene(Tenant(platform=own_platform, name="truth"))
    made.define()
    made.set_up()
    return made


def test_a_status_emptied_while_the_operator_watches_comes_back_equal(scene: Scene) -> None:
    """It is written again from the fold; nothing is appended, nothing is done twice."""
    before, booked = scene.settled(), scene.platform.ledger()
    scene.wipe()
    _assert_same(scene.settled(), before)
    assert scene.platform.ledger() == booked


def test_a_status_emptied_while_the_operator_is_down_comes_back_equal(scene: Scene) -> None:
    """The next operator knows nothing but the log and the resources."""
    before, booked = scene.settled(), scene.platform.ledger()
    world.kill(scene.platform, "operator")
    scene.wipe()
    assert not any("executionID" in scene.tenant.status(name) for name in scene.names)
    scene.platform.start_operator()
    _assert_same(scene.settled(), before)
    assert scene.platform.ledger() == booked


def test_what_the_views_held_comes_back_when_postgres_is_lost(scene: Scene) -> None:
    """The database is dropped, and one command fills a new one: the same rows, byte for byte."""
    scene.settled()
    scene.tenant.until("the views to hold the whole log", lambda: asyncio.run(_is_caught_up(scene)))
    before = asyncio.run(_digests(scene))
    asyncio.run(_replace_database(scene))
    scene.platform.stop("projector")
    said = _rebuild_views(scene)
    assert said.startswith("views of shard 0 rebuilt up to message ")
    assert asyncio.run(_digests(scene)) == before
    scene.platform.start_views()


def test_all_of_etcd_is_lost_and_the_same_manifests_are_applied_again(scene: Scene) -> None:
    """Finished ones are finished, the call in flight is booked once, the gate asks again, the kill stays latched.

    What is not applied again is orphaned: listed, and left alone. Answers can be read again.
    """
    platform, tenant = scene.platform, scene.tenant
    before, booked = scene.settled(), platform.ledger()
    _lose_etcd(platform)
    platform.define()
    tenant.until("the operator to end, by itself", lambda: platform.find("operator") is None)
    assert "ClusterReplaced" in (platform.folder / "logs" / "operator.log").read_text()
    platform.start_operator()
    left = before[scenes.LEFT]["executionID"]
    stored = record.events(platform, tenant.name, left)
    tenant.until("the runs to be orphaned", lambda: left in _said(platform, "execution_orphaned"))

    scene.define()
    tenant.apply(
        tenant.person(REQUESTER), [each for each in scene.asked if each["metadata"]["name"] != scenes.LEFT]
    )

    for name in APPLIED_AGAIN:
        assert scene.until_identified(name) == before[name]["executionID"]
    after = {name: scene.until_settled(name) for name in (scenes.FINISHED, scenes.KILLED, scenes.WAITING)}
    _assert_same(after, {name: before[name] for name in after})
    platform.shop("POST", "/faults/release")
    assert tenant.until_phase(scenes.RUNNING, "Succeeded")["attempt"] == 2
    tenant.answer(tenant.until_gate(scenes.WAITING), "Approved")
    tenant.until_phase(scenes.WAITING, "Succeeded")
    for name in APPLIED_AGAIN:
        record.assert_sound(tenant, name)
    assert _counted(platform.ledger()) == _counted(booked) + ANSWERED + REFUNDED
    assert record.events(platform, tenant.name, left) == stored, "nothing happens to what is merely missing"
    _assert_still_killed(scene)
    platform.start_views()
    for name in (scenes.FINISHED, scenes.RUNNING, scenes.WAITING):
        assert person.keelstep(tenant, "output", name).status == 0


def _assert_same(found: dict[str, Any], expected: dict[str, Any]) -> None:
    """Equal run by run, so that a difference is told in full."""
    assert found.keys() == expected.keys()
    for name, status in found.items():
        assert json.dumps(status, indent=1) == json.dumps(expected[name], indent=1)


def _assert_still_killed(scene: Scene) -> None:
    """The manifests say nothing of a kill; it holds, a new run waits, and a person is asked to lift it."""
    tenant = scene.tenant
    tenant.apply(
        tenant.person(REQUESTER),
        [{**scene.example(scenes.KILLED), "metadata": {"name": "late", "namespace": tenant.name}}],
    )
    tenant.until("the new run to wait", lambda: tenant.status("late").get("reason") == "StrategyKilled")
    killed = tenant.get("agentstrategies", "runaway-agent")["status"]["killSwitch"]
    assert killed["engaged"]
    assert tenant.get("approvalgates", killed["gate"])["status"]["phase"] == "Pending"


def _lose_etcd(platform: Platform) -> None:
    """Everything that Kubernetes knew is gone; its own programs are started again, the operator goes on."""
    plane = platform.plane
    plane.stop(grace_seconds=0.0)
    shutil.rmtree(plane.plan.folder / "etcd")
    plane.bring_up(progress.quiet())
    plane.guard()
    nodes.start(plane)


def _said(platform: Platform, event: str) -> str:
    """The operator's log lines of an event."""
    lines = (platform.folder / "logs" / "operator.log").read_text().splitlines()
    return "\n".join(line for line in lines if f'"event": "{event}"' in line)


def _counted(bookings: Sequence[Any]) -> Counter[tuple[str, str]]:
    return Counter((each["kind"], each["order"]) for each in bookings)


async def _is_caught_up(scene: Scene) -> bool:
    """The tables end where the stream does."""
    platform = scene.platform
    file = platform.installed.credentials_file(Role.READER)
    nc = await connection.connect(
        platform.places.broker_url, file, "test", inbox_prefix=identities.inbox(Role.READER)
    )
    try:
        last = (await tail.place(nc, subjects.stream(0))).last
    finally:
        await nc.close()
    (row,) = await _fetch(scene, "SELECT position FROM spine.progress")
    return bool(row["position"] == last)


async def _fetch(scene: Scene, sql: str, database: str = postgres.DATABASE) -> list[Any]:
    client = await asyncpg.connect(postgres.dsn(scene.platform.places.postgres, database))
    try:
        return list(await client.fetch(sql))
    finally:
        await client.close()


async def _digests(scene: Scene) -> dict[str, str]:
    """SHA-256 of every table's rows."""
    found = {name: await _fetch(scene, sql) for name, sql in TABLES.items()}
    return {
        name: hashlib.sha256(repr([tuple(row) for row in rows]).encode()).hexdigest()
        for name, rows in found.items()
    }


async def _replace_database(scene: Scene) -> None:
    """Drop the database under its users, and make an empty one of its name."""
    await _fetch(scene, f'DROP DATABASE "{postgres.DATABASE}" WITH (FORCE)', "postgres")
    await _fetch(scene, f'CREATE DATABASE "{postgres.DATABASE}"', "postgres")


def _rebuild_views(scene: Scene) -> str:
    """`keelstep rebuild views`, as whoever runs the installation types it."""
    platform = scene.platform
    folder = platform.installed.folder
    environment = {
        **os.environ,
        "KEELSTEP_NATS_URL": platform.places.broker_url,
        "KEELSTEP_NATS_CREDENTIALS": str(platform.installed.credentials_file(Role.PROJECTOR)),
        "KEELSTEP_KEYRING": str(folder / "public" / "keyring.json"),
        "KEELSTEP_POSTGRES_DSN": postgres.dsn(platform.places.postgres),
    }
    command = [str(person.KEELSTEP), "rebuild", "views"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout
