"""Is the restored log the one that was backed up, to the byte, and is every open run held?"""

import shutil
from pathlib import Path

import pytest

from keelstep import errors
from keelstep.backup import folder as folders
from keelstep.domain import restored
from keelstep.domain.state import State
from keelstep.events import clock, signing, types
from keelstep.log import control, names, objects, reader, spine, streams, subjects
from keelstep.log.identities import Role
from keelstep.log.revocation import Revoker
from keelstep.testing import death
from tests.integration.backup.stage import STREAMS, Disaster, info
from tests.integration.views.written import Writers, Written


async def _told(disaster: Disaster, tenant: str) -> tuple[Written, Written]:
    """One run that is over, one that is open, and a kill."""
    writers = await Writers.of(disaster.broker)
    over = await (await writers.bound(tenant, "over")).refund()
    running = await writers.bound(tenant, "open")
    await running.start()
    await running.turn(1, "credit.grant")
    site = disaster.broker.installation
    stop = control.Control(writers.operator, site.signer(Role.OPERATOR), site.keyring)
    await stop.engage("tool", tenant, "refund.issue", reason="the shop migrates", by="ann")
    await objects.Objects(writers.operator).put_revision(tenant, b"a revision")
    return over, running


async def _state(disaster: Disaster, run: Written) -> State:
    nc = await disaster.broker.connect(Role.OPERATOR)
    site = disaster.broker.installation
    author = spine.Author(types.Writer.OPERATOR.value, 0, site.signer(Role.OPERATOR))
    log = spine.Log(
        nc=nc,
        reader=reader.StreamReader(nc, 0),
        author=author,
        keyring=site.keyring,
        tenant=run.tenant,
        xid=run.xid,
    )
    return await log.refresh()


async def test_everything_comes_back_as_it_was(disaster: Disaster, tenant: str) -> None:
    """Subjects, sequences, the broker's times, headers and bytes, and settings."""
    over, _ = await _told(disaster, tenant)
    before = await disaster.content()
    backup = await disaster.backup()
    await disaster.lose()
    report = await disaster.restore(backup)
    after = await disaster.content()
    for stream in STREAMS:
        assert after[stream][: len(before[stream])] == before[stream], stream
    nc = await disaster.broker.connect(Role.OPERATOR)
    await streams.ensure(
        nc
    )  # as the operator does: what a backup leaves out begins anew, the rest is as it must be
    assert (report.held, report.ended) == (1, 1)
    assert (await _state(disaster, over)).is_over


async def test_an_open_run_is_held_and_one_that_is_over_is_not(disaster: Disaster, tenant: str) -> None:
    """What it did after the backup nobody here can know: its log says so itself, by a valid event."""
    over, running = await _told(disaster, tenant)
    backup = await disaster.backup()
    plan = (await _state(disaster, running)).plan
    assert plan is not None
    await running.call(plan.seq, 0, "credit.grant")
    await disaster.lose()
    await disaster.restore(backup)
    state = await _state(disaster, running)
    assert not state.keys, "the log has forgotten the credit"
    assert restored.is_held(state)
    assert (await _state(disaster, over)).suspended is None


async def test_a_run_that_a_person_held_waits_for_this_too(disaster: Disaster, tenant: str) -> None:
    """Letting it go would be their word about something else."""
    _, running = await _told(disaster, tenant)
    await running.write("op", "exec.suspended", types.Interruption(by="ann", reason="Suspended"))
    backup = await disaster.backup()
    await disaster.lose()
    await disaster.restore(backup)
    assert restored.is_held(await _state(disaster, running))


async def test_the_streams_say_when_they_were_restored(disaster: Disaster, tenant: str) -> None:
    """For an operator that meets an Execution from before without a log."""
    await _told(disaster, tenant)
    nc = await disaster.broker.connect(Role.OPERATOR)
    assert await streams.restored_at(nc) == 0
    backup = await disaster.backup()
    await disaster.lose()
    report = await disaster.restore(backup)
    nc = await disaster.broker.connect(Role.OPERATOR)
    assert await streams.restored_at(nc) == clock.parse(report.at) > 0


async def test_revoked_identities_stay_revoked(disaster: Disaster, tenant: str, xid: str) -> None:
    """The accounts' tokens are part of the backup."""
    site = disaster.broker.installation
    thief = disaster.broker.attempt(tenant, xid)
    system = await disaster.broker.connect(Role.SYSTEM)
    revoker = Revoker(system, site.accounts.run, site.operator_key)
    await revoker.revoke(thief.public_key, clock.now() + 3600 * clock.SECOND)
    await _told(disaster, tenant)
    backup = await disaster.backup()
    await disaster.lose()
    await disaster.restore(backup)
    with pytest.raises(errors.IdentityRefusedError):
        await disaster.broker.connect_as(thief, subjects.inbox(xid, 1))


async def test_names_and_kills_are_those_of_the_backup(disaster: Disaster, tenant: str) -> None:
    """A name has its log again, and what was stopped is stopped."""
    over, _ = await _told(disaster, tenant)
    backup = await disaster.backup()
    await disaster.lose()
    await disaster.restore(backup)
    nc = await disaster.broker.connect(Role.OPERATOR)
    entry = await names.Names(nc).lookup(tenant, "over")
    assert entry is not None
    assert entry.record.xid == over.xid
    site = disaster.broker.installation
    stop = control.Control(nc, site.signer(Role.OPERATOR), site.keyring)
    found = await stop.lookup("tool", tenant, "refund.issue")
    assert found is not None
    assert found.record is not None
    assert found.record.engaged


async def test_a_broker_that_has_a_log_is_left_alone(disaster: Disaster, tenant: str) -> None:
    """Nothing is ever restored over something."""
    await _told(disaster, tenant)
    backup = await disaster.backup()
    before = await disaster.content()
    with pytest.raises(
        errors.StreamDiffersError, match="the broker has SPINE-0, OBJ, NAMES, CONTROL already"
    ):
        await disaster.restore(backup)
    assert await disaster.content() == before


async def test_no_operator_makes_an_empty_stream_beside_a_full_one(disaster: Disaster, tenant: str) -> None:
    """A restore that was interrupted, or a lost disk: an empty CONTROL would have forgotten every kill."""
    await _told(disaster, tenant)
    admin = await disaster.broker.administrator()
    await admin.request("$JS.API.STREAM.DELETE.CONTROL", b"", timeout=60)
    nc = await disaster.broker.connect(Role.OPERATOR)
    with pytest.raises(
        errors.StreamDiffersError, match="stream CONTROL is gone, and NAMES, OBJ, SPINE-0 hold"
    ):
        await streams.ensure(nc)


def _cut(backup: Path) -> None:
    file = backup / "OBJ.snapshot"
    file.write_bytes(file.read_bytes()[:-1])


def _without_a_file(backup: Path) -> None:
    (backup / "SPINE-0.snapshot").unlink()


def _without_a_list(backup: Path) -> None:
    (backup / folders.MANIFEST).unlink()


BROKEN = {"a file that was cut": _cut, "a missing file": _without_a_file, "no list": _without_a_list}


@pytest.mark.parametrize("damage", BROKEN)
async def test_a_backup_that_is_not_whole_is_refused(damage: str, disaster: Disaster, tenant: str) -> None:
    """Before anything is brought back."""
    await _told(disaster, tenant)
    backup = await disaster.backup()
    BROKEN[damage](backup)
    await disaster.lose()
    with pytest.raises(folders.BackupError):
        await disaster.restore(backup)
    nc = await disaster.broker.connect(Role.OPERATOR)
    assert await jetstream_names(nc) == []


async def jetstream_names(nc: object) -> list[str]:
    """Streams that are there."""
    found = []
    for stream in STREAMS:
        try:
            await info(nc, stream)
        except errors.BrokerError:
            continue
        found.append(stream)
    return found


async def test_a_backup_that_died_leaves_no_folder(disaster: Disaster, tenant: str) -> None:
    """It appears whole or not at all, whenever it dies."""
    await _told(disaster, tenant)
    moment = 0
    while await death.at(disaster.backup("dead"), moment := moment + 3):
        assert not (disaster.folder / "dead").exists() or folders.read(disaster.folder / "dead").streams
        shutil.rmtree(disaster.folder / "dead", ignore_errors=True)
    assert moment > 20, "it has many moments"
    assert folders.read(disaster.folder / "dead").streams


async def test_a_restore_that_died_is_gone_on_with(disaster: Disaster, tenant: str) -> None:
    """At any moment: CONTROL, without which nobody works, is there only once every open run is held."""
    _, running = await _told(disaster, tenant)
    backup = await disaster.backup()
    moment = 0
    while True:
        moment += 5
        await disaster.lose()
        async with disaster.connections() as to:
            died = await death.at(disaster.bring_back(to, backup), moment)
            there = await jetstream_names(to.operator)
        if subjects.CONTROL_STREAM in there:
            assert restored.is_held(await _state(disaster, running)), moment
        report = await disaster.restore(backup)
        assert report.held == 1
        assert restored.is_held(await _state(disaster, running))
        held = [
            each for each in (await disaster.content())[subjects.stream(0)] if b"LogRestored" in each.payload
        ]
        assert len(held) == 1, "held once"
        if not died:
            break
    assert signing.HEADER in held[0].headers
