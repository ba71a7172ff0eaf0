"""What does the operator make of a log that was archived, or came back from a backup older than what it has seen?

A stage of these tests' own: they take whole logs away.
"""

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
import pytest_asyncio

from keelstep.archive.retention import Archivist
from keelstep.backup import make, restore
from keelstep.domain import restored
from keelstep.events import clock, signing
from keelstep.log.identities import Role
from keelstep.log.names import Names
from tests.integration.operator import manifests
from tests.integration.operator import stage as stages
from tests.integration.operator.actors import Cast
from tests.integration.operator.stage import Stage, condition, status


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def own(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    """Everything that runs, to be lost."""
    async with stages.running(tmp_path_factory.mktemp("loss")) as running:
        yield running


async def test_what_is_done_and_archived_is_not_done_again(own: Stage, tmp_path: Path) -> None:
    """Git applies the same once more: it shows how it ended and that its log is archived, and no attempt begins."""
    run = manifests.execution(own.tenant(), ttlSecondsAfterFinished=1)
    own.create(run)
    cast = await Cast.of(own, run)
    await cast.model()
    await cast.finish()
    await own.until_gone(run, "its time after the end is up")
    await own.awaited(lambda: _name_is(cast, "expired"), "the name is left")
    assert (await _archive(own, tmp_path)) == ["Purged"]

    own.create(run)

    shown = await own.until(run, lambda found: status(found).get("reason") == "LogArchived", "it is told")
    assert status(shown)["phase"] == "Succeeded"
    assert condition(shown, "Succeeded")["status"] == "True"
    assert "lies in the archive" in status(shown)["outcome"]
    assert own.get(manifests.core("Pod", cast.tenant, "run-a1")) is None
    assert (await cast.state()).seq == 0
    await own.operator.stop()
    await own.operator.start()
    own.delete(run)
    await own.until_gone(run)
    assert await _name_is(cast, "archived"), "its deletion frees nothing that is not its own"
    other = manifests.execution(cast.tenant, goal="Something else.")
    own.create(other)
    assert (await Cast.of(own, other)).xid != cast.xid


async def test_runs_that_a_backup_has_forgotten_wait_for_a_person(own: Stage, tmp_path: Path) -> None:
    """Held, and let go by whoever holds it themselves first; one without a log is not begun; what ended stays so."""
    tenant = own.tenant()
    open_one, ended, unknown = (manifests.execution(tenant, name) for name in ("open", "ended", "unknown"))
    own.create(open_one)
    cast = await Cast.of(own, open_one)
    await cast.model()
    backup = await _backup(own, tmp_path)
    await cast.ask_for_refund()
    before = await own.until(open_one, lambda found: status(found).get("gate"), "it asks")
    for late in (ended, unknown):
        own.create(late)
        await Cast.of(own, late)
    own.patch(ended, {"spec": {"cancel": True}})
    await own.until_phase(ended, "Cancelled")

    await own.operator.stop()
    await own.broker.close()
    await own.broker.kill()
    shutil.rmtree(own.broker.installation.folder / "state")
    await own.broker.start()
    report = await _restore(own, backup)
    assert report.held >= 1
    await own.operator.start()

    shown = await own.until_phase(open_one, "Suspended", "LogRestored")
    assert "keelstep suspend" in condition(shown, "Succeeded")["message"]
    assert status(before)["observedSeq"] > 0
    again = await Cast.of(own, open_one)
    assert restored.is_held(await again.state())
    await own.until(
        open_one, lambda found: status(found).get("observedSeq"), "the status follows the log again"
    )
    await own.until(unknown, lambda found: status(found).get("reason") == "LogLost", "it is not begun")
    assert status(await own.until_phase(ended, "Cancelled"))["phase"] == "Cancelled"

    own.patch(open_one, {"spec": {"suspend": True}})
    await own.until_phase(open_one, "Suspended", "Suspended")
    attempt = (await again.state()).attempt
    own.patch(open_one, {"spec": {"suspend": False}})
    await own.awaited(lambda: _has_attempt(again, attempt + 1), "it goes on with the next attempt")

    own.delete(unknown)
    await own.until_gone(unknown)
    await own.awaited(lambda: _is_free(again, "unknown"), "its name is free")
    own.create(unknown)
    await Cast.of(own, unknown)


async def _name_is(cast: Cast, state: str) -> bool:
    entry = await Names(cast.core).lookup(cast.tenant, cast.name)
    return entry is not None and entry.record.state == state and entry.record.xid == cast.xid


async def _is_free(cast: Cast, name: str) -> bool:
    entry = await Names(cast.core).lookup(cast.tenant, name)
    return entry is None or entry.record.state != "bound"


async def _has_attempt(cast: Cast, number: int) -> bool:
    return (await cast.state()).attempt >= number


async def _archive(own: Stage, folder: Path) -> list[str]:
    site = own.broker.installation
    keyring = (site.folder / "public" / "keyring.json").read_bytes()
    archivist = Archivist(
        nc=await own.broker.connect(Role.ARCHIVIST),
        keys=msgspec.json.decode(keyring, type=dict[str, signing.KeyEntry]),
        folder=folder,
        awaits_projector=False,
    )
    return [each.outcome for each in await archivist.run(0)]


async def _backup(own: Stage, folder: Path) -> Path:
    nc, system = await own.broker.connect(Role.BACKUP), await own.broker.connect(Role.SYSTEM)
    site = own.broker.installation
    keyring = (site.folder / "public" / "keyring.json").read_bytes()
    await make.backup(nc, system, site.accounts, keyring, folder / "backup")
    return folder / "backup"


async def _restore(own: Stage, backup: Path) -> restore.Report:
    site = own.broker.installation
    to = restore.Connections(
        backup=await own.broker.connect(Role.BACKUP),
        system=await own.broker.connect(Role.SYSTEM),
        operator=await own.broker.connect(Role.OPERATOR),
    )
    return await restore.restore(
        to, site.accounts, site.signer(Role.OPERATOR), site.keyring, backup, clock.now()
    )
