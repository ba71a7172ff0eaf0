"""Does a log leave the stream only when it may, and is it never lost on the way?"""

from pathlib import Path

import msgspec
import pytest

from keelstep import errors
from keelstep.archive import file, gather, proof
from keelstep.archive.retention import Report
from keelstep.events import clock, types
from keelstep.log import subjects
from keelstep.testing import death
from tests.integration.archive.stage import Stage
from tests.integration.views.written import DIGEST, Written

LARGE = '"' + "x" * 20_000 + '"'
"""An answer that lies in the object store."""


def only(reports: list[Report]) -> Report:
    """The one report."""
    (found,) = reports
    return found


async def test_a_run_that_is_over_moves_into_a_file_that_proves_it(stage: Stage, tenant: str) -> None:
    """Log and payloads are gone from the broker; the file holds both, and its verdict is Verified."""
    run = await stage.over(tenant, "refund-7", LARGE)
    before = await stage.in_stream(run)
    found = only(await stage.archive())
    assert (found.outcome, found.name, found.messages) == ("Purged", "refund-7", before)
    assert await stage.in_stream(run) == 0
    assert await stage.payloads(run) == 0
    proven = proof.check(Path(found.file), stage.keys())
    about = proven.manifest
    assert (about.verdict, about.phase, about.events) == ("Verified", "Succeeded", before)
    assert [each.address.split(".")[2] for each in about.objects] == [run.xid]
    assert about.missing == [subjects.revision(tenant, DIGEST)], "what this test pins was never stored"
    assert await stage.state(run) == "archived"


async def test_nothing_is_left_to_do_the_second_time(stage: Stage, tenant: str) -> None:
    """Run as often as one likes: no second file, no second record."""
    await stage.over(tenant, "refund-7")
    await stage.archive()
    files = {path: path.read_bytes() for path in stage.folder.rglob("*.tar.gz")}
    assert await stage.archive() == []
    assert {path: path.read_bytes() for path in stage.folder.rglob("*.tar.gz")} == files


async def test_a_log_that_is_too_large_stays_and_is_told(
    stage: Stage, tenant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is read no further than fits into memory, nothing of it goes, and the others are archived all the same."""
    large = await stage.over(tenant, "refund-7")
    before = await stage.in_stream(large)
    monkeypatch.setattr(gather, "MOST_BYTES", 500)
    found = only(await stage.archive())
    assert (found.outcome, found.name) == ("Failed", "refund-7")
    assert "the log is larger than" in found.why
    assert await stage.in_stream(large) == before


async def _is_open(stage: Stage, tenant: str) -> None:
    run = await stage.writers.bound(tenant, "refund-7")
    await run.start()
    await stage.names.release(tenant, "refund-7", run.xid, "test")


async def _has_a_claim(stage: Stage, tenant: str) -> None:
    run = await stage.writers.bound(tenant, "refund-7")
    await run.start()
    plan = await run.turn(1, "credit.grant")
    log = run._log("gw")
    await log.refresh()
    planned = log.state.step_at((plan, 0))
    assert planned is not None
    claim = types.ToolCalled(
        plan_seq=plan,
        index=0,
        tool="credit.grant",
        args=planned.args,
        contract_digest=DIGEST,
        idempotency_key="k" * 64,
        estimate_micro_usd=1,
        tier=1,
        owner="gw-1",
        deadline=clock.text(clock.now() + 60 * clock.SECOND),
    )
    await run.write("gw", "tool.called", claim)
    await run.write("op", "exec.killed", types.Interruption(by="ann", reason="danger", scope="execution"))
    await stage.names.release(tenant, "refund-7", run.xid, "test")


async def _stands_in_kubernetes(stage: Stage, tenant: str) -> None:
    await stage.over(tenant, "refund-7", as_if="bound")


async def _was_never_named(stage: Stage, tenant: str) -> None:
    run = Written(stage.writers, tenant, "refund-7", "5" * 32)
    await run.start()
    await run.write("op", "exec.killed", types.Interruption(by="ann", reason="danger", scope="execution"))


STAYS = {
    "it is not over": (_is_open, "it is not over"),
    "a call is still in flight": (_has_a_claim, "a call of it is open"),
    "its Execution is there": (_stands_in_kubernetes, "its Execution is there"),
    "no name was ever recorded": (_was_never_named, "no name was ever recorded"),
}


@pytest.mark.parametrize("why", STAYS)
async def test_a_log_stays_where(why: str, stage: Stage, tenant: str) -> None:
    """Kept, with the reason; no file is written."""
    prepare, told = STAYS[why]
    await prepare(stage, tenant)
    found = only(await stage.archive())
    assert found.outcome == "Kept"
    assert told in found.why
    assert list(stage.folder.rglob("*")) == []


async def test_what_is_young_is_not_looked_at(stage: Stage, tenant: str) -> None:
    """The broker's clock decides, not this machine's."""
    await stage.over(tenant, "refund-7")
    assert await stage.archivist().run(3600) == []


async def test_only_looking_changes_nothing(stage: Stage, tenant: str) -> None:
    """A dry run names what would leave."""
    run = await stage.over(tenant, "refund-7")
    found = await stage.archivist().run(0, only_show=True)
    assert only(found).outcome == "Due"
    assert await stage.in_stream(run) > 0
    assert list(stage.folder.rglob("*")) == []


async def test_an_equal_execution_does_not_begin_again(stage: Stage, tenant: str) -> None:
    """GitOps applies the same once more after its time was up: its log is gone, and it is not done a second time."""
    run = await stage.over(tenant, "refund-7", as_if="expired")
    await stage.archive()
    with pytest.raises(errors.LogArchivedError, match=f"the archive {tenant}/{run.xid}.tar.gz") as refused:
        await stage.names.bind(tenant, "refund-7", "another-uid", "d" * 64)
    assert (refused.value.xid, refused.value.phase) == (run.xid, "Succeeded")


@pytest.mark.parametrize(("as_if", "digest"), [("expired", "e" * 64), ("released", "d" * 64)])
async def test_another_run_may_have_the_name(stage: Stage, tenant: str, as_if: str, digest: str) -> None:
    """Asked for something else, or deleted by a person: a new log, with nothing of the old one in it."""
    await stage.over(tenant, "refund-7", as_if=as_if)
    await stage.archive()
    binding = await stage.names.bind(tenant, "refund-7", "another-uid", digest)
    assert (binding.xid, binding.is_adopted) == ("another-uid", False)


async def test_a_name_that_was_taken_again_keeps_its_new_run(stage: Stage, tenant: str) -> None:
    """The old log leaves, the name's record is the new run's and stays so."""
    old = await stage.over(tenant, "refund-7")
    new = await stage.writers.bound(tenant, "refund-7")
    assert new.xid != old.xid
    assert only(await stage.archive()).xid == old.xid
    assert await stage.in_stream(old) == 0
    assert await stage.state(new) == "bound"


async def test_a_late_record_joins_the_archive(stage: Stage, tenant: str) -> None:
    """Feedback that comes after the log has left is archived too; nothing of the first archive is lost."""
    run = await stage.over(tenant, "refund-7", LARGE)
    first = only(await stage.archive(purges=False))
    await run.write("op", "feedback.given", types.Feedback(by="ann", verdict="good"))
    second = only(await stage.archive())
    assert second.file == first.file
    assert second.messages == first.messages + 1
    assert len(proof.check(Path(second.file), stage.keys()).manifest.objects) == 1
    assert await stage.in_stream(run) == 0


async def test_a_log_that_somebody_wrote_into_is_archived_as_it_is(stage: Stage, tenant: str) -> None:
    """What is void leaves with the rest, and the archive's verdict is the log's: Broken."""
    run = await stage.over(tenant, "refund-7")
    await run.forge("op", b"{}")
    found = only(await stage.archive())
    assert found.outcome == "Purged"
    assert proof.check(Path(found.file), stage.keys()).manifest.verdict == "Broken"


async def test_death_at_any_moment_loses_nothing(stage: Stage, tenant: str) -> None:
    """After each death the log is whole, in the stream or in a proven file, and the next run ends the work."""
    moment = 0
    while True:
        moment += 1
        name = f"refund-{moment}"
        run = await stage.over(tenant, name, LARGE, as_if="expired")
        messages = await stage.in_stream(run)
        died = await death.at(stage.archive(), moment)
        await stage.client.flush()  # what it had asked for before it died happens
        path = stage.folder / tenant / f"{run.xid}{file.SUFFIX}"
        left = await stage.in_stream(run)
        if left < messages:
            assert proof.check(path, stage.keys()).manifest.messages == messages, moment
            assert await stage.state(run) == "archived", moment
        if await stage.payloads(run) == 0:
            assert len(proof.check(path, stage.keys()).manifest.objects) == 1, moment
        again = await stage.archive()
        assert {each.outcome for each in again} <= {"Purged"}, (moment, again)
        assert await stage.in_stream(run) == 0
        assert await stage.payloads(run) == 0
        assert proof.check(path, stage.keys()).manifest.messages == messages
        assert msgspec.json.decode(file.member(path, file.MANIFEST) or b"")["execution"] == run.xid
        if not died:
            break
    assert moment > 20, "the work has many moments"


async def test_a_half_purged_log_is_joined_with_its_archive(stage: Stage, tenant: str) -> None:
    """A broker that died in the middle of a purge leaves some messages: the archive has them all, the rest goes."""
    run = await stage.over(tenant, "refund-7", LARGE)
    first = only(await stage.archive(purges=False))
    await stage.purge(run, keep=3)
    assert await stage.in_stream(run) == 3
    found = only(await stage.archive())
    assert (found.outcome, found.messages) == ("Purged", first.messages)
    assert await stage.in_stream(run) == 0


async def test_an_archive_that_tells_another_story_is_not_believed(stage: Stage, tenant: str) -> None:
    """Somebody put another file in its place: the log stays, and a person is told."""
    one, other = await stage.over(tenant, "refund-7"), await stage.over(tenant, "refund-8")
    await stage.archive(purges=False)
    path = stage.folder / tenant / f"{one.xid}{file.SUFFIX}"
    path.write_bytes((stage.folder / tenant / f"{other.xid}{file.SUFFIX}").read_bytes())
    found = {each.name: each for each in await stage.archive()}
    assert found["refund-7"].outcome == "Failed"
    assert "is the archive of another execution" in found["refund-7"].why
    assert await stage.in_stream(one) > 0
