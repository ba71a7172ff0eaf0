"""Does an operator that is given some namespaces keep to them?"""

import json
from collections.abc import AsyncIterator

import pytest_asyncio

from tests.integration.operator import manifests
from tests.integration.operator.stage import Stage, status

Tenants = tuple[str, str, str]


@pytest_asyncio.fixture(loop_scope="session")
async def tenants(stage: Stage) -> AsyncIterator[Tenants]:
    """Two tenants of the operator's and a namespace that is none, while it knows only the two."""
    names = (stage.tenant(), stage.tenant(), stage.tenant())
    await stage.operator.stop()
    await stage.operator.start(KEELSTEP_NAMESPACES=json.dumps(names[:2]))
    yield names
    await stage.operator.stop()
    await stage.operator.start()


async def test_it_works_in_its_tenants_and_nowhere_else(stage: Stage, tenants: Tenants) -> None:
    """In each of several; what is asked for elsewhere is left as it is."""
    one, two, other = tenants
    foreign = stage.create(manifests.execution(other))
    for name in (one, two):
        run = stage.create(manifests.execution(name))
        await stage.until(run, lambda found: status(found).get("attempt"), "it has an attempt")
    found = stage.get(foreign)
    assert found is not None
    assert status(found) == {"phase": "Pending"}


async def test_an_empty_tenant_hides_nothing_of_the_others(stage: Stage, tenants: Tenants) -> None:
    """Each namespace is listed by itself: what one does not hold is not missing in another."""
    one, two, _ = tenants
    run = stage.create(manifests.execution(one, "kept"))
    await stage.until(run, lambda found: status(found).get("attempt"), "it has an attempt")
    gone = stage.create(manifests.execution(two, "gone"))
    await stage.until(gone, lambda found: status(found).get("attempt"), "it has an attempt")
    stage.delete(gone)
    await stage.until_gone(gone)
    resynced = stage.operator.said_since_start().count("object_vanished")
    assert resynced == 0
    stage.patch(run, {"spec": {"cancel": True}})
    await stage.until(
        run, lambda found: status(found).get("phase") in ("Unwinding", "Cancelled"), "it is cancelled"
    )
