"""What nothing in Kubernetes stands for is found, and ends only when a person names it."""

import pytest

from keelstep import errors
from keelstep.archive import orphans
from keelstep.archive.orphans import Run, Search
from keelstep.domain.state import State
from keelstep.log import jetstream, subjects
from keelstep.log.identities import Role
from tests.integration.archive.stage import Stage
from tests.integration.views.written import Written


@pytest.fixture
def search(stage: Stage) -> Search:
    """Somebody who looks."""
    site = stage.broker.installation
    return Search(nc=stage.client, signer=site.signer(Role.OPERATOR), keyring=site.keyring)


async def _found(search: Search, *there: tuple[str, str]) -> list[Run]:
    return await search.runs(await search.register(), there)


async def _state(run: Written) -> State:
    log = run._log("op")
    return await log.refresh()


async def test_only_what_has_no_execution_is_listed(search: Search, stage: Stage, tenant: str) -> None:
    """Open and over ones whose name is still theirs; what is there, or was deleted in the operator's sight, is not."""
    standing = await stage.writers.bound(tenant, "standing")
    await standing.start()
    missing = await stage.writers.bound(tenant, "missing")
    await missing.start()
    await stage.over(tenant, "over", as_if="bound")
    await stage.over(tenant, "released")
    found = await _found(search, (tenant, "standing"))
    assert {(each.name, each.kind) for each in found} == {("missing", "Open"), ("over", "Over")}


async def test_an_open_one_is_cancelled_as_if_its_deletion_had_been_seen(
    search: Search, stage: Stage, tenant: str
) -> None:
    """The operator then unwinds it and frees its name; done again it changes nothing."""
    run = await stage.writers.bound(tenant, "missing")
    await run.start()
    (orphan,) = await _found(search)
    for _ in range(2):
        await search.end(stage.writers.operator, orphan, "grace")
    state = await _state(run)
    assert state.cancelled is not None
    assert (state.cancelled.reason, state.cancelled.by) == ("Deleted", "grace")
    assert state.seq == 3


async def test_the_name_of_one_that_is_over_is_freed(search: Search, stage: Stage, tenant: str) -> None:
    """Its log stays, and may be archived."""
    run = await stage.over(tenant, "over", as_if="bound")
    (orphan,) = await _found(search)
    await search.end(stage.writers.operator, orphan, "grace")
    assert await stage.state(run) == "released"


async def test_a_log_that_no_name_leads_to_is_finished(search: Search, stage: Stage, tenant: str) -> None:
    """Nobody could ever go on with it."""
    run = Written(stage.writers, tenant, "nobody", "6" * 32)
    await run.start()
    (orphan,) = await _found(search)
    assert orphan.kind == "Unnamed"
    await search.end(stage.writers.operator, orphan, "grace")
    state = await _state(run)
    assert state.finished is not None
    assert await _found(search) == []


async def test_a_run_that_begins_meanwhile_is_no_orphan(search: Search, stage: Stage, tenant: str) -> None:
    """It is in no list of names that was read before; its own name tells."""
    register = await search.register()
    run = await stage.writers.bound(tenant, "new")
    await run.start()
    assert await search.runs(register, []) == []


async def test_payloads_of_no_log_are_found_once_they_are_old(
    search: Search, stage: Stage, tenant: str
) -> None:
    """Young ones may be waiting for their event; revisions belong to the tenant; what a log names stays."""
    run = await stage.over(tenant, "over", '"' + "x" * 20_000 + '"')
    stray = subjects.obj(tenant, "7" * 32, "a" * 64)
    await jetstream.publish(stage.writers.operator, stray, b"stray")
    await jetstream.publish(stage.writers.operator, subjects.revision(tenant, "b" * 64), b"revision")
    assert await search.payloads() == []
    search.young_seconds = -60
    (found,) = await search.payloads()
    assert (found.xid, found.count) == ("7" * 32, 1)
    assert await search.delete([found]) == 1
    assert await search.payloads() == []
    assert await stage.payloads(run) == 1


def test_only_an_orphan_can_be_named() -> None:
    """A typing mistake ends nothing."""
    run = Run(tenant="shop", name="one", xid="x1", shard=0, kind="Open", events=2, last_at=0)
    assert orphans.named([run], "shop/one") == run
    assert orphans.named([run], "x1") == run
    with pytest.raises(errors.SettingsError, match="shop/two is no orphan"):
        orphans.named([run], "shop/two")
