"""Does the archivist's job do its work as a program, and end as a CronJob can tell?"""

import asyncio
import os
import sys
from pathlib import Path

from keelstep.log.identities import Role
from tests.integration.archive.stage import Stage


def environment(stage: Stage, folder: Path) -> dict[str, str]:
    """What the example's CronJob sets."""
    site = stage.broker.installation
    return {
        "KEELSTEP_NATS_URL": stage.broker.url,
        "KEELSTEP_NATS_CREDENTIALS": str(site.credentials_file(Role.ARCHIVIST)),
        "KEELSTEP_KEYRING": str(site.folder / "public" / "keyring.json"),
        "KEELSTEP_ARCHIVE_DIR": str(folder),
        "KEELSTEP_ARCHIVE_OLDER_THAN_DAYS": "0",
        "KEELSTEP_ARCHIVE_AWAITS_PROJECTOR": "false",
    }


async def run(environ: dict[str, str]) -> tuple[int | None, str]:
    """The job's exit code and what it said."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "keelstep.archive"),
        env={**os.environ, **environ},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    return process.returncode, said.decode()


async def test_the_job_archives_what_is_over(stage: Stage, tenant: str) -> None:
    """Exit 0, the file is there and the log is gone; and once more with nothing left to do."""
    archived = await stage.over(tenant, "refund-7")
    for _ in range(2):
        status, said = await run(environment(stage, stage.folder))
        assert status == 0, said
        assert (stage.folder / tenant / f"{archived.xid}.tar.gz").is_file()
        assert await stage.in_stream(archived) == 0


async def test_the_job_fails_where_an_archive_cannot_be_trusted(stage: Stage, tenant: str) -> None:
    """Exit 1, and the log stays."""
    kept = await stage.over(tenant, "refund-7")
    path = stage.folder / tenant / f"{kept.xid}.tar.gz"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"not what it should be")
    status, said = await run(environment(stage, stage.folder))
    assert status == 1
    assert "cannot be read" in said
    assert await stage.in_stream(kept) > 0


async def test_a_setting_that_is_missing_ends_the_job(stage: Stage, tmp_path: Path) -> None:
    """Exit 2 and one line that names it, never a stack trace."""
    environ = environment(stage, tmp_path)
    del environ["KEELSTEP_ARCHIVE_DIR"]
    status, said = await run(environ)
    assert status == 2
    assert "KEELSTEP_ARCHIVE_DIR: Field required" in said
    assert len(said.splitlines()) == 1


async def test_a_job_without_a_projector_says_so(stage: Stage, tenant: str, tmp_path: Path) -> None:
    """Exit 1: what leaves the stream must be in the tables first, unless it is said that there are none."""
    kept = await stage.over(tenant, "refund-7")
    status, said = await run({**environment(stage, tmp_path), "KEELSTEP_ARCHIVE_AWAITS_PROJECTOR": "true"})
    assert status == 1
    assert "no projector follows SPINE-0" in said
    assert await stage.in_stream(kept) > 0
