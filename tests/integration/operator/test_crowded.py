"""Does nobody begin a run where its end could not be enforced any more?"""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from keelstep.events import clock
from keelstep.log.identities import Role
from keelstep.log.revocation import Revoker
from keelstep_operator.decide import share
from tests.integration.operator import manifests
from tests.integration.operator import stage as stages
from tests.integration.operator.stage import Stage, condition


@pytest_asyncio.fixture(loop_scope="session")
async def crowded(tmp_path: Path) -> AsyncIterator[Stage]:
    """An installation of its own, whose broker holds nearly as many revoked identities as it can."""
    async with stages.running(tmp_path) as stage:
        await stage.operator.stop()
        site = stage.broker.installation
        revoker = Revoker(await stage.broker.connect(Role.SYSTEM), site.accounts.run, site.operator_key)
        expiry = clock.now() + 3600 * clock.SECOND
        await revoker.revoke_many({f"U{number:055d}": expiry for number in range(share.LAST)})
        await revoker.nc.close()
        await stage.operator.start()
        yield stage


async def test_a_run_that_could_not_be_cut_off_does_not_begin(crowded: Stage) -> None:
    """It says how many identities there are and what helps; there is room yet for those of the runs that go on."""
    run = manifests.execution(crowded.tenant())
    crowded.create(run)
    found = await crowded.until(
        run, lambda found: condition(found, "Accepted").get("reason") == share.REASON, "it is refused"
    )
    accepted = condition(found, "Accepted")
    assert accepted["status"] == "False"
    assert f"{share.LAST} identities of runs have not expired, of {share.MOST}" in accepted["message"]
    assert "executionID" not in found["status"] or not found["status"].get("attempt")
