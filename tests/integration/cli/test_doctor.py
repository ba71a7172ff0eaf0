"""Does `doctor` find what is missing, and say how to mend it?"""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest_asyncio

from hack.cluster import build, controlplane, settings
from hack.cluster.testing import API
from keelstep.log.identities import Role
from keelstep.store import migrate
from keelstep.store import postgres as store
from keelstep.testing.broker import RunningBroker
from keelstep.testing.postgres import RunningPostgres
from tests.integration.cli import program
from tests.integration.cli.terminal import Terminal
from tests.integration.kinds import plane
from tests.integration.views import stage


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def postgres() -> AsyncIterator[RunningPostgres]:
    """A Postgres of these tests' own."""
    async with RunningPostgres() as running:
        yield running


async def test_a_whole_installation_is_well(
    terminal: Terminal, broker: RunningBroker, postgres: RunningPostgres
) -> None:
    """Exit 0; broker and database are looked at too where their credentials are given."""
    dsn = await postgres.new_database()
    connection = await store.connect(dsn, "test")
    await migrate.migrate(connection)
    await connection.close()
    site = broker.installation
    words = (
        *("--nats-url", broker.url, "--nats-creds", str(site.credentials_file(Role.READER))),
        *("--nats-system-creds", str(site.credentials_file(Role.SYSTEM)), "--dsn", dsn),
    )
    found = _by_name(await terminal.type("doctor", "-o", "json", *words))
    not_well = {name for name, check in found.items() if check["result"] != "ok"}
    # of those the charts' tests may have left one in their cluster
    assert not_well - {"serving certificates"} == UNSEEN
    assert found["kind Execution"]["finding"] == "installed and current"
    for stream in ("SPINE-0", "OBJ", "NAMES", "CONTROL", "LIMITS"):
        assert "messages" in found[f"stream {stream}"]["finding"]
    assert "the broker's" in found["clock"]["finding"]
    assert " of " in found["disk"]["finding"]
    assert "schema" in found["database"]["finding"]
    assert "days left" in found["authority of the views API"]["finding"]


UNSEEN = {"programs", "certificate of the broker", "views"}
"""In this test: no Deployments, no TLS, and nothing was projected."""


async def test_what_a_kubeconfig_does_not_show_is_said(terminal: Terminal) -> None:
    """Exit 0; broker and database are named as not looked at, and how to have them looked at."""
    found = _by_name(await terminal.type("doctor", "-o", "json"))
    assert found["broker"]["fix"] == "give --nats-url and --nats-creds"
    assert found["database"]["fix"] == "give --dsn"
    assert {found[name]["result"] for name in ("broker", "database")} == {"warn"}


async def test_a_lost_stream_and_an_old_schema_are_found(
    terminal: Terminal, own_broker: RunningBroker, postgres: RunningPostgres
) -> None:
    """Exit 1, and each names its fix."""
    admin = await own_broker.administrator()
    for stream in ("CONTROL", "LIMITS"):
        await admin.request(f"$JS.API.STREAM.DELETE.{stream}", b"", timeout=60)
    creds = str(own_broker.installation.credentials_file(Role.READER))
    dsn = await postgres.new_database()
    said = await terminal.type(
        "doctor", "-o", "json", "--nats-url", own_broker.url, "--nats-creds", creds, "--dsn", dsn
    )
    assert said.status == 1
    found = {check["check"]: check for check in json.loads(said.stdout)}
    assert found["stream CONTROL"]["result"] == "fail"
    assert "restore it" in found["stream CONTROL"]["fix"]
    assert "makes it anew" in found["stream LIMITS"]["fix"]
    assert found["database"]["fix"] == "start keelstep-projector of this version"


def _by_name(said: program.Said) -> dict[str, Any]:
    return {check["check"]: check for check in said.data}


async def test_what_one_may_not_is_said_and_is_no_failure(terminal: Terminal) -> None:
    """Exit 0: a viewer's installation is not broken because they are a viewer."""
    vera = await terminal.holder("keelstep-viewer", "vera@shop.example")
    output = (await terminal.type("doctor", persona=vera)).output
    assert "you may not: it needs approve on approvalgates.keelstep.io" in output
    assert "not checked: you may not read admission policies" in output


async def test_whether_it_can_be_installed_is_asked_as_this_person(terminal: Terminal) -> None:
    """Rights that are lacking are named; what is there already is said, with whose release it is."""
    vera = await terminal.holder("keelstep-viewer", "vera@shop.example")
    hers = await terminal.type("doctor", "--before-install", "-o", "json", persona=vera)
    assert hers.status == 1
    found = {check["check"]: check for check in json.loads(hers.stdout)}
    assert found["rights to install"]["result"] == "fail"
    assert "customresourcedefinitions" in found["rights to install"]["finding"]
    assert {found[name]["result"] for name in ("nodes", "storage", "kinds")} == {"warn"}
    whole = await terminal.type("doctor", "--before-install", "-o", "json")
    found = {check["check"]: check for check in json.loads(whole.stdout)}
    assert found["kinds"]["finding"] == "4 of 4 are there already, of nobody's release"


async def test_an_empty_cluster_lacks_everything(terminal: Terminal, tmp_path: Path) -> None:
    """Exit 1, and each finding names its fix; every other command says what is missing too."""
    bare = controlplane.start(tmp_path / "bare", build.ensure(settings.read()), names=API)
    try:
        environ = {"KUBECONFIG": str(bare.admin_kubeconfig)}
        said = await terminal.type("doctor", "-o", "json", environ=environ)
        assert said.status == 1
        found = {check["check"]: check for check in json.loads(said.stdout)}
        assert found["kind Execution"]["fix"] == "kubectl apply --server-side -f crds/execution.yaml"
        assert found["policy keelstep-requested-by"]["result"] == "fail"
        assert found["views API"]["finding"] == "not registered"
        status = await terminal.type("status", environ=environ)
        assert "this cluster does not know Execution" in status.refused(5)
        trace = await terminal.type("trace", "refund-1", environ=environ)
        assert "this cluster has no views API" in trace.refused(5)
        before = await terminal.type("doctor", "--before-install", "-o", "json", environ=environ)
        assert before.status == 1
        assert [(check["check"], check["result"]) for check in json.loads(before.stdout)] == [
            ("cluster", "ok"),
            ("rights to install", "ok"),
            ("nodes", "fail"),
            ("storage", "warn"),
            ("kinds", "ok"),
        ]
    finally:
        bare.stop()


async def test_a_views_server_that_is_down_is_found(
    terminal: Terminal, governed: plane.Governed, views: stage.Views
) -> None:
    """Exit 5 of `trace`, and a failure of `doctor`, while the APIService leads nowhere."""
    async with stage.displaced(views):
        said = await terminal.type("trace", "refund-1")
        assert "the views API does not answer" in said.refused(5)
        doctor = await terminal.type("doctor")
        assert doctor.status == 1
        assert "until it does, no namespace of this cluster can be deleted" in doctor.stdout
