"""Is one tenant that the operator may not read its own affair, and nobody else's?"""

import json
from collections.abc import AsyncIterator

import pytest_asyncio

from tests.integration.kinds import api, plane
from tests.integration.operator import manifests
from tests.integration.operator.stage import Stage, status

EVERYWHERE = plane.ROOT / "policies" / "rbac" / "operator-everywhere.yaml"
ROLE = "keelstep-operator-tenant"
Tenants = tuple[str, str]


def binding(namespace: str) -> api.Object:
    """What lets the operator work in a tenant."""
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": ROLE}
    account = {"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": plane.OPERATOR}
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": {"name": ROLE, "namespace": namespace},
        "roleRef": reference,
        "subjects": [account],
    }


@pytest_asyncio.fixture(loop_scope="session")
async def tenants(stage: Stage) -> AsyncIterator[Tenants]:
    """Two tenants, of which the second has not bound the operator's role, and an operator that is to work in both."""
    names = (stage.tenant(), stage.tenant())
    await stage.operator.stop()
    assert stage.governed.kubectl("delete", "clusterrolebinding", ROLE).status == 0
    stage.create(binding(names[0]))
    await stage.operator.start(KEELSTEP_NAMESPACES=json.dumps(names))
    yield names
    await stage.operator.stop()
    assert stage.governed.kubectl("apply", "-f", str(EVERYWHERE)).status == 0
    await stage.operator.start()


async def test_a_tenant_without_its_rolebinding_stops_nobody_else(stage: Stage, tenants: Tenants) -> None:
    """The other's runs begin; it is said which namespace, and what to do; once the role is bound, it goes on there too."""
    well, unread = tenants
    waiting = stage.create(manifests.execution(unread, "waiting"))
    run = stage.create(manifests.execution(well, "going"))
    await stage.until(run, lambda found: status(found).get("attempt"), "it has an attempt")
    said = [
        json.loads(line)
        for line in stage.operator.said_since_start().splitlines()
        if '"namespace_unreadable"' in line
    ]
    assert [(each["namespace"], ROLE in each["hint"]) for each in said] == [(unread, True)]
    assert status(stage.get(waiting) or {}) == {"phase": "Pending"}

    bound = stage.create(binding(unread))
    await stage.until(waiting, lambda found: status(found).get("attempt"), "it has an attempt")
    await stage.eventually(lambda: '"namespace_readable"' in stage.operator.said_since_start(), "it is said")

    stage.delete(bound)
    await stage.eventually(
        lambda: stage.operator.said_since_start().count('"namespace_unreadable"') == 2, "it is said"
    )
    again = stage.create(manifests.execution(well, "after"))
    await stage.until(again, lambda found: status(found).get("attempt"), "it has an attempt")
    assert "execution_orphaned" not in stage.operator.said_since_start()
    assert "object_vanished" not in stage.operator.said_since_start()
