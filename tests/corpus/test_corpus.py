"""Does this version read old logs as they were read when they were written?"""

import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from hack.corpus import expectation, kept, record
from keelstep.events import envelope, registry
from keelstep.events.envelope import Event
from keelstep.store import ledger, migrate, postgres, rows
from keelstep.store.ledger import Progress
from keelstep.testing.postgres import RunningPostgres

CORPUS = Path(__file__).parent
ROOT = CORPUS.parents[1]
FILES = sorted(str(file.relative_to(CORPUS)) for file in CORPUS.glob("v*/*.json"))
NOWHERE_YET = {"feedback.given"}
"""Types that no program writes yet."""


def _log(name: str) -> kept.Log:
    return kept.read(CORPUS / name)


@pytest.mark.parametrize("name", FILES)
def test_an_old_log_comes_to_what_it_came_to(name: str) -> None:
    """Fold, verdict, view and rows; what a later version says beyond that is its own."""
    log = _log(name)
    found = expectation.expectation(log.stored(), log.keys(), tenant=log.tenant, xid=log.xid, shard=log.shard)
    assert list(expectation.differences(log.expected, found)) == []


@pytest.mark.parametrize("name", FILES)
def test_a_changed_byte_does_not_go_unnoticed(name: str) -> None:
    """The files are evidence: the fold of a log with one byte changed comes to something else."""
    log = _log(name)
    stored = log.stored()
    middle = stored[len(stored) // 2]
    payload = middle.payload.replace(b"1", b"2", 1)
    assert payload != middle.payload
    stored[len(stored) // 2] = type(middle)(
        position=middle.position,
        writer=middle.writer,
        stored_at=middle.stored_at,
        signature=middle.signature,
        payload=payload,
    )
    found = expectation.expectation(stored, log.keys(), tenant=log.tenant, xid=log.xid, shard=log.shard)
    assert list(expectation.differences(log.expected, found)) != []


def test_no_file_was_ever_edited_and_none_is_missing() -> None:
    """Every file is in the list with the digest that it has."""
    assert kept.digests(CORPUS) == {name: kept.digest(CORPUS / name) for name in FILES}


def test_the_list_only_grows() -> None:
    """Whatever line stood in it in any commit stands in it now."""
    command = ["git", "log", "--format=", "--patch", "--", f"tests/corpus/{kept.LIST}"]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    ever = {line[1:] for line in told.splitlines() if line.startswith("+") and not line.startswith("+++")}
    assert ever <= set((CORPUS / kept.LIST).read_text().splitlines())


def test_every_type_and_every_way_to_read_a_message_is_there() -> None:
    """Each event type that is written, each kind of void message, and an event of a newer version."""
    outcomes = {outcome for name in FILES for outcome in _log(name).expected["outcomes"]}
    events = {outcome for outcome in outcomes if outcome in registry.KINDS}
    assert events == set(registry.KINDS) - NOWHERE_YET
    assert {outcome for outcome in outcomes if outcome.startswith("void ")} == {
        f"void {reason}"
        for reason in (
            "NotAnEvent",
            "WrongWriter",
            "OutOfSequence",
            "BrokenChain",
            "OldAttempt",
            "UnknownType",
            "ForeignSubject",
            "Unsigned",
        )
    }
    assert "undecidable memory.recalled v2" in outcomes


def test_every_recorded_run_of_this_version_is_kept() -> None:
    """A run that the recorder knows has its file."""
    version = f"v{envelope.VERSION}"
    assert set(record.RUNS) <= {Path(name).stem for name in FILES if name.startswith(f"{version}/")}


def test_what_is_kept_is_never_written_over(tmp_path: Path) -> None:
    """Neither the file nor the list changes."""
    name = FILES[0]
    log = _log(name)
    kept.write(tmp_path / name, log)
    assert kept.read(tmp_path / name) == log
    before = kept.digests(tmp_path)
    with pytest.raises(kept.KeptError, match="never edited"):
        kept.write(tmp_path / name, log)
    assert kept.digests(tmp_path) == before == {name: kept.digest(CORPUS / name)}


@pytest_asyncio.fixture(loop_scope="session")
async def database() -> AsyncIterator[postgres.Connection]:
    """An empty database with this version's tables."""
    async with RunningPostgres() as running:
        connection = await postgres.connect(await running.new_database(), "test")
        await migrate.migrate(connection)
        yield connection
        await connection.close()


async def test_the_rows_of_every_old_log_fit_the_tables(database: postgres.Connection) -> None:
    """A migration must hold what older versions have written."""
    begin = Progress(shard=0, stream="SPINE-0", incarnation="then", position=0, digest="")
    columns = ("execution_id", "micro_usd", "outcome", "events_n", "voids_n")
    assert set(columns) <= set(rows.EXECUTION_COLUMNS)
    for name in FILES:
        log = _log(name)
        batch = expectation.batch(log.stored(), log.keys(), log.tenant, log.xid, log.shard)
        alone = database.transaction()  # another's broker may have given the same positions
        await alone.start()
        await ledger.begin(database, begin)
        await ledger.commit(database, begin, begin, batch)
        told = await database.fetch(f"SELECT {', '.join(columns)} FROM gold.executions")
        await alone.rollback()
        expected = log.expected["rows"]["executions"]
        assert list(map(tuple, told)) == [tuple(row[column] for column in columns) for row in expected]


def test_what_the_recorder_wrote_is_what_the_broker_held() -> None:
    """Headers are kept too: every event of operator and gateway carries its signature, and every append its fence."""
    for name in FILES:
        log = _log(name)
        for message, outcome in zip(log.messages, log.expected["outcomes"], strict=True):
            if isinstance(envelope.decode(message.payload), Event) and outcome in registry.KINDS:
                is_signed = "Keelstep-Signature" in message.headers
                assert is_signed == message.subject.endswith((".op", ".gw")), f"{name} {message.position}"
                assert "Nats-Expected-Last-Subject-Sequence" in message.headers
