"""Does `keelstep archive` say what it did, what it kept, and what is wrong with a file?"""

import os
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg  # type: ignore[import-untyped]  # it ships none
import pytest
import pytest_asyncio

from keelstep.log.identities import Role
from keelstep.testing.broker import RunningBroker
from keelstep.testing.postgres import RunningPostgres
from tests.integration.archive.stage import Stage
from tests.integration.cli import program

STEPS = "SELECT step_n, event_type, summary FROM traces.steps WHERE trace_id = $1 ORDER BY 1, 2, 3"
TRACE = "7f" * 16


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def postgres() -> AsyncIterator[RunningPostgres]:
    """A Postgres of these tests' own."""
    async with RunningPostgres() as running:
        yield running


@pytest_asyncio.fixture(loop_scope="session")
async def stage(own_broker: RunningBroker, tmp_path: Path) -> Stage:
    """A broker with nothing archived."""
    return await Stage.of(own_broker, tmp_path / "archive")


def _environment(broker: RunningBroker, role: Role, dsn: str = "") -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "KEELSTEP_NATS_URL": broker.url,
        "KEELSTEP_NATS_CREDENTIALS": str(broker.installation.credentials_file(role)),
        "KEELSTEP_KEYRING": str(broker.installation.folder / "public" / "keyring.json"),
        **({"KEELSTEP_POSTGRES_DSN": dsn} if dsn else {}),
    }


async def test_a_log_goes_through_the_projector_into_an_archive_and_its_rows_come_back(
    stage: Stage, postgres: RunningPostgres
) -> None:
    """Kept until the projector has passed it; a rebuild that would lose its rows says so; restore puts them back."""
    run = await stage.over("shop", "refund-7")
    dsn, environ = await postgres.new_database(), _environment(stage.broker, Role.ARCHIVIST)
    words = ("archive", "run", str(stage.folder), "--older-than", "0s")
    said = await program.run(*words, environ=environ)
    assert "no projector follows SPINE-0" in said.refused(1)
    projector = _environment(stage.broker, Role.PROJECTOR, dsn)
    assert (await program.run("rebuild", "views", environ=projector)).status == 0
    connection = await asyncpg.connect(dsn)
    before = await connection.fetch(STEPS, TRACE)
    assert before
    said = await program.run(*words, "--dry-run", environ=environ)
    assert "Due" in said.output
    assert await stage.in_stream(run) > 0
    said = await program.run(*words, "-o", "json", environ=environ)
    assert [(each["name"], each["outcome"]) for each in said.data] == [("refund-7", "Purged")]
    said = await program.run("rebuild", "views", environ=projector)
    assert "--forget-archived" in said.refused(1)
    assert await connection.fetch(STEPS, TRACE) == before
    said = await program.run("rebuild", "views", "--forget-archived", environ=projector)
    assert said.status == 0
    assert await connection.fetch(STEPS, TRACE) == []
    for _ in range(2):
        said = await program.run("archive", "restore", str(stage.folder), environ=projector)
        assert said.output == "1 archived runs are in the tables\n"
        assert await connection.fetch(STEPS, TRACE) == before
    await connection.close()


async def test_a_file_proves_itself_and_shows_what_it_holds(stage: Stage) -> None:
    """Without a broker and without a cluster."""
    await stage.over("shop", "refund-7")
    (report,) = await stage.archive()
    bare = {"PATH": os.environ["PATH"]}
    said = await program.run("archive", "verify", report.file, "-o", "json", environ=bare)
    (found,) = said.data
    assert (found["result"], found["manifest"]["name"]) == ("ok", "refund-7")
    keyring = str(stage.broker.installation.folder / "public" / "keyring.json")
    said = await program.run("archive", "verify", str(stage.folder), "--keyring", keyring, environ=bare)
    assert "Verified" in said.output
    shown = (await program.run("archive", "show", report.file, environ=bare)).output
    assert "shop/refund-7" in shown
    assert "exec.finished" in shown


def _cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-20])


def _another_byte(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(bytes(content))


def _no_archive(file: Path) -> None:
    file.write_bytes(b"hello")


BROKEN = {"cut short": _cut, "altered": _another_byte, "something else": _no_archive}


@pytest.mark.parametrize("damage", BROKEN)
async def test_a_broken_file_is_found(damage: str, stage: Stage) -> None:
    """Exit 1, and the finding names the file."""
    await stage.over("shop", "refund-7")
    (report,) = await stage.archive()
    BROKEN[damage](Path(report.file))
    said = await program.run("archive", "verify", report.file, environ={"PATH": os.environ["PATH"]})
    assert said.status == 1
    assert "fail" in said.stdout
    assert "Traceback" not in said.stderr


async def test_keys_of_another_installation_prove_nothing(stage: Stage, tmp_path: Path) -> None:
    """An archive brings its keys along; whose they are only the installation's keyring tells."""
    await stage.over("shop", "refund-7")
    (report,) = await stage.archive()
    other = tmp_path / "keyring.json"
    other.write_text("{}")
    bare = {"PATH": os.environ["PATH"]}
    said = await program.run("archive", "verify", report.file, "--keyring", str(other), environ=bare)
    assert said.status == 1
    assert "is not one of this installation's" in said.stdout


MISTAKES = {
    "a span that is none": (("run", "x", "--older-than", "soon"), 2, "'soon' is no span; write 90d, 12h"),
    "no such file": (("verify", "/nowhere"), 3, "there is no file /nowhere"),
    "no file to show": (("show", "/nowhere"), 3, "there is no file /nowhere"),
    "credentials of nobody": (("run", "x", "--older-than", "1d", "--nats-creds", "/no"), 2, "/no is no file"),
    "a keyring that is none": (
        ("verify", "/nowhere", "--keyring", "/no"),
        2,
        "--keyring: /no cannot be used",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
async def test_a_mistake_is_answered_in_one_line(mistake: str, stage: Stage) -> None:
    """Its exit code and the fix."""
    words, status, message = MISTAKES[mistake]
    said = await program.run("archive", *words, environ=_environment(stage.broker, Role.ARCHIVIST))
    assert message in said.refused(status)
